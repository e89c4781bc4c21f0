"""``crucible submit``: an experiment into the queue of a daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .daemon import Data, Json, Url, connect, exit_code, print_json, run_line

__all__ = ["labels_of", "submit"]

Several = Parameter(negative="")


def submit(
    file: Path,
    /,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    key: str | None = None,
    owner: str | None = None,
    priority: int | None = None,
    run_at: str | None = None,
    deadline: float | None = None,
    attempts: int | None = None,
    label: Annotated[list[str] | None, Several] = None,
    wait: Annotated[bool, Parameter(negative="")] = False,
    url: Url = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Queue an experiment file; a daemon runs it.

    Args:
        file: Experiment file, TOML or JSON. Its folder is where relative paths count from.
        set_: Override a value, as for run; may be repeated.
        key: The same key and experiment give the same run, however often this is said.
        owner: Who the run belongs to.
        priority: Higher goes first; from -1000 to 1000, default 0.
        run_at: Not before, for example 2030-01-31T08:00:00Z.
        deadline: Seconds that all attempts together may run.
        attempts: Attempts before it has failed; default 3.
        label: NAME=VALUE, to find it by; may be repeated.
        wait: Follow the run to its end; the exit code is that of run.
    """
    from .experiment_input import open_experiment

    with (
        connect(url, data) as client,
        open_experiment(file, set_ or [], here=client.address.is_local) as experiment,
    ):
        submitted = client.submit(
            experiment,
            base=str(file.resolve().parent) if client.address.is_local else None,
            key=key,
            owner=owner,
            priority=priority,
            run_at=_moment(run_at),
            deadline_s=deadline,
            max_attempts=attempts,
            labels=labels_of(label or []),
        )
        run = submitted.run
        if not json:
            known = "" if submitted.created else "; it was there already"
            print(run_line(run) + known)
            sys.stdout.flush()
        if wait:
            from .watch import follow

            run = follow(client, run.id)
    if json:
        print_json(run)
    elif wait:
        print(run_line(run))
    return exit_code(run) if wait else 0


def _moment(text: str | None) -> float | None:
    """ISO 8601 as seconds since the epoch; without a zone it is of this machine's."""
    import datetime as dt

    from ...messages.errors import InputError

    if text is None:
        return None
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise InputError(f"--run-at: expected a time such as 2030-01-31T08:00:00Z, got {text!r}") from None


def labels_of(pairs: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` of each label."""
    from ...messages.errors import InputError

    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InputError(f"--label: expected NAME=VALUE, got {pair!r}")
        labels[name] = value
    return labels
