"""The examples of docs/statistics.md print what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import msgspec
import pytest

from crucible.messages import findings
from crucible.messages.experiment import StatsConfig

PAGE = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=["bench", "library"])
def test_an_example_prints_what_the_page_says(code: str, printed: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "statistics.md", "exec"), {})
    assert out.getvalue() == printed


def test_every_status_is_explained() -> None:
    statuses = set(findings.Status.__args__) - {"ok"}  # type: ignore[attr-defined]
    table = PAGE[PAGE.index("## When there is no value") : PAGE.index("## What it was checked against")]
    assert {word for word in re.findall(r"`(\w+)`", table) if word in statuses} == statuses


def test_the_settings_of_the_page_are_settings() -> None:
    block = re.search(r"```toml\n\[reliability.stats\]\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    names = re.findall(r"^(?:# )?(\w+) = ", block[1], re.MULTILINE)
    assert set(names) == {field.name for field in msgspec.structs.fields(StatsConfig)}
