"""The figures of fairlearn 0.15 (and scikit-learn's precision) on the same rows are the constants here."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from crucible.adapters.statistics.group_gaps import group_gaps
from crucible.adapters.statistics.intervals import estimate_mean, wilson_interval
from crucible.adapters.statistics.rates import clustered_wilson, newcombe
from crucible.messages.fairness import CRITERIA, FairnessResult, GroupGap

LABELS = [1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 0]
PREDICTIONS = [1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1]
Row = tuple[int, int | None, int | None]
ROWS: list[Row] = [(i // 10, p, y) for i, (p, y) in enumerate(zip(PREDICTIONS, LABELS, strict=True))]


def assess(rows: Sequence[Row], names: str = "abc", **changes: Any) -> FairnessResult:
    options: dict[str, Any] = {
        "criteria": CRITERIA, "clusters": None, "least": 1, "threshold": 0.1, "level": 0.95, "no_label": "",
    }  # fmt: skip
    return group_gaps("model", tuple(names), rows, **(options | changes))


def gap_of(result: FairnessResult, criterion: str, measure: str = "difference") -> GroupGap:
    return next(gap for gap in result.gaps if (gap.criterion, gap.measure) == (criterion, measure))


@pytest.mark.parametrize(
    ("names", "criterion", "difference", "ratio"),
    [
        ("ab", "demographic_parity", 0.2, 0.6),
        ("ab", "equal_opportunity", 0.4, 0.5),
        ("ab", "equalized_odds", 0.4, 0.5),
        ("ab", "predictive_parity", 0.13333333333333341, 0.8333333333333333),
        ("abc", "demographic_parity", 0.5, 0.37499999999999994),
        ("abc", "equal_opportunity", 0.6, 0.4),
        ("abc", "equalized_odds", 0.6, 0.30000000000000004),
        ("abc", "predictive_parity", 0.30000000000000004, 0.625),
    ],
)
def test_gaps_equal_those_of_fairlearn(names: str, criterion: str, difference: float, ratio: float) -> None:
    result = assess(ROWS[: 10 * len(names)], names)
    assert gap_of(result, criterion).value == pytest.approx(difference, rel=1e-12)
    assert gap_of(result, criterion, "ratio").value == pytest.approx(ratio, rel=1e-12)


def test_each_rate_has_its_own_n_and_an_interval() -> None:
    rates = {(rate.rate, rate.group): rate for rate in assess(ROWS).rates}
    found = {key: (rate.value, rate.n) for key, rate in rates.items() if key[1] == "c"}
    assert found == {
        ("selection_rate", "c"): (0.8, 10),
        ("true_positive_rate", "c"): (1.0, 4),
        ("false_positive_rate", "c"): (pytest.approx(2 / 3), 6),
        ("precision", "c"): (0.5, 8),
    }
    interval = rates["selection_rate", "c"].interval
    assert interval is not None
    assert interval.low == pytest.approx(0.4901625)
    assert interval.high == pytest.approx(0.9433178)
    assert interval.method == "Wilson"


def test_the_interval_of_two_groups_is_that_of_newcombe_and_not_below_0() -> None:
    gap = gap_of(assess(ROWS[:20], "ab"), "demographic_parity")
    expected = newcombe(5, 10, 3, 10, 0.95)
    assert gap.interval is not None
    assert gap.interval.low == 0.0 > expected.low
    assert gap.interval.high == pytest.approx(expected.high, rel=1e-12)
    assert (gap.interval.method, gap.lowest, gap.highest) == ("Newcombe", "b", "a")


def test_of_three_groups_all_pairs_hold_at_once() -> None:
    gap = gap_of(assess(ROWS), "demographic_parity")
    widest = newcombe(8, 10, 3, 10, 1 - 0.05 / 3)
    assert gap.interval is not None
    assert gap.interval.low == pytest.approx(max(0.0, widest.low))
    assert gap.interval.high == pytest.approx(widest.high)
    assert "simultaneous over 3 pairs" in gap.interval.method


def test_the_ratio_interval_is_the_same_seen_from_either_group() -> None:
    rows: list[Row] = [(0, int(i < 30), None) for i in range(60)]
    rows += [(1, int(i < 55), None) for i in range(80)]
    gap = gap_of(assess(rows, "ab"), "demographic_parity", "ratio")
    swapped = gap_of(assess([(1 - g, p, y) for g, p, y in rows], "ba"), "demographic_parity", "ratio")
    assert gap == swapped
    assert gap.interval is not None
    assert gap.interval.low < (30 / 60) / (55 / 80) < gap.interval.high
    assert gap.interval.method == "MOVER-R"


def test_the_verdict_needs_the_whole_interval_on_one_side() -> None:
    def verdict(first: int, second: int, n: int, threshold: float) -> str:
        rows: list[Row] = [(0, int(i < first), None) for i in range(n)]
        rows += [(1, int(i < second), None) for i in range(n)]
        return gap_of(assess(rows, "ab", threshold=threshold), "demographic_parity").verdict

    assert verdict(90, 10, 100, 0.1) == "exceeds"
    assert verdict(50, 50, 1000, 0.1) == "within"
    assert verdict(60, 40, 100, 0.1) == "undecided"


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_cover_the_true_gap_about_as_often_as_they_say(clustered: bool) -> None:
    draw, truth, covered, runs = random.Random(3), (0.6, 0.4), 0, 300
    for _ in range(runs):
        rows: list[Row] = []
        clusters: list[int] = []
        for cluster in range(25):
            shared = draw.random()
            for group, rate in enumerate(truth * 4):
                value = shared if clustered and draw.random() < 0.5 else draw.random()
                rows.append((group % 2, int(value < rate), None))
                clusters.append(cluster)
        result = assess(
            rows, "ab", criteria=("demographic_parity",), clusters=clusters if clustered else None
        )
        interval = gap_of(result, "demographic_parity").interval
        assert interval is not None
        assert ("CR1" in interval.method) is clustered
        covered += interval.low <= 0.2 + 1e-12 and interval.high >= 0.2 - 1e-12
    assert covered / runs == pytest.approx(0.95, abs=0.03)


def test_clusters_of_one_row_are_no_clusters() -> None:
    assert assess(ROWS, clusters=range(30)) == assess(ROWS)


def test_small_groups_are_shown_and_not_compared() -> None:
    result = assess([*ROWS[:20], (2, 1, 1)], least=5)
    assert gap_of(result, "demographic_parity").value == pytest.approx(0.2)
    small = next(rate for rate in result.rates if (rate.rate, rate.group) == ("selection_rate", "c"))
    assert (small.value, small.n, small.status) == (1.0, 1, "too_few")
    assert small.reason == "1 of the 5 rows that a comparison needs"


def test_one_group_or_no_label_has_a_status_and_a_reason() -> None:
    alone = gap_of(assess(ROWS[:10], "a"), "demographic_parity")
    assert (alone.value, alone.status) == (None, "one_group")
    assert alone.reason == "1 of the 2 groups that are needed have 1 rows for the selection rate"
    blind = assess([(g, p, None) for g, p, _ in ROWS], no_label="no row has a label")
    for criterion in CRITERIA[1:]:
        assert gap_of(blind, criterion, "ratio").reason == "no row has a label"
    assert gap_of(blind, "demographic_parity").value == pytest.approx(0.5)
    assert assess([], "").rates == ()


def test_rates_of_0_everywhere_have_a_difference_of_0_and_no_ratio() -> None:
    result = assess([(i % 2, 0, i % 3 % 2) for i in range(40)], "ab")
    assert gap_of(result, "demographic_parity").value == 0.0
    ratio = gap_of(result, "demographic_parity", "ratio")
    assert (ratio.value, ratio.status) == (None, "zero_cell")
    assert ratio.reason == "every group has a rate of 0: their ratio is not defined"
    one = gap_of(assess([(i % 2, i % 2, 1) for i in range(40)], "ab"), "demographic_parity", "ratio")
    assert one.value == 0.0


def test_clusters_without_spread_leave_no_interval_and_say_so() -> None:
    rows: list[Row] = [(g, 1 - g, None) for _ in range(6) for g in (0, 1)]
    gap = gap_of(assess(rows, "ab", clusters=[i // 2 for i in range(12)]), "demographic_parity")
    assert (gap.value, gap.interval, gap.status, gap.verdict) == (1.0, None, "constant", "undecided")
    assert gap.reason is not None


def test_the_limits_of_a_ratio_solve_the_equations_that_define_them() -> None:
    """Donner & Zou (2012): p - R q -+ sqrt((distance of p's limit)^2 + R^2 (distance of q's limit)^2) = 0."""
    rows: list[Row] = [(0, int(i < 20), None) for i in range(60)]
    rows += [(1, int(i < 70), None) for i in range(80)]
    gap = gap_of(assess(rows, "ab"), "demographic_parity", "ratio")
    a, b = wilson_interval(20, 60, 0.95), wilson_interval(70, 80, 0.95)
    p, q = 20 / 60, 70 / 80
    assert gap.interval is not None
    low, high = gap.interval.low, gap.interval.high
    assert p - low * q == pytest.approx(math.hypot(p - a.low, low * (b.high - q)), rel=1e-9)
    assert high * q - p == pytest.approx(math.hypot(a.high - p, high * (q - b.low)), rel=1e-9)


def test_the_rate_of_a_group_in_clusters_is_that_of_the_scores() -> None:
    rows: list[Row] = [(0, int(i % 7 > 0), None) for i in range(30)]
    rows += [(1, 1, None) for _ in range(12)]
    clusters = [i // 4 for i in range(42)]
    for rate, values, codes in zip(
        assess(rows, "ab", criteria=("demographic_parity",), clusters=clusters).rates,
        ([float(i % 7 > 0) for i in range(30)], [1.0] * 12),
        (clusters[:30], clusters[30:]),
        strict=True,
    ):
        assert rate.interval is not None
        expected = clustered_wilson(estimate_mean(values, codes), 0.95)
        assert expected is not None
        assert [rate.interval.low, rate.interval.high] == pytest.approx([expected.low, expected.high])
        assert rate.interval.method == expected.method
