"""What a report says of a comparison, in the headline and in the table."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from crucible.adapters.reports.outcomes import outcome
from crucible.adapters.reports.overview import headline, verdicts
from crucible.adapters.reports.results import comparison_section
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.experiment import StatsConfig
from crucible.messages.findings import Comparison
from crucible.messages.flow import StageResult
from crucible.messages.report import RunReport

STATS = StatsConfig(iterations=200)
SIX = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
OTHER = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0]


def compare(
    model: Sequence[float],
    baseline: Sequence[float],
    clusters: Sequence[int] | None = None,
    metric: str = "f1",
    stats: StatsConfig = STATS,
) -> Comparison:
    """By the real statistics."""
    statistics = PairedStatistics()
    found = statistics.compare(
        metric, model, baseline, names=("tuned", "lead"), clusters=clusters, config=stats, seed=1
    )
    return statistics.correct([found], stats)[0]


def with_comparisons(report: RunReport, *comparisons: Comparison) -> RunReport:
    stage = StageResult(stage="bench", status="completed", comparisons=comparisons)
    return msgspec.structs.replace(report, stages=(stage,))


@pytest.mark.parametrize("clusters", [None, [0, 1, 2, 3, 4, 5]])
@pytest.mark.parametrize("column", [[1.0] * 6, [0.25, 0.5] * 3])
def test_equal_scores_on_every_pair_are_no_difference_seen(
    column: list[float], clusters: list[int] | None
) -> None:
    found = compare(column, column, clusters)
    assert found.verdict == "undecided"
    assert outcome(found, STATS) == "no difference seen"


def test_means_that_are_equal_by_chance_stay_undecided() -> None:
    found = compare(SIX, OTHER)
    assert found.difference == 0
    assert outcome(found, STATS) == "undecided"


def test_pairs_that_differ_alike_are_no_proof_of_none() -> None:
    assert outcome(compare([0.5] * 6, [0.25] * 6), STATS) != "no difference seen"


@pytest.mark.parametrize(
    ("pairs", "expected"), [(2, "too few pairs (2)"), (5, "too few pairs (5)"), (6, "undecided")]
)
def test_so_few_pairs_that_no_difference_could_be_significant_are_told(pairs: int, expected: str) -> None:
    assert outcome(compare(SIX[:pairs], OTHER[:pairs]), STATS) == expected


@pytest.mark.parametrize(("pairs", "expected"), [(1, "too few pairs (1)"), (3, "undecided")])
def test_a_t_test_may_decide_by_fewer_pairs(pairs: int, expected: str) -> None:
    stats = msgspec.structs.replace(STATS, tests=("paired_ttest",))
    assert outcome(compare(SIX[:pairs], OTHER[:pairs], stats=stats), stats) == expected


def test_clusters_count_as_the_pairs_they_are_worth() -> None:
    assert outcome(compare(SIX, OTHER, [0, 0, 1, 1, 2, 2]), STATS) == "too few pairs (6/3 cl.)"


def test_a_decided_verdict_stays_as_it_is() -> None:
    found = msgspec.structs.replace(compare(SIX[:2], OTHER[:2]), verdict="no_data")
    assert outcome(found, STATS) == "no data"


def test_the_headline_tells_equal_columns_from_undecided_ones(report: RunReport) -> None:
    alike = with_comparisons(report, compare([1.0] * 6, [1.0] * 6))
    assert (
        headline(alike)[0] == "tuned against lead: no difference seen on 1 metric, all pairs score the same"
    )
    (line,) = verdicts(alike)
    assert line.startswith("f1: no difference seen against lead: both 1.000, the same on each of 6 examples")
    mixed = with_comparisons(
        report, compare([1.0] * 6, [1.0] * 6), compare(SIX, OTHER), compare([1.0] * 2, [0.0] * 2, None, "em")
    )
    assert headline(mixed)[0] == (
        "tuned against lead: no difference seen on 1, undecided on 1, too few pairs on 1 of 3 metrics"
    )


def test_metrics_of_too_few_pairs_share_one_line_at_the_end(report: RunReport) -> None:
    few = [compare([1.0, 1.0], [0.0, 0.0], None, name) for name in ("em", "recall")]
    lines = verdicts(with_comparisons(report, *few, compare(SIX, OTHER)))
    assert len(lines) == 2
    assert (
        lines[1]
        == "Too few pairs to tell anything: em against lead (2 pairs), recall against lead (2 pairs)."
    )


def test_the_verdict_is_the_second_column_and_clusters_are_short(report: RunReport) -> None:
    section = comparison_section(with_comparisons(report, compare(SIX, OTHER, [0, 0, 1, 2, 3, 4])))
    assert section is not None
    table = section.tables[0]
    assert table.heads[:2] == ("metric", "verdict")
    cell = table.rows[0][table.heads.index("n")]
    assert (cell.text, cell.hint) == ("6/5 cl.", "6 pairs in 5 clusters")
    assert "n: pairs/clusters." in table.note
