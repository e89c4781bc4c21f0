import random

from msgspec.structs import replace

from crucible.adapters.reports.numbers import figure
from crucible.adapters.reports.plots.rankings import draw_rankings
from crucible.adapters.statistics.ranking import rank_systems
from crucible.messages.findings import Ranking
from crucible.messages.report import RunReport


def ranked(report: RunReport, *rankings: Ranking) -> RunReport:
    first, *others = report.stages
    return replace(report, stages=(replace(first, rankings=rankings), *others))


def drawn_ranking(metric: str = "f1") -> Ranking:
    draw = random.Random(3)
    return rank_systems(metric, {n: [draw.gauss(i, 1) for _ in range(80)] for i, n in enumerate("abc")})


def test_each_system_has_its_strength_and_interval_in_words(report: RunReport) -> None:
    ranking = drawn_ranking()
    [plot] = draw_rankings(ranked(report, ranking))
    for each in ranking.systems:
        assert each.strength is not None
        assert f"{each.system} {figure(each.strength)}" in plot.description
    assert plot.svg.startswith("<svg")
    assert ">f1<" in plot.svg


def test_a_ranking_without_strengths_is_not_drawn(report: RunReport) -> None:
    undecided = rank_systems("f1", {"a": [1.0] * 4, "b": [0.0] * 4, "c": [0.5] * 4})
    assert draw_rankings(ranked(report, undecided)) == []


def test_rankings_beyond_the_fourth_are_named_as_left_out(report: RunReport) -> None:
    [plot] = draw_rankings(ranked(report, *(drawn_ranking(f"m{number}") for number in range(6))))
    assert "2 more metrics are in the table only" in plot.caption
    assert ">m4<" not in plot.svg
