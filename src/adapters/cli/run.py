"""``crucible run``: one experiment, here and now."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from ...messages.control import RunResult
    from ...messages.experiment import Experiment

__all__ = ["run"]


def run(
    file: Path,
    /,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    out: Path = Path("runs"),
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Run an experiment file and write its report.

    Args:
        file: Experiment file, TOML or JSON.
        set_: Override a value, for example --set backend.options.epochs=5; may be repeated.
        out: Folder that gets a folder for this run.
        json: Print one JSON object (run_id, status, metrics, artifacts) and nothing else on stdout.
        quiet: No progress.
    """
    from .experiment_input import open_experiment

    with open_experiment(file, set_ or []) as experiment:
        return asyncio.run(_run(experiment, file, out, as_json=json, quiet=quiet))


async def _run(experiment: Experiment, file: Path, out: Path, *, as_json: bool, quiet: bool) -> int:
    from ...engine import Supervisor
    from .progress import make_progress
    from .summary import print_json, print_summary

    async with Supervisor(out=out) as supervisor:
        handle = await supervisor.submit(experiment, base=file.parent)
        async with _interruptible(handle.cancel):
            with make_progress(sys.stderr, quiet=quiet) as progress:
                async for event in handle.events():
                    progress.show(event)
        result = await handle.result()
    if as_json:
        print_json(result)
    elif result.status == "completed":
        print_summary(result, handle.folder)
    if result.status != "completed":
        kept = f"what it wrote is in {handle.folder}"
        print(f"crucible: run {result.status}: {result.failure} ({kept})", file=sys.stderr)
    return exit_code(result)


def exit_code(result: RunResult) -> int:
    """Of the command: input that a stage refused counts like input refused before the run."""
    if result.status == "failed":
        return 2 if result.failure_kind == "input" else 1
    return 130 if result.status == "cancelled" else 0


@contextlib.asynccontextmanager
async def _interruptible(cancel: Callable[[str], Coroutine[object, object, object]]) -> AsyncIterator[None]:
    """The first Ctrl-C (or SIGTERM) cancels the run in order; the second ends the program at once."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[object]] = []

    def interrupt(number: signal.Signals) -> None:
        tasks.append(loop.create_task(cancel("interrupted")))
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
