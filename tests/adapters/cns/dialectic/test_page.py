"""docs/dialectic.md says what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import msgspec

from crucible.actors.dialectic.settings import CriticContext, DialecticOptions
from crucible.adapters.cns.critics import WEIGHTS
from crucible.adapters.cns.dialectic.replies import read_challenges, read_synthesis
from crucible.messages.dialectic import StopReason

from .objects import PASSAGE, SUPPORT, argued

PAGE = (Path(__file__).parents[4] / "docs" / "dialectic.md").read_text()
BLOCKS = re.findall(r"^```(?:\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_replies_on_the_page_are_read_without_a_problem() -> None:
    said = next(block for block in BLOCKS if block.startswith("CHALLENGE"))
    found, problems = read_challenges(
        said, argued(), PASSAGE, SUPPORT, example="e", method="m", round_number=1, most=5
    )
    assert problems == ()
    assert found is not None
    assert len(found.challenges) == 2
    assert found.antithesis is not None
    ended = "CLAIM[c1]: So.\n" + next(block for block in BLOCKS if block.startswith("RESOLVED"))
    made = read_synthesis(ended, argued(), found, PASSAGE, SUPPORT, example="e", method="m", round_number=1)
    assert [each.resolution for each in made.challenges] == ["accepted", "rejected"]
    assert made.sno is not None
    assert made.sno.confidence == 0.8


def test_the_page_names_every_reason_and_only_options_that_there_are() -> None:
    table = PAGE.split("## When it ends")[1].split("The answer is")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(get_args(StopReason))
    (stages,) = (tomllib.loads(block)["pipeline"] for block in BLOCKS if "[[pipeline]]" in block)
    msgspec.convert(stages[1]["options"], DialecticOptions)


def test_the_stage_knows_every_weighting_of_the_critics() -> None:
    assert set(get_args(CriticContext)) == set(WEIGHTS)
