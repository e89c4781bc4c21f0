"""The page docs/tinker.md names every option with its default, and its experiment decodes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from crucible.adapters.backends.tinker import TinkerOptions
from crucible.messages.training import TrainingConfig

PAGE = (Path(__file__).parents[4] / "docs" / "tinker.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| (`[^|]*) \| ([^|]*) \|", PAGE.split("\n## The experiment\n")[1].split("\n## ")[0], re.MULTILINE
)
TRUE = msgspec.to_builtins(TinkerOptions(base_model="m"))


def test_the_page_names_every_option_and_no_other() -> None:
    named = [name for cell, _ in ROWS for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(field.name for field in msgspec.structs.fields(TinkerOptions))


def test_the_defaults_of_the_page_are_those_of_the_code() -> None:
    for cell, default in ROWS:
        names = re.findall(r"`(\w+)`", cell)
        told = [text.strip().strip("`") for text in default.split(",")]
        for name, text in zip(names, told * len(names) if len(told) == 1 else told, strict=False):
            if text == "required":
                continue
            if text == "none":
                assert not TRUE[name] or set(TRUE[name].values()) == {None}
            else:
                assert msgspec.json.decode(text) == TRUE[name], name


def test_the_experiment_of_the_page_decodes() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    given = tomllib.loads(block)["backend"]["options"]
    loop = {field.name for field in msgspec.structs.fields(TrainingConfig)}
    assert msgspec.convert({key: given[key] for key in given if key not in loop}, TinkerOptions)
    assert msgspec.convert({key: given[key] for key in given if key in loop}, TrainingConfig)
