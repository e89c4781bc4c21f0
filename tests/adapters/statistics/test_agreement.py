"""Intervals of agreement where the usual errors are 0; values are in ``test_published_values``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from crucible.adapters.statistics.agreement import cohens_kappa, krippendorff_alpha
from crucible.adapters.statistics.intervals import wilson_interval

YES_NO = ["yes"] * 9 + ["no"] * 6


def test_perfect_agreement_of_a_few_has_the_width_of_its_sample() -> None:
    found = cohens_kappa(YES_NO, YES_NO)
    assert (found.value, found.n) == (1.0, 15)
    assert found.interval is not None
    assert found.interval.method == "Wilson bound of the agreement, chance as observed"
    chance = 0.6**2 + 0.4**2
    assert found.interval.low == pytest.approx((wilson_interval(15, 15, 0.95).low - chance) / (1 - chance))
    assert 0.5 < found.interval.low < 0.65
    assert found.interval.high == 1.0


def test_more_items_that_agree_leave_less_room() -> None:
    lows = [
        found.interval.low for n in (1, 4, 16) if (found := cohens_kappa(YES_NO * n, YES_NO * n)).interval
    ]
    assert len(lows) == 3
    assert lows == sorted(lows)
    assert lows[-1] > 0.95


def test_complete_disagreement_has_a_width_too() -> None:
    first, second = ["a", "b"] * 8, ["b", "a"] * 8
    found = cohens_kappa(first, second)
    assert found.value == -1.0
    assert found.interval is not None
    assert (found.interval.low, found.interval.method[:6]) == (-1.0, "Wilson")
    assert -1.0 < found.interval.high < 0.0


def test_a_judge_who_used_one_category_leaves_no_interval_and_a_reason() -> None:
    found = cohens_kappa(["a"] * 12, ["a"] * 8 + ["b"] * 4)
    assert found.value == pytest.approx(0.0, abs=1e-12)
    assert found.interval is None
    assert "one judge used one category only" in found.notes


def test_with_a_disagreement_the_large_sample_error_stands() -> None:
    found = cohens_kappa(YES_NO, [*YES_NO[:-1], "yes"])
    assert found.interval is not None
    assert (found.interval.method, found.notes) == ("large-sample", "")


@pytest.mark.parametrize("agreement", [0.8, 0.9])
def test_intervals_of_fifteen_items_hold_the_truth_about_as_often_as_they_say(agreement: float) -> None:
    draw = np.random.default_rng(7)
    held = perfect = 0
    for _ in range(600):
        first = draw.random(15) < 0.5
        second = np.where(draw.random(15) < agreement, first, draw.random(15) < 0.5)
        found = cohens_kappa(first.tolist(), second.tolist())
        assert found.interval is not None
        held += found.interval.low <= agreement <= found.interval.high
        perfect += found.value == 1.0
    assert perfect > 60  # where an interval without width is never right
    assert held / 600 > 0.93


@pytest.mark.parametrize(
    ("scale", "values"), [("nominal", "ab"), ("ordinal", [1, 2]), ("interval", [1.0, 4.0])]
)
def test_alpha_of_perfect_agreement_has_a_width(scale: str, values: Sequence[str | float]) -> None:
    given = [values[0]] * 9 + [values[1]] * 6
    found = krippendorff_alpha([given, given, [*given[:-1], None]], scale)  # type: ignore[arg-type]
    assert found.value == 1.0
    assert found.interval is not None
    assert found.interval.method == "Wilson bound of the agreement, chance as observed"
    assert 0.5 < found.interval.low < 0.65
    assert found.interval.high == 1.0


def test_alpha_of_units_that_are_alike_has_no_interval_and_a_reason() -> None:
    found = krippendorff_alpha([["a"] * 8, ["b"] * 8])
    assert found.value is not None
    assert found.value < 0
    assert found.interval is None
    assert "the units are alike" in found.notes


def test_alpha_with_a_disagreement_is_resampled() -> None:
    found = krippendorff_alpha([YES_NO, [*YES_NO[:-1], "yes"]])
    assert found.interval is not None
    assert found.interval.method == "percentile bootstrap over units"
    assert found.interval.low < found.interval.high
