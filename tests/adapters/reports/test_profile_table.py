"""What the checks counted, as tables of fields and splits."""

from __future__ import annotations

from crucible.adapters.expectations.profile import Profile
from crucible.adapters.reports.profile import profile_tables
from crucible.messages.records import Example


def profiled() -> dict[str, object]:
    profile = Profile()
    for number in range(4):
        fields = {"topic": "ecology" if number else "law", "votes": [1] * number}
        profile.add(
            Example(id=str(number), input="x" * (10 + number), reference="y", split="test", fields=fields)
        )
    return {"total": 4, "issues": 0, "profile": profile.report()}


def test_each_field_has_a_row_and_each_split_too() -> None:
    fields, splits, checks = profile_tables(profiled())
    assert all(table.folded for table in (fields, splits, checks))
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in fields.rows}
    assert list(rows) == ["input", "reference", "topic", "votes"]
    assert rows["topic"] == ["string", "4", "0", "2", "7", "1", "–", "ecology (3); law (1)"]
    assert fields.rows[0][5].detail == "10 to 13"
    assert [cell.text for cell in splits.rows[0]][:2] == ["test", "4"]
    assert ("total", "4") in {(row[0].text, row[1].text) for row in checks.rows}
    assert not any(row[0].text.startswith("fields.") for row in checks.rows)


def test_the_note_says_how_the_figures_came_about() -> None:
    fields, *_ = profile_tables(profiled())
    assert "chars: Unicode code points." in fields.note


def test_a_profile_of_another_shape_is_a_plain_table() -> None:
    (table,) = profile_tables({"issues": 2, "profile": {"mean_length": 4.5}})
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["issues", "2"],
        ["profile.mean_length", "4.500"],
    ]
    assert table.folded
