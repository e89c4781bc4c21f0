"""Columns of long words as letters."""

from __future__ import annotations

from crucible.adapters.reports.document import Cell, Table
from crucible.adapters.reports.letters import lettered

HEADS = ("scored by", "interval by")
LONG, OTHER = "CR1 over 21 clusters, t(20)", "Wilson, effective n 18"


def table(*words: tuple[str, str]) -> Table:
    rows = tuple((Cell(f"m{i}"), Cell(a), Cell(b)) for i, (a, b) in enumerate(words))
    return Table("Scores", ("metric", *HEADS), rows)


def test_equal_texts_have_one_letter_and_the_list_has_every_text() -> None:
    found = lettered(
        table(("strict grammar", LONG), ("token overlap", OTHER), ("x", LONG)), ("scored by", "interval by")
    )
    assert [[cell.text for cell in row[1:]] for row in found.rows] == [["a", "d"], ["b", "e"], ["c", "d"]]
    assert found.keys == (
        ("a", "strict grammar"),
        ("b", "token overlap"),
        ("c", "x"),
        ("d", LONG),
        ("e", OTHER),
    )
    assert found.rows[2][2].hint == LONG


def test_a_column_of_short_texts_stays_as_it_is() -> None:
    found = lettered(table(("token", LONG), ("lexical", LONG)), HEADS)
    assert [row[1].text for row in found.rows] == ["token", "lexical"]
    assert found.keys == (("a", LONG),)


def test_an_empty_cell_stays_empty_and_letters_go_on_after_z() -> None:
    many = lettered(table(*((f"method number {i}", "") for i in range(28))), HEADS)
    assert [row[1].text for row in many.rows[24:]] == ["y", "z", "aa", "ab"]
    assert all(row[2].text == "" for row in many.rows)
