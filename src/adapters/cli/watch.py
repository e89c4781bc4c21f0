"""``crucible watch``: a run as it goes: live bars on a terminal, a line for each event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ...messages.live import LiveStage
from ...messages.queue import TERMINAL
from .daemon import Data, Json, Url, connect, exit_code, one_line, print_json, run_line
from .pipes import quiet_pipe
from .queue import event_line

if TYPE_CHECKING:
    from rich.console import Group

    from ...client import Client
    from ...messages.queue import QueuedRun

__all__ = ["follow", "watch"]

LOOK_S = 0.5


def watch(run: str, /, *, url: Url = None, data: Data = None, json: Json = False) -> int:
    """Watch a run to its end; the exit code is that of run. Ctrl-C ends the watching, not the run.

    Args:
        run: Id of the run.
    """
    with connect(url, data) as client:
        found = follow(client, run)
    if json:
        print_json(found)
    else:
        print(run_line(found))
    return exit_code(found)


def follow(client: Client, run_id: str, stream: TextIO | None = None) -> QueuedRun:
    """Show a run on a stream (default: stderr) until it has ended."""
    stream = stream or sys.stderr
    return _live(client, run_id, stream) if stream.isatty() else _lines(client, run_id, stream)


def _lines(client: Client, run_id: str, stream: TextIO) -> QueuedRun:
    for event in client.events(run_id):
        if event.seq is not None:
            with quiet_pipe(stream):
                print(event_line(event), file=stream)
    return client.run(run_id)


def _live(client: Client, run_id: str, stream: TextIO) -> QueuedRun:
    from rich.console import Console
    from rich.live import Live

    run = client.run(run_id)
    with Live(_view(run, ()), console=Console(file=stream), auto_refresh=False) as screen:
        while run.state not in TERMINAL:
            screen.update(_view(run, _progress(client, run)), refresh=True)
            time.sleep(LOOK_S)
            run = client.run(run_id)
        screen.update(_view(run, _recorded(client, run_id)), refresh=True)
    return run


def _progress(client: Client, run: QueuedRun) -> Sequence[LiveStage]:
    from ...messages.errors import NotFoundError

    try:
        return client.live_run(run.id).stages if run.state == "running" else ()
    except NotFoundError:  # another daemon has it, or it has just ended
        return _recorded(client, run.id)


def _recorded(client: Client, run_id: str) -> Sequence[LiveStage]:
    """What is known of the stages when nobody works on them."""
    counts = [(each, 0 if each.result is None else each.result.received) for each in client.stages(run_id)]
    return [LiveStage(name=each.name, state=each.status, done=count) for each, count in counts]


def _view(run: QueuedRun, stages: Sequence[LiveStage]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for stage in stages:
        table.add_row(
            Text({"completed": "✓", "running": "…", "failed": "✗"}.get(stage.state, " ")),
            Text(one_line(stage.name)),
            _bar(stage.done, stage.total, stage.state),
            Text(f"{stage.done}" + ("" if stage.total is None else f"/{stage.total}")),
            Text(f"{stage.rate:.1f}/s" if stage.rate else ""),
            Text(f"{stage.mailbox} waiting" if stage.mailbox else ""),
            Text(one_line(f"{stage.phase} {stage.note}")),
        )
    return Group(Text(run_line(run)), table)


def _bar(done: int, total: int | None, state: str) -> Any:
    from rich.progress_bar import ProgressBar

    if state == "completed":
        return ProgressBar(total=1, completed=1, width=30)
    return ProgressBar(total=float(total or 1), completed=float(done if total else 0), width=30)
