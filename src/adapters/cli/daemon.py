"""What the commands that talk to a daemon share: how it is found, and how runs are told on a terminal.

Text from the daemon may hold what a model or somebody else wrote: it is shown without control characters.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...messages.queue import QueuedRun
from ..reports.text import visible

if TYPE_CHECKING:
    from ...client import Client

__all__ = [
    "Data",
    "Json",
    "Url",
    "connect",
    "exit_code",
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
