"""``crucible run --reproduce``: a finished run once more, and whether its figures agree."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .pipes import quiet_pipe

if TYPE_CHECKING:
    from ...comparison.reproduction import Reproduction
    from .progress import View

__all__ = ["reproduce_run"]

WORDS: dict[str, str] = {"equal": "equal", "within_noise": "within noise", "differs": "differ"}


def reproduce_run(name: str, out: Path, *, as_json: bool, view: View) -> int:
    """Run it again into ``out``; 0 when the figures agree, 1 when they do not."""
    import msgspec

    from ...comparison.reproduction import reproduction
    from ...messages.errors import ExperimentError
    from ..runs import find_run, open_run
    from .run import exit_code, run_watched

    with contextlib.closing(open_run(find_run(name, under=out))) as before:
        first = before.result
        base = Path(first.base or ".")
        # Answers from the cache would agree with themselves.
        try:
            result, folder = asyncio.run(run_watched(first.experiment, base, out, view=view, cache=False))
        except ExperimentError as error:
            # What it names are paths in the experiment that the run kept.
            raise ExperimentError(error.problems, str(before.folder / "run.json")) from error
        if result.status != "completed":
            return exit_code(result)
        with contextlib.closing(open_run(folder)) as again:
            found = reproduction(before, again)
    with quiet_pipe(sys.stdout):
        if as_json:
            sys.stdout.write(
                msgspec.json.encode({"agrees": found.agrees, **msgspec.to_builtins(found)}).decode()
            )
            sys.stdout.write("\n")
        else:
            _print(found, folder)
    return 0 if found.agrees else 1


def _print(found: Reproduction, folder: Path) -> None:
    print(f"{found.again} repeats {found.before}: {folder}")
    if not found.same_data:
        print("the data set has changed")
    if found.missing:
        print(f"{found.missing} rows are in one of the runs only")
    for name, (old, new) in found.changed.items():
        print(f"{name}: {old} -> {new}")
    for system, same in found.identical.items():
        print(f"{system}: {same} of {found.rows} answers identical")
    tally = Counter[str](figure.status for figure in found.figures)
    print(f"{len(found.figures)} figures: " + ", ".join(f"{tally[key]} {WORDS[key]}" for key in WORDS))
    for figure in found.figures:
        if figure.status != "equal":
            print(
                f"  {figure.metric} of {figure.system}: {_number(figure.before)} -> {_number(figure.again)}",
                end="",
            )
            if figure.interval is not None:
                print(f", difference in [{figure.interval.low:+.3f}, {figure.interval.high:+.3f}]", end="")
            print(f": {WORDS[figure.status]}")
    print("the runs agree" if found.agrees else "the runs do not agree")


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
