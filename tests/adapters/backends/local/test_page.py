"""The page docs/local-training.md names every option with its default, and its experiments decode."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from crucible.adapters.backends.local import LocalOptions
from crucible.messages.training import TrainingConfig

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "local-training.md").read_text(encoding="utf-8")
TRAINING = {field.name for field in msgspec.structs.fields(TrainingConfig)}


def test_the_page_names_every_option_and_no_other() -> None:
    section = PAGE.split("\n## Options\n")[1].split("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert named == [field.name for field in msgspec.structs.fields(LocalOptions)]


def test_the_defaults_of_the_page_are_those_of_the_code() -> None:
    section = PAGE.split("\n## Options\n")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", section, re.MULTILINE))
    true = msgspec.json.decode(msgspec.json.encode(LocalOptions(base_model="m")))
    assert {name: msgspec.json.decode(value) for name, value in told.items()} == {
        name: value for name, value in true.items() if value is not None and name != "base_model"
    }


def test_the_experiments_of_the_page_decode() -> None:
    blocks = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
    assert len(blocks) == 2
    assert set(blocks[0]["backend"]["options"]) <= TRAINING
    for member in blocks[1]["reliability"]["ensemble"]["members"]:
        assert msgspec.convert(member["options"], LocalOptions)


def test_the_experiment_for_this_backend_decodes() -> None:
    given = tomllib.loads((ROOT / "config" / "experiments" / "local.toml").read_text(encoding="utf-8"))
    own = {key: value for key, value in given["backend"]["options"].items() if key not in TRAINING}
    assert msgspec.convert(own, LocalOptions).base_model
