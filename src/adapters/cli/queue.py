"""``crucible status``, ``runs``, ``cancel``, ``pause``, ``resume``, ``retry``, ``logs``: runs of a daemon."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...messages.queue import RunState
from .daemon import Data, Json, Url, connect, look, one_line, print_json, run_line, told_time

if TYPE_CHECKING:
    from ...client import Client
    from ...messages.live import LiveEvent, LiveRun
    from ...messages.queue import QueuedRun
    from ..stores.resting import RestingQueue

__all__ = ["cancel", "event_line", "logs", "pause", "resume", "retry", "runs", "status"]


def status(run: str | None = None, /, *, url: Url = None, data: Data = None, json: Json = False) -> int:
    """Say how a run is, or without one how the queue and its daemons are.

    Args:
        run: Id of a run.
    """
    with look(url, data) as client:
        if run is None:
            return _queue_status(client, as_json=json)
        found, live = client.run(run), _live(client, run)
        stages = [] if live is not None else client.stages(run)
    if json:
        print_json({"run": found, "live": live, "stages": stages})
        return 0
    print(run_line(found))
    for name, value in _facts(found).items():
        print(f"  {name:<10} {value}")
    for stage in live.stages if live is not None else ():
        total = "" if stage.total is None else f" of {stage.total}"
        told = f"{stage.name}: {stage.state} {stage.phase} {stage.done}{total} {stage.note}"
        print(f"  {one_line(told)}")
    for record in stages:
        print(f"  {record.name}: {record.status}, {record.seconds:.1f} s")
    return 0


def _live(client: Client | RestingQueue, run_id: str) -> LiveRun | None:
    from ...client import Client
    from ...messages.errors import NotFoundError

    if not isinstance(client, Client):
        return None
    try:
        return client.live_run(run_id)
    except NotFoundError:
        return None


def _facts(run: QueuedRun) -> dict[str, str]:
    facts = {
        "experiment": run.experiment_id,
        "owner": one_line(run.owner),
        "priority": str(run.priority),
        "submitted": told_time(run.submitted_at),
        "started": told_time(run.started_at),
        "ended": told_time(run.ended_at),
        "attempt": f"{run.attempt} of {run.max_attempts}",
        "daemon": run.daemon or "-",
        "figures": _figures(run, 4) or "-",
        "labels": one_line(", ".join(f"{name}={value}" for name, value in run.labels.items())) or "-",
    }
    return {name: value for name, value in facts.items() if value != "-"}


def _figures(run: QueuedRun, most: int) -> str:
    """The means that a completed run is told by, what its experiment compares first."""
    from ...actors.daemon.decisions import headline_figures
    from ..reports.numbers import figure

    found = headline_figures(run.metrics, most)
    return ", ".join(f"{one_line(name)} {figure(value)}" for name, value in found)


def _queue_status(client: Client | RestingQueue, *, as_json: bool) -> int:
    from ...client import Client

    counts = client.queue()
    daemons, live = (client.daemons(), client.live()) if isinstance(client, Client) else ([], None)
    if as_json:
        print_json({"queue": counts, "daemons": daemons, "live": live})
        return 0
    told = ", ".join(f"{state} {count}" for state, count in counts.by_state.items() if count)
    print(f"runs: {told or 'none'}")
    if counts.oldest_due_s is not None:
        print(f"the oldest one that is due waits for {counts.oldest_due_s:.0f} s")
    for daemon in daemons:
        heard = told_time(daemon.heartbeat_at)
        print(
            f"daemon {daemon.id} on {one_line(daemon.host)}, process {daemon.pid}, last heard of {heard}, "
            f"{daemon.capacity} at once"
        )
    for run in live.runs if live is not None else ():
        at_work = [stage.name for stage in run.stages if stage.state == "running"]
        print(f"running: {run.run_id} ({', '.join(at_work) or 'starting'})")
    return 0


def runs(
    *,
    state: Annotated[list[RunState] | None, Parameter(negative="")] = None,
    owner: str | None = None,
    experiment: str | None = None,
    text: str | None = None,
    limit: int = 20,
    url: Url = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """List runs, newest first.

    Args:
        state: Only runs in this state; may be repeated.
        owner: Only runs of this owner.
        experiment: Only runs of the experiment with this id.
        text: Only runs whose id or experiment's id holds this.
        limit: How many at most.
    """
    from ...messages.errors import InputError

    if limit < 1:
        raise InputError(f"--limit: expected 1 or more, got {limit}")
    found: list[QueuedRun] = []
    cursor = None
    with look(url, data) as client:
        while len(found) < limit:
            page = client.runs(
                states=state,
                owner=owner,
                experiment=experiment,
                text=text,
                cursor=cursor,
                limit=min(limit - len(found), 500),
            )
            found += page.runs
            cursor = page.cursor
            if cursor is None:
                break
    if json:
        print_json(found)
        return 0
    width = max([len(run.id) for run in found], default=0)
    for run in found:
        line = f"{run.id:<{width}}  {run.state:<9}  {told_time(run.submitted_at)}  {one_line(run.owner)}"
        print("  ".join(part for part in (line, _figures(run, 2), one_line(run.reason or "")) if part))
    if cursor is not None:
        print(f"crucible: there are more: --limit shows more than {limit}", file=sys.stderr)
    return 0


def cancel(
    run: str, /, *, reason: str = "cancelled", url: Url = None, data: Data = None, json: Json = False
) -> int:
    """Cancel a run; what its finished stages wrote is kept.

    Args:
        run: Id of the run.
        reason: Why; kept with the run.
    """
    with connect(url, data) as client:
        return _told(client.cancel(run, reason), as_json=json)


def pause(run: str, /, *, url: Url = None, data: Data = None, json: Json = False) -> int:
    """Pause a run; resume goes on after the stages that are done.

    Args:
        run: Id of the run.
    """
    with connect(url, data) as client:
        return _told(client.pause(run), as_json=json)


def resume(run: str, /, *, url: Url = None, data: Data = None, json: Json = False) -> int:
    """Put a paused run back into the queue.

    Args:
        run: Id of the run.
    """
    with connect(url, data) as client:
        return _told(client.resume(run), as_json=json)


def retry(run: str, /, *, url: Url = None, data: Data = None, json: Json = False) -> int:
    """Queue a failed, cancelled or parked run again; stages that are done are not run again.

    Args:
        run: Id of the run.
    """
    with connect(url, data) as client:
        return _told(client.retry(run), as_json=json)


def _told(run: QueuedRun, *, as_json: bool) -> int:
    if as_json:
        print_json(run)
    else:
        print(run_line(run))
    return 0


def logs(
    run: str,
    /,
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    url: Url = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Say what has happened to a run, a line for each event.

    Args:
        run: Id of the run.
        follow: Go on until the run has ended.
    """
    from ...client import Client

    with connect(url, data) if follow else look(url, data) as client:
        for event in client.events(run) if isinstance(client, Client) and follow else client.logs(run):
            if event.seq is None:
                continue
            if json:
                print_json(event)
            else:
                print(event_line(event))
            sys.stdout.flush()
    return 0


def event_line(event: LiveEvent) -> str:
    """An event in one line: when, what, and its facts."""
    told = {name: value for name, value in event.body.items() if value not in (None, "", {})}
    facts = " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in told.items()
    )
    return f"{told_time(event.at)} {one_line(f'{event.kind} {facts}')}"
