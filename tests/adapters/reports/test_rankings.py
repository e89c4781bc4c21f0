import random

from crucible.adapters.reports.rankings import ranking_table
from crucible.adapters.statistics.ranking import rank_systems


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
