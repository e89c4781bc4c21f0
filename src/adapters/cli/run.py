"""``crucible run``: one experiment, here and now."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from ...messages.control import RunResult
    from ...messages.experiment import Experiment
    from .progress import View

__all__ = ["run"]


def run(
    file: Path,
    /,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    out: Path = Path("runs"),
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
    log: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run an experiment file and write its report.

    Args:
        file: Experiment file, TOML or JSON.
        set_: Override a value, for example --set backend.options.epochs=5; may be repeated.
        out: Folder that gets a folder for this run.
        json: Print one JSON object (run_id, status, metrics, artifacts) and nothing else on stdout.
        quiet: No progress; a log is written all the same.
        log: One JSON object a line on stderr for each event, for programs that watch.
    """
    from .experiment_input import open_experiment

    with open_experiment(file, set_ or []) as experiment:
        return asyncio.run(
            _run(experiment, file, out, as_json=json, view="log" if log else "none" if quiet else "auto")
        )


async def _run(experiment: Experiment, file: Path, out: Path, *, as_json: bool, view: View) -> int:
    from ...engine import Supervisor
    from .interrupts import Interrupts
    from .pipes import quiet_pipe
    from .progress import make_progress
    from .summary import print_json, print_summary

    with Interrupts() as interrupts:
        async with Supervisor(out=out) as supervisor:
            handle = await interrupts.guard(supervisor.submit(experiment, base=file.parent))
            interrupts.ends_with(handle.cancel)
            with make_progress(sys.stderr, view) as progress:
                async for event in handle.events():
                    progress.show(event)
            result = await handle.result()
    with quiet_pipe(sys.stdout):
        if as_json:
            print_json(result)
        elif result.status == "completed":
            print_summary(result, handle.folder)
    if result.status != "completed":
        kept = f"what it wrote is in {handle.folder}"
        with quiet_pipe(sys.stderr):
            print(f"crucible: run {result.status}: {result.failure} ({kept})", file=sys.stderr)
    return exit_code(result)


def exit_code(result: RunResult) -> int:
    """Of the command: input that a stage refused counts like input refused before the run."""
    if result.status == "failed":
        return 2 if result.failure_kind == "input" else 1
    return 130 if result.status == "cancelled" else 0
