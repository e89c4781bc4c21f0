"""``crucible compare``: finished runs against each other on the same examples."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from ...comparison import RunComparison

__all__ = ["compare"]


def compare(
    run: str,
    other: str,
    /,
    *others: str,
    metric: Annotated[list[str] | None, Parameter(negative="")] = None,
    different_data: Annotated[bool, Parameter(negative="")] = False,
    include_raced: Annotated[bool, Parameter(negative="")] = False,
    alpha: float | None = None,
    correction: Literal["none", "bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"]
    | None = None,
    out: Path = Path("runs"),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Compare the first run with each of the others: means, paired tests with correction, plots.

    Args:
        run: Folder or id of a run. RUN:SYSTEM takes one of its baselines instead of its model, NAME=RUN
            gives it a name in the report.
        other: The run it is compared with.
        others: More runs to compare it with.
        metric: Compare only this metric; may be repeated.
        different_data: Compare runs on different data, on the rows that all of them have.
        include_raced: Compare answers that won a race in which short answers are favoured, too.
        alpha: Significance level; default: that of the first run.
        correction: Correction over all comparisons; default: that of the first run.
        out: Folder that gets a folder for the comparison.
        json: Print one JSON object (folder, systems, examples, stages, notes) and nothing else on stdout.
    """
    import msgspec

    from ...comparison import Comparing
    from ...comparison import compare as compare_runs
    from ...messages.errors import InputError
    from .pipes import quiet_pipe

    if alpha is not None and not 0 < alpha < 1:
        raise InputError(f"--alpha: expected a number between 0 and 1, got {alpha:g}")
    options = Comparing(
        metrics=tuple(metric or ()),
        different_data=different_data,
        include_raced=include_raced,
        alpha=alpha,
        correction=correction,
    )
    found = asyncio.run(compare_runs([run, other, *others], options, out=out, runs=out))
    with quiet_pipe(sys.stdout):
        if json:
            sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        else:
            _print(found)
    return 0


def _print(found: RunComparison) -> None:
    from .summary import comparison_line, print_figures

    compared = {each.metric for stage in found.stages for each in stage.comparisons}
    print_figures([each for stage in found.stages for each in stage.figures if each.name in compared])
    for stage in found.stages:
        for comparison in stage.comparisons:
            print(comparison_line(comparison))
    for note in found.notes:
        print(f"note: {note}")
    print(f"{found.examples} examples in all runs: {found.folder}")
    for path in sorted(Path(found.folder).iterdir()):
        print(f"  {path}")
