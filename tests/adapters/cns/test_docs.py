from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("page", ["claim-metrics.md", "critics.md", "topology.md"])
def test_the_example_of_the_page_prints_what_the_page_says(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```.*?prints\n\n```text\n(.*?)```", text, re.DOTALL)
    assert found is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(found[1], page, "exec"), {})
    said = re.sub(r"ripser [\d.]+", "ripser x", found[2])
    assert re.sub(r"ripser [\d.]+", "ripser x", printed.getvalue()) == said
