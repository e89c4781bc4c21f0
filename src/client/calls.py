"""The requests of the API and what their answers mean: pure functions, shared by both clients."""

from __future__ import annotations

import datetime as dt
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec

from ..loading import decode
from ..messages.api import RUN_ID, LiveView, ProblemDocument, RunFile, StageView, Ticket
from ..messages.errors import (
    ConflictError,
    CrucibleError,
    ExperimentError,
    InputError,
    MalformedReplyError,
    NotFoundError,
    OverloadedError,
    Problem,
    QuotaError,
)
from ..messages.experiment import Experiment
from ..messages.experiment_file import decode_experiment_json, encode_experiment, read_document
from ..messages.live import LiveRun
from ..messages.queue import DaemonRecord, QueueCounts, QueuedRun, RunPage, RunState, Schedule, Submitted

if TYPE_CHECKING:
    from ..adapters.runs.pages import SamplePage, SampleVerdict
    from ..comparison.options import RunComparison

__all__ = ["API", "Call", "Source", "problem_error"]

API = "/api/v1"
_ID = re.compile(RUN_ID)
T = TypeVar("T")
Source = Experiment | str | os.PathLike[str]
"""An experiment, or the path of an experiment file."""


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A request, and the type of its answer."""

    method: str
    path: str
    kind: Any
    """``T``, as msgspec takes it; None: no content; bytes: as it comes."""
    params: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}
    content: bytes | None = None
    repeatable: bool = False
    """Whether it may be sent again when the answer was lost."""

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> T:
        """What the server said; raises what it refused, or MalformedReplyError."""
        if status >= 400:
            raise problem_error(status, body, headers)
        if self.kind is None:
            return None  # type: ignore[return-value]
        if self.kind is bytes:
            return body  # type: ignore[return-value]
        try:
            value: T = msgspec.json.decode(body, type=self.kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise MalformedReplyError(f"the daemon's answer makes no sense: {error}") from None
        return value


class _SubmitCall(Call[Submitted], frozen=True, kw_only=True):
    """A submission: the status says whether the run is new."""

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> Submitted:
        """The run, and whether it was created."""
        if status >= 400:
            raise problem_error(status, body, headers)
        return Submitted(run=msgspec.json.decode(body, type=QueuedRun), created=status == 201)


def problem_error(status: int, body: bytes, headers: Mapping[str, str]) -> CrucibleError:
    """The library's error for a problem document."""
    try:
        document = msgspec.json.decode(body, type=ProblemDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return MalformedReplyError(f"expected an answer of a Crucible daemon, got status {status}")
    match document.code:
        case "input" if document.errors:
            return ExperimentError([Problem(each.path, each.message) for each in document.errors])
        case "conflict":
            return ConflictError(document.detail)
        case "not_found":
            return NotFoundError(document.detail)
        case "quota":
            return QuotaError(document.detail)
        case "unavailable":
            wait = headers.get("retry-after", "")
            return OverloadedError(document.detail, retry_after_s=float(wait) if wait.isdigit() else None)
        case "internal":
            return CrucibleError(f"the daemon failed: {document.detail}")
        case _:
            return InputError(document.detail)


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _run_path(run_id: str, what: str = "") -> str:
    if not _ID.fullmatch(run_id):  # it would lead elsewhere, or nowhere
        raise NotFoundError(f"there is no run {run_id!r}")
    return f"{API}/runs/{run_id}{what}"


def _schedule_path(schedule_id: str) -> str:
    if not _ID.fullmatch(schedule_id):
        raise InputError(f"{schedule_id!r}: expected a name of letters, digits, '_', '.' and '-'")
    return f"{API}/schedules/{schedule_id}"


def _queue_params(
    *,
    base: str | None,
    owner: str | None,
    priority: int | None,
    deadline_s: float | None,
    max_attempts: int | None,
    labels: Mapping[str, str] | None,
) -> dict[str, Any]:
    label = [f"{name}:{value}" for name, value in (labels or {}).items()] or None
    return _given(
        base=base,
        owner=owner,
        priority=priority,
        deadline_s=deadline_s,
        max_attempts=max_attempts,
        label=label,
    )


def _body(source: Source, *, local: bool) -> tuple[bytes, str]:
    """An experiment as JSON, and the folder that its relative paths count from."""
    if isinstance(source, Experiment):
        return encode_experiment(source), str(Path.cwd())
    path = Path(source)
    experiment = decode(read_document(path), base=path.parent if local else None)
    return encode_experiment(experiment), str(path.resolve().parent)


def submit(
    source: Source,
    *,
    local: bool,
    key: str | None = None,
    base: str | None = None,
    owner: str | None = None,
    priority: int | None = None,
    run_at: dt.datetime | float | None = None,
    deadline_s: float | None = None,
    max_attempts: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> Call[Submitted]:
    """Queue an experiment. Always with a key, so that it can be sent again when the answer is lost."""
    content, here = _body(source, local=local)
    params = _queue_params(
        base=base if base is not None else (here if local else None),
        owner=owner,
        priority=priority,
        deadline_s=deadline_s,
        max_attempts=max_attempts,
        labels=labels,
    )
    if isinstance(run_at, dt.datetime):
        run_at = run_at.timestamp()
    return _SubmitCall(
        method="POST",
        path=f"{API}/runs",
        kind=QueuedRun,
        params=params | _given(run_at=run_at),
        headers={"content-type": "application/json", "idempotency-key": key or uuid.uuid4().hex},
        content=content,
        repeatable=True,
    )


def runs(
    *,
    states: Sequence[RunState] | None = None,
    owner: str | None = None,
    experiment: str | None = None,
    text: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Call[RunPage]:
    """A page of runs, newest first."""
    params = _given(
        state=list(states) if states else None,
        owner=owner,
        experiment=experiment,
        text=text,
        cursor=cursor,
        limit=limit,
    )
    return _get(f"{API}/runs", RunPage, params)


def _get(path: str, kind: Any, params: Mapping[str, Any] | None = None) -> Call[Any]:
    return Call(method="GET", path=path, kind=kind, params=params or {}, repeatable=True)


def run(run_id: str) -> Call[QueuedRun]:
    """One run."""
    return _get(_run_path(run_id), QueuedRun)


class _SpecCall(Call[Experiment], frozen=True, kw_only=True):
    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> Experiment:
        """The experiment of a run."""
        if status >= 400:
            raise problem_error(status, body, headers)
        return decode_experiment_json(body)


def spec(run_id: str) -> Call[Experiment]:
    """The experiment of a run."""
    return _SpecCall(method="GET", path=_run_path(run_id, "/spec"), kind=None, repeatable=True)


def stages(run_id: str) -> Call[list[StageView]]:
    """Recorded stages."""
    return _get(_run_path(run_id, "/stages"), list[StageView])


def live_run(run_id: str) -> Call[LiveRun]:
    """How far a run is."""
    return _get(_run_path(run_id, "/live"), LiveRun)


def act(run_id: str, what: str, *, reason: str | None = None) -> Call[QueuedRun]:
    """Cancel, pause, resume or retry."""
    return Call(
        method="POST",
        path=_run_path(run_id, f"/{what}"),
        kind=QueuedRun,
        headers={"content-type": "application/json"} if reason is not None else {},
        content=msgspec.json.encode({"reason": reason}) if reason is not None else None,
    )


def samples(
    run_id: str,
    *,
    start: int | None = None,
    limit: int | None = None,
    system: str | None = None,
    verdict: SampleVerdict | None = None,
    text: str | None = None,
    metric: str | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Call[SamplePage]:
    """A page of samples."""
    from ..adapters.runs.pages import SamplePage

    params = _given(
        start=start,
        limit=limit,
        system=system,
        verdict=verdict,
        text=text,
        metric=metric,
        at_most=at_most,
        at_least=at_least,
    )
    return _get(_run_path(run_id, "/samples"), SamplePage, params)


def artifacts(run_id: str) -> Call[list[RunFile]]:
    """Files of a run."""
    return _get(_run_path(run_id, "/artifacts"), list[RunFile])


def file(run_id: str, name: str) -> Call[bytes]:
    """A file's bytes."""
    return _get(_run_path(run_id, f"/files/{quote(name)}"), bytes)


def logs(run_id: str) -> Call[bytes]:
    """What happened, one JSON object a line."""
    return _get(_run_path(run_id, "/logs"), bytes)


def events_path(run_id: str | None) -> str:
    """Where events come from: of one run, or of all."""
    return f"{API}/events" if run_id is None else _run_path(run_id, "/events")


def compare(
    run_ids: Sequence[str], *, metrics: Sequence[str] | None = None, different_data: bool = False
) -> Call[RunComparison]:
    """Compare finished runs."""
    from ..comparison.options import RunComparison

    params = _given(runs=",".join(run_ids), metric=list(metrics) if metrics else None)
    return _get(f"{API}/compare", RunComparison, params | {"different_data": different_data})


def put_schedule(
    schedule_id: str,
    cron: str,
    source: Source,
    *,
    local: bool,
    base: str | None = None,
    owner: str | None = None,
    priority: int | None = None,
    deadline_s: float | None = None,
    max_attempts: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> Call[Schedule]:
    """Create or replace a schedule."""
    content, here = _body(source, local=local)
    params = _queue_params(
        base=base if base is not None else (here if local else None),
        owner=owner,
        priority=priority,
        deadline_s=deadline_s,
        max_attempts=max_attempts,
        labels=labels,
    )
    return Call(
        method="PUT",
        path=_schedule_path(schedule_id),
        kind=Schedule,
        params=params | {"cron": cron},
        headers={"content-type": "application/json"},
        content=content,
        repeatable=True,
    )


def schedules() -> Call[list[Schedule]]:
    """All schedules."""
    return _get(f"{API}/schedules", list[Schedule])


def set_schedule(schedule_id: str, verb: Literal["pause", "resume"]) -> Call[Schedule]:
    """Pause a schedule, or resume it."""
    path = f"{API}/schedules/{quote(schedule_id, safe='')}/{verb}"
    return Call(method="POST", path=path, kind=Schedule, repeatable=True)


def drop_schedule(schedule_id: str) -> Call[None]:
    """Delete a schedule."""
    return Call(method="DELETE", path=_schedule_path(schedule_id), kind=None)


def queue() -> Call[QueueCounts]:
    """Runs by state."""
    return _get(f"{API}/queue", QueueCounts)


def daemons() -> Call[list[DaemonRecord]]:
    """Known daemons."""
    return _get(f"{API}/daemons", list[DaemonRecord])


def live() -> Call[LiveView]:
    """What the daemon does now."""
    return _get(f"{API}/live", LiveView)


def ticket(run_id: str, name: str) -> Call[Ticket]:
    """A link to one file for a browser."""
    body = msgspec.json.encode({"path": _run_path(run_id, f"/files/{name}")})
    return Call(
        method="POST",
        path=f"{API}/tickets",
        kind=Ticket,
        headers={"content-type": "application/json"},
        content=body,
    )
