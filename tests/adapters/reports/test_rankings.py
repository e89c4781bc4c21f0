import random

from msgspec.structs import replace

from crucible.adapters.reports.overview import headline, verdicts
from crucible.adapters.reports.rankings import ranking_table
from crucible.adapters.reports.results import comparison_section
from crucible.adapters.statistics.ranking import rank_systems
from crucible.messages.report import RunReport


def test_a_ranking_shows_strength_share_and_place_of_each_system() -> None:
    draw = random.Random(3)
    leads = {"a": 0, "b": 2, "c": 0}
    columns = {name: [draw.gauss(lead, 1) for _ in range(120)] for name, lead in leads.items()}
    table = ranking_table([rank_systems("f1", columns)])
    assert table is not None
    first = table.rows[0]
    assert (first[0].text, first[1].text, first[1].detail, first[4].text) == ("f1", "b", "best", "1")
    assert " to " in first[2].detail
    assert {row[4].text for row in table.rows[1:]} == {"2 to 3"}


def test_a_ranking_without_strengths_says_why() -> None:
    table = ranking_table([rank_systems("f1", {"a": [1.0] * 4, "b": [0.0] * 4, "c": [0.5] * 4})])
    assert table is not None
    assert "never lost an example" in table.rows[0][1].text


def test_two_systems_have_no_ranking_table() -> None:
    assert ranking_table([]) is None


def with_verdicts(report: RunReport, verdict: str) -> RunReport:
    """The report with all its comparisons decided alike, and a ranking of three systems."""
    ranking = rank_systems("f1", {"a": [1.0, 0.0, 0.5], "b": [0.0, 1.0, 0.5], "c": [0.2, 0.3, 0.4]})
    stages = tuple(
        replace(
            stage,
            comparisons=tuple(replace(c, verdict=verdict) for c in stage.comparisons),
            rankings=(ranking,) if stage.comparisons else (),
        )
        for stage in report.stages
    )
    return replace(report, stages=stages)


def test_equivalence_is_a_verdict_of_the_report(report: RunReport) -> None:
    text, _ = headline(with_verdicts(report, "equivalent"))
    assert "equivalent on 4 of 4 metrics" in text
    assert any("equivalent to lead" in line for line in verdicts(with_verdicts(report, "equivalent")))


def test_the_ranking_stands_among_the_comparisons(report: RunReport) -> None:
    section = comparison_section(with_verdicts(report, "undecided"))
    assert section is not None
    assert [table.caption.split(" ")[0] for table in section.tables] == ["Difference", "Ranking", "All"]
