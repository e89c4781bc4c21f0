"""Finished runs side by side, by the paired statistics of ``crucible compare``."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from ....comparison.options import Comparing, RunComparison
from ....messages.errors import InputError, NotFoundError
from ....messages.findings import Comparison
from ..comparing import compared
from ..services import Services
from .drawing import dots

__all__ = ["comparison_context"]

MOST_DOTS = 24
FEW = "A comparison needs two runs or more that completed. {} named: tick some in the list of runs."


async def comparison_context(
    services: Services, runs: Sequence[str], *, different_data: bool
) -> dict[str, Any]:
    """All that the template needs; a comparison that cannot be made has its reason."""
    chosen = list(dict.fromkeys(runs))
    context: dict[str, Any] = {
        "runs": [(name, name.partition(":")[0]) for name in chosen],
        "link": ",".join(chosen),
        "found": None,
        "plot": None,
        "reason": "",
        "rows": [],
        "offer": False,
    }
    if len(chosen) < 2:
        return context | {"reason": FEW.format("One run is" if chosen else "None is")}
    try:
        found = await compared(services, chosen, Comparing(different_data=different_data, formats=("json",)))
    except NotFoundError as error:
        return context | {
            "reason": f"{_sentence(str(error))} It may have been deleted, or be of another daemon."
        }
    except InputError as error:
        told = str(error).removeprefix("compare: ")
        reason, _, offered = told.partition("; --different-data")
        return context | {"reason": _sentence(reason), "offer": bool(offered) and not different_data}
    comparisons = [each for stage in found.stages for each in stage.comparisons]
    names = [each.name for each in found.systems]
    letters = dict(zip(names, string.ascii_uppercase, strict=False))
    return (
        context
        | {
            "found": found,
            "notes": [
                note for note in found.notes if not note.endswith(" rows of its run")
            ],  # the table says it
            "letters": letters,
            "rows": table(found, names),
            "comparisons": comparisons,
            "p_values": [p_value(each) for each in comparisons],
            "plot": dots(
                [_dot(each, letters) for each in comparisons if each.interval is not None][:MOST_DOTS]
            ),
        }
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def table(found: RunComparison, names: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """Figures by metric, one column for each system: of what was compared, or of all if nothing differs."""
    compared = {each.metric for stage in found.stages for each in stage.comparisons}
    rows: dict[str, dict[str, Any]] = {}
    for stage in found.stages:
        for figure in stage.figures:
            if figure.system is not None and (not compared or figure.name in compared):
                rows.setdefault(figure.name, {})[figure.system] = figure
    return [(metric, [by_system.get(name) for name in names]) for metric, by_system in rows.items()]


def p_value(comparison: Comparison) -> float | None:
    """The corrected p value of the first test that has one."""
    for test in comparison.tests:
        if test.p_value is not None:
            return test.p_value if test.p_adjusted is None else test.p_adjusted
    return None


def _dot(comparison: Comparison, letters: Mapping[str, str]) -> tuple[str, str, float, float, float]:
    assert comparison.interval is not None
    pair = f"{letters[comparison.system]} − {letters[comparison.baseline]}"
    value = comparison.difference or 0.0
    label = f"{comparison.metric}, {pair}"
    return label, comparison.verdict, value, comparison.interval.low, comparison.interval.high
