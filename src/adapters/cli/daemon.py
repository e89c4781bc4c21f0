"""What the commands that talk to a daemon share: how it is found, and how runs are told on a terminal.

Text from the daemon may hold what a model or somebody else wrote: it is shown without control characters.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...messages.queue import QueuedRun
from ..reports.text import visible

if TYPE_CHECKING:
    from ...client import Client
    from ..stores.resting import RestingQueue

__all__ = [
    "Data",
    "Json",
    "Url",
    "connect",
    "exit_code",
    "look",
    "one_line",
    "print_json",
    "run_line",
    "told_time",
    "told_utc",
]

Url = Annotated[str | None, Parameter(help="Address of the daemon; default: CRUCIBLE_URL, else from --data.")]
Data = Annotated[
    Path | None, Parameter(help="Data folder of the daemon; default: CRUCIBLE_DATA, else ./crucible-data.")
]
Json = Annotated[bool, Parameter(negative="", help="Print JSON and nothing else on stdout.")]

OK, FAILED, CANCELLED = 0, 1, 130
PATIENCE_S = 20.0
"""For one answer. It is asked for again a few times, so a daemon that hangs is told after about a minute."""


def connect(url: str | None, data: Path | None) -> Client:
    """The daemon that a command talks to. The token comes from CRUCIBLE_TOKEN or the data folder only."""
    from ...client import Client

    return Client(url, data=data, timeout_s=PATIENCE_S)


@contextlib.contextmanager
def look(url: str | None, data: Path | None) -> Iterator[Client | RestingQueue]:
    """What a command reads from: the daemon, or while none runs the queue that is in its data folder."""
    from ...client.address import data_folder
    from ...messages.errors import ConnectionFailedError
    from ..stores.resting import RestingQueue
    from ..stores.sqlite_database import FILE

    folder = data_folder(data)
    with contextlib.ExitStack() as opened:
        found: Client | RestingQueue
        try:
            found = opened.enter_context(connect(url, data))
            found.queue()
        except ConnectionFailedError:
            if url is not None or not (folder / FILE).is_file():
                raise
            print(f"crucible: no daemon is running on {folder}: this is what is kept there", file=sys.stderr)
            found = opened.enter_context(RestingQueue(folder))
        yield found


def exit_code(run: QueuedRun) -> int:
    """Of a run that was waited for, as ``crucible run`` has it."""
    return {"completed": OK, "cancelled": CANCELLED}.get(run.state, FAILED)


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def one_line(text: str) -> str:
    """Foreign text, safe for a terminal."""
    return visible(" ".join(text.split()))


def told_time(seconds: float | None) -> str:
    """A point in time, on the clock of whoever reads it."""
    if seconds is None:
        return "-"
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def told_utc(seconds: float) -> str:
    """A point in time in UTC, as cron expressions have it."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def run_line(run: QueuedRun) -> str:
    """A run in one line: its state, and why it is in it."""
    text = f"{run.id}: {run.state}"
    if run.state == "running" and run.cancel is not None:
        text += ", to be cancelled"
    if run.state == "running" and run.pause:
        text += ", to be paused"
    return f"{text} ({one_line(run.reason)})" if run.reason else text
