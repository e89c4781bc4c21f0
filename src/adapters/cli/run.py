"""``crucible run``: one experiment, here and now."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from .daemon import Data
from .pipes import quiet_pipe
from .summary import print_json, print_summary

if TYPE_CHECKING:
    from ...messages.control import RunResult
    from ...messages.experiment import Experiment
    from .progress import View

__all__ = ["exit_code", "run", "run_watched"]

KEPT: dict[str, Any] = {"resume": True, "max_attempts": 1}


def run(
    file: Path | None = None,
    /,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    out: Path | None = None,
    persistence: Literal["off", "sqlite"] = "off",
    data: Data = None,
    reproduce: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="")] = False,
    log: Annotated[bool, Parameter(negative="")] = False,
    no_cache: Annotated[bool, Parameter(name="--no-cache", negative="")] = False,
) -> int:
    """Run an experiment file and write its report.

    Args:
        file: Experiment file, TOML or JSON.
        set_: Override a value, for example --set backend.options.epochs=5; may be repeated.
        out: Folder that gets a folder for this run; default: runs.
        persistence: sqlite: keep the run in the queue of a data folder, in which nothing is lost by a crash:
            the same command goes on with a run that was interrupted or has failed. off: in its folder only.
        data: Of sqlite: the data folder; default: CRUCIBLE_DATA, else ./crucible-data.
        reproduce: Run this finished run again, instead of a file, and say whether its figures agree.
        json: Print one JSON object (run_id, status, metrics, artifacts) and nothing else on stdout.
        quiet: No progress; a log is written all the same.
        verbose: Print every score, not only those that were compared.
        log: One JSON object a line on stderr for each event, for programs that watch.
        no_cache: Ask everything anew and keep nothing, though the experiment names a cache.
    """
    from ...messages.errors import InputError

    keep = _data_folder(persistence, data, out, reproduce)
    out = Path("runs") if out is None else out
    view: View = "log" if log else "none" if quiet else "auto"
    if reproduce is not None:
        if file is not None or set_:
            raise InputError(
                "run: --reproduce takes its experiment from a run: expected no file and no --set"
            )
        from .reproduce import reproduce_run

        return reproduce_run(reproduce, out, as_json=json, view=view)
    if file is None:
        raise InputError("run: expected an experiment file, or --reproduce RUN")
    from .experiment_input import open_experiment

    with open_experiment(file, set_ or []) as experiment:
        watched = run_watched(experiment, file.parent, out, view=view, cache=not no_cache, keep=keep)
        result, folder = asyncio.run(watched)
    with quiet_pipe(sys.stdout):
        if json:
            print_json(result)
        elif result.status == "completed":
            print_summary(result, folder, verbose=verbose)
    return exit_code(result)


def _data_folder(persistence: str, data: Path | None, out: Path | None, reproduce: str | None) -> Path | None:
    """The data folder of a run that is kept; None of one that is not."""
    from ...messages.errors import InputError

    if persistence == "off":
        if data is not None:
            raise InputError("--data has no effect without --persistence sqlite")
        return None
    if out is not None:
        raise InputError(
            "--out has no effect with --persistence sqlite: runs are in the data folder (--data)"
        )
    if reproduce is not None:
        raise InputError("run: --reproduce cannot be kept: expected no --persistence sqlite")
    from ...client.address import data_folder  # and the client's libraries with it

    return data_folder(data)


async def run_watched(
    experiment: Experiment, base: Path, out: Path, *, view: View, cache: bool = True, keep: Path | None = None
) -> tuple[RunResult, Path]:
    """Run with progress; Ctrl-C ends the run. A run that did not complete is told on stderr.

    ``keep``: a data folder, whose queue the run is kept in. Then Ctrl-C hands it back instead.
    """
    from ...engine import Supervisor
    from .interrupts import Interrupts
    from .kept_run import kept_supervisor
    from .progress import make_progress

    with Interrupts() as interrupts:
        making = Supervisor(out=out, cache=cache) if keep is None else kept_supervisor(keep, cache=cache)
        async with making as supervisor:
            how = {} if keep is None else KEPT
            handle = await interrupts.guard(supervisor.submit(experiment, base=base, **how))
            interrupts.ends_with(handle.cancel if keep is None else supervisor.hand_back)
            if handle.resumed and view == "auto":
                print(f"crucible: going on with run {handle.run_id}", file=sys.stderr)
            with make_progress(sys.stderr, view) as progress:
                async for event in handle.events():
                    progress.show(event)
            result = await handle.result()
    if result.status != "completed":
        kept = f"what it wrote is in {handle.folder}"
        with quiet_pipe(sys.stderr):
            print(f"crucible: run {result.status}: {result.failure} ({kept})", file=sys.stderr)
    elif result.stopped is not None:
        with quiet_pipe(sys.stderr):
            print(f"crucible: run stopped early: {result.stopped}", file=sys.stderr)
    return result, handle.folder


def exit_code(result: RunResult) -> int:
    """Of the command: input that a stage refused counts like input refused before the run."""
    if result.stopped is not None:
        return 1
    if result.status == "failed":
        return 2 if result.failure_kind in ("input", "output") else 1
    return 130 if result.status == "cancelled" else 0
