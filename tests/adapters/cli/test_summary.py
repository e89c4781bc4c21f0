"""Which rows the table of ``crucible run`` has, and in which order."""

import pytest

from crucible.adapters.cli.summary import MOST_ROWS, table_rows
from crucible.messages.findings import Metric


def figures(count: int) -> list[Metric]:
    return [
        Metric(name=f"m{number}", system=system, value=0.5, n=4, method="mean")
        for system in ("model", "base")
        for number in range(count)
    ]


def names(count: int, compared: list[str], *, whole: bool = False) -> tuple[list[str], int]:
    shown, more = table_rows(figures(count), compared, whole=whole)
    return list(dict.fromkeys(figure.name for figure in shown)), more


def test_what_was_compared_comes_first_in_the_order_of_the_comparisons() -> None:
    assert names(4, ["m3", "m1"]) == (["m3", "m1", "m0", "m2"], 0)


def test_a_long_table_has_only_what_was_compared_and_counts_the_rest() -> None:
    assert names(MOST_ROWS + 1, ["m3", "m1"]) == (["m3", "m1"], MOST_ROWS - 1)


@pytest.mark.parametrize(("compared", "whole"), [([], False), (["m3"], True), (["absent"], False)])
def test_a_long_table_is_whole_when_asked_for_or_when_nothing_was_compared(
    compared: list[str], whole: bool
) -> None:
    found, more = names(MOST_ROWS + 1, compared, whole=whole)
    assert (len(found), more) == (MOST_ROWS + 1, 0)
