"""The page docs/tinker.md names every option with its default, and its experiment decodes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from crucible.adapters.backends.tinker import TinkerOptions
from crucible.messages.training import TrainingConfig

PAGE = (Path(__file__).parents[4] / "docs" / "tinker.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| (`[^|]*) \| ([^|]*) \|", PAGE.split("\n## The experiment\n")[1].split("\n## ")[0], re.MULTILINE
)
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
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
    given = tomllib.loads(BLOCKS[0])["backend"]["options"]
    loop = {field.name for field in msgspec.structs.fields(TrainingConfig)}
    assert msgspec.convert({key: given[key] for key in given if key not in loop}, TinkerOptions)
    assert msgspec.convert({key: given[key] for key in given if key in loop}, TrainingConfig)


def test_the_regularisers_of_the_page_decode() -> None:
    given = tomllib.loads(BLOCKS[1])
    options = msgspec.convert({"base_model": "m", **given}, TinkerOptions)
    assert [each.label for each in options.regularisers] == ["kl_k3", "not too sure"]


def test_the_term_of_the_page_has_the_derivative_that_it_says() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    made: dict[str, Any] = {}
    exec(compile(code, "docs/tinker.md", "exec"), made)
    at, change = np.asarray([-0.3, -2.0]), np.asarray([1e-6, 0.0])
    _, slope = made["brier"](at, None)
    above, below = made["brier"](at + change, None)[0], made["brier"](at - change, None)[0]
    assert slope[0] == pytest.approx((above - below) / 2e-6, rel=1e-6)
