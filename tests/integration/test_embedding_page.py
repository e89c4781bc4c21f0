"""The examples of docs/embedding.md run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "embedding.md").read_text(), re.DOTALL)
SERVED = """
import os
from litestar.testing import TestClient

with TestClient(app) as client:
    answer = client.post("/runs")
    assert answer.status_code == 201, answer.text
    assert os.path.isdir(f"runs/{answer.json()['run']}")
"""


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs_beside_a_copy_of_the_configuration(number: int, tmp_path: Path) -> None:
    (tmp_path / "config").symlink_to(ROOT / "config")
    example = EXAMPLES[number] + (SERVED if "Litestar(" in EXAMPLES[number] else "")
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if "# completed" in EXAMPLES[number]:  # what it prints, by the page
        assert "completed" in done.stdout
