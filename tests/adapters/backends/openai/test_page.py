"""The page docs/openai-backend.md names every option, and its experiment files decode."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from crucible.adapters.backends.openai import OpenAIOptions

PAGE = (Path(__file__).parents[4] / "docs" / "openai-backend.md").read_text(encoding="utf-8")


def test_the_page_names_every_option_and_no_other() -> None:
    section = PAGE.split("\n## Options\n")[1].split("\n## ")[0]
    cells = " ".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE))
    named = set(re.findall(r"`(\w+)`", cells))
    assert named == {field.name for field in msgspec.structs.fields(OpenAIOptions)}


def test_the_experiments_of_the_page_decode() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert msgspec.convert(tomllib.loads(block)["backend"]["options"], OpenAIOptions)
