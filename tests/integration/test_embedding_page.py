"""The examples of docs/embedding.md run as they stand, those of its notebook in a real kernel."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "embedding.md").read_text(), re.DOTALL)
CELLS = [block for block in BLOCKS if block.startswith("# cell ")]
EXAMPLES = [block for block in BLOCKS if block not in CELLS]
SERVED = """
import os
from {module} import TestClient

with TestClient(app) as client:
    answer = client.post("/runs")
    assert answer.status_code == 201, answer.text
    assert os.path.isdir(f"runs/{answer.json()['run']}")
"""

FRAMEWORKS = {"Litestar(": "litestar.testing", "FastAPI(": "fastapi.testclient"}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs_beside_a_copy_of_the_configuration(number: int, tmp_path: Path) -> None:
    (tmp_path / "config").symlink_to(ROOT / "config")
    example = EXAMPLES[number]
    for package in ("fastapi", "litestar", "uvloop"):
        if package in example and importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    for framework, module in FRAMEWORKS.items():
        if framework in example:
            example += SERVED.replace("{module}", module)
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if "# completed" in EXAMPLES[number]:  # what it prints, by the page
        assert "completed" in done.stdout
    if "'completed', 'completed'" in EXAMPLES[number]:
        assert done.stdout == "['completed', 'completed']\n"


NOTEBOOK = """
import json, sys
import nbformat
from nbclient import NotebookClient

cells = [nbformat.v4.new_code_cell(cell) for cell in json.load(sys.stdin)]
notebook = NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=100, kernel_name="python3").execute()
json.dump([cell.outputs for cell in notebook.cells], sys.stdout)
"""


def test_the_cells_of_the_page_run_in_a_notebook(tmp_path: Path) -> None:
    """And ``crucible.run``, which cannot, says in one line what can."""
    for package in ("nbclient", "ipykernel"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    (tmp_path / "config").symlink_to(ROOT / "config")
    last = "try:\n    crucible.run(experiment)\nexcept crucible.InputError as error:\n    print(error)"
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK],
        input=json.dumps([*CELLS, last]),
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout)
    assert len(outputs) == len(CELLS) + 1 == 4
    assert "RunStarted" in outputs[0][0]["text"]
    assert outputs[0][-1]["data"]["text/plain"] == "'completed'"
    assert outputs[1] == []
    assert outputs[2][-1]["data"]["text/plain"] == "'better'"
    assert "use async with crucible.Supervisor()" in outputs[3][0]["text"]
    assert len(list((tmp_path / "runs").iterdir())) == 2
