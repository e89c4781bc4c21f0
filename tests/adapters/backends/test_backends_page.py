"""The page docs/backends.md is true: its plug-in works and its tables name every option and default."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.extractive import ExtractiveOptions
from crucible.adapters.backends.lead import LeadOptions
from crucible.adapters.backends.mock import MockBackend, MockOptions
from crucible.adapters.cns import parse_claims

from .support import INPUT, request

PAGE = (Path(__file__).parents[3] / "docs" / "backends.md").read_text(encoding="utf-8")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    module = ModuleType("chance_backend")
    monkeypatch.setitem(sys.modules, "chance_backend", module)
    exec(compile(code[1], "docs/backends.md", "exec"), module.__dict__)
    return module.__dict__["ChanceBackend"]()


async def test_the_plugin_of_the_page_answers_in_the_grammar(plugin: Any, tmp_path: Path) -> None:
    session = await plugin.open(msgspec.convert({"k": 3}, plugin.Options), seed=1, workdir=tmp_path)
    sampler = await session.sampler()
    reply = await sampler.sample(request(INPUT))
    parsed = parse_claims(reply.completions[0].text, strict=True)
    assert parsed.diagnostics == ()
    assert len(parsed.claims) == 4
    assert await sampler.sample(request(INPUT)) == reply


def test_the_plugin_of_the_page_refuses_unknown_options(plugin: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"kk": 3}, plugin.Options)


@pytest.mark.parametrize(
    ("heading", "options"), [("extractive", ExtractiveOptions), ("lead", LeadOptions), ("mock", MockOptions)]
)
def test_the_page_names_every_option(heading: str, options: type[msgspec.Struct]) -> None:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = " ".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE))
    named = set(re.findall(r"`(\w+)`", cells))
    assert {field.name for field in msgspec.structs.fields(options)} <= named


def test_the_defaults_of_the_page_are_those_of_the_code() -> None:
    section = PAGE.split("\n### Options\n")[1].split("\n### ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section, re.MULTILINE))
    true = msgspec.to_builtins(ExtractiveOptions())
    assert {name: msgspec.json.decode(value) for name, value in told.items()} == true


async def test_the_script_of_the_page_decodes(tmp_path: Path) -> None:
    block = PAGE.split("\n## mock\n")[1].split("```toml\n")[1].split("```")[0]
    given = tomllib.loads(block)["backend"]["options"]
    assert await MockBackend().open(msgspec.convert(given, MockOptions), seed=0, workdir=tmp_path)
