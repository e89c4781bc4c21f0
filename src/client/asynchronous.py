"""The client for asynchronous programs."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

import httpx
import msgspec

from ..messages.api import LiveView, RunFile, StageView
from ..messages.errors import ConnectionFailedError, CrucibleError, TransientError
from ..messages.experiment import Experiment
from ..messages.live import LiveEvent, LiveRun
from ..messages.queue import DaemonRecord, QueueCounts, QueuedRun, RunPage, RunState, Schedule, Submitted
from . import calls
from .address import find_address
from .calls import Call, Source, problem_error
from .event_stream import EventReader
from .sending import STREAM_TIMEOUT, options, transport_error, try_again_s

if TYPE_CHECKING:
    from ..adapters.runs.pages import SamplePage, SampleVerdict
    from ..comparison.options import RunComparison

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """Talks to one daemon; use it in one event loop.

    Raises what the library raises: ExperimentError with every problem, ConflictError, NotFoundError,
    QuotaError, and ConnectionFailedError when no daemon answers.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        data: str | os.PathLike[str] | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """``url`` and ``token``: default: CRUCIBLE_URL and CRUCIBLE_TOKEN, else from the data folder."""
        self.address = find_address(url, token, data)
        self._http = httpx.AsyncClient(**options(self.address, timeout_s))

    def __repr__(self) -> str:
        return f"AsyncClient({self.address.url!r})"

    async def __aenter__(self) -> Self:
        """Use as a context manager."""
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _do(self, call: Call[T]) -> T:
        for attempt in itertools.count(1):
            try:
                return await self._once(call)
            except CrucibleError as error:
                wait = try_again_s(error, attempt, repeatable=call.repeatable)
                if wait is None:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("the loop ends by itself")

    async def _once(self, call: Call[T]) -> T:
        try:
            answer = await self._http.request(
                call.method,
                call.path,
                params=dict(call.params),
                headers=dict(call.headers),
                content=call.content,
            )
        except httpx.HTTPError as error:
            raise transport_error(error, self.address) from None
        return call.answer(answer.status_code, answer.content, answer.headers)

    # Runs

    async def submit(
        self,
        experiment: Source,
        *,
        key: str | None = None,
        base: str | None = None,
        owner: str | None = None,
        priority: int | None = None,
        run_at: dt.datetime | float | None = None,
        deadline_s: float | None = None,
        max_attempts: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Submitted:
        """Queue an experiment, or the one of a file. The same key and experiment give the same run.

        ``base`` is the folder on the daemon's machine that relative paths count from; default: the file's
        folder, or this one.
        """
        call = calls.submit(
            experiment,
            local=self.address.is_local,
            key=key,
            base=base,
            owner=owner,
            priority=priority,
            run_at=run_at,
            deadline_s=deadline_s,
            max_attempts=max_attempts,
            labels=labels,
        )
        return await self._do(call)

    async def runs(
        self,
        *,
        states: Sequence[RunState] | None = None,
        owner: str | None = None,
        experiment: str | None = None,
        text: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> RunPage:
        """A page of runs, newest first; its ``cursor`` leads to the next one."""
        call = calls.runs(
            states=states, owner=owner, experiment=experiment, text=text, cursor=cursor, limit=limit
        )
        return await self._do(call)

    async def run(self, run_id: str) -> QueuedRun:
        """One run."""
        return await self._do(calls.run(run_id))

    async def spec(self, run_id: str) -> Experiment:
        """The experiment of a run."""
        return await self._do(calls.spec(run_id))

    async def stages(self, run_id: str) -> list[StageView]:
        """The stages of a run that are recorded, with their results."""
        return await self._do(calls.stages(run_id))

    async def live_run(self, run_id: str) -> LiveRun:
        """How far a run under way is; NotFoundError when this daemon does not work on it."""
        return await self._do(calls.live_run(run_id))

    async def cancel(self, run_id: str, reason: str = "cancelled") -> QueuedRun:
        """Cancel a run. What has ended stays as it is."""
        return await self._do(calls.act(run_id, "cancel", reason=reason))

    async def pause(self, run_id: str) -> QueuedRun:
        """Pause a run."""
        return await self._do(calls.act(run_id, "pause"))

    async def resume(self, run_id: str) -> QueuedRun:
        """Put a paused run back into the queue."""
        return await self._do(calls.act(run_id, "resume"))

    async def retry(self, run_id: str) -> QueuedRun:
        """Queue a failed, cancelled or parked run again."""
        return await self._do(calls.act(run_id, "retry"))

    async def wait(self, run_id: str) -> QueuedRun:
        """Wait until a run has ended; how it ended is in its ``state``."""
        async for _ in self.events(run_id):
            pass
        return await self.run(run_id)

    async def events(
        self,
        run_id: str | None = None,
        *,
        after: int = 0,
        latest: bool = False,
        patience_s: float = 60.0,
    ) -> AsyncIterator[LiveEvent]:
        """Events of a run until it has ended, or of all runs without an end, from ``after`` on.

        ``latest``: of all runs, only what happens from now on.

        A connection that breaks is made again and goes on where it was, unless the daemon does not answer for
        ``patience_s`` seconds, or never did: then ConnectionFailedError.
        """
        reader = EventReader(after, patience_s=patience_s)
        path, first = calls.events_path(run_id), {"latest": "true"} if latest and run_id is None else {}
        while True:
            broke: CrucibleError | None = None
            try:
                request = self._http.build_request(
                    "GET", path, headers=reader.headers(), params=reader.params(first), timeout=STREAM_TIMEOUT
                )
                answer = await self._http.send(request, stream=True)
                try:
                    if answer.status_code != 200:
                        raise problem_error(answer.status_code, await answer.aread(), answer.headers)
                    async for line in answer.aiter_lines():
                        event = reader.line(line)
                        if event is not None:
                            yield event
                        if reader.ended:
                            return
                finally:
                    await answer.aclose()
            except httpx.HTTPError as error:
                broke = transport_error(error, self.address)
            except TransientError as error:
                broke = error
            wait = reader.wait_s(time.monotonic())
            if wait is None:
                raise broke or ConnectionFailedError(f"the daemon at {self.address.url} ends every stream")
            await asyncio.sleep(wait)

    async def logs(self, run_id: str) -> list[LiveEvent]:
        """What has happened to a run so far."""
        lines = (await self._do(calls.logs(run_id))).splitlines()
        return [msgspec.json.decode(line, type=LiveEvent) for line in lines]

    # What a run left

    async def samples(
        self,
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
    ) -> SamplePage:
        """A page of the samples of a run; its ``next`` is the ``start`` of the page after."""
        call = calls.samples(
            run_id,
            start=start,
            limit=limit,
            system=system,
            verdict=verdict,
            text=text,
            metric=metric,
            at_most=at_most,
            at_least=at_least,
        )
        return await self._do(call)

    async def artifacts(self, run_id: str) -> list[RunFile]:
        """The files of a run."""
        return await self._do(calls.artifacts(run_id))

    async def read_file(self, run_id: str, name: str) -> bytes:
        """The bytes of a file of a run."""
        return await self._do(calls.file(run_id, name))

    async def link(self, run_id: str, name: str) -> str:
        """A link to a file of a run that a browser can open without the token, for a minute."""
        return self.address.url + (await self._do(calls.ticket(run_id, name))).url

    async def compare(
        self, run_ids: Sequence[str], *, metrics: Sequence[str] | None = None, different_data: bool = False
    ) -> RunComparison:
        """Compare the first run with each of the others."""
        return await self._do(calls.compare(run_ids, metrics=metrics, different_data=different_data))

    # Schedules

    async def put_schedule(
        self,
        schedule_id: str,
        cron: str,
        experiment: Source,
        *,
        base: str | None = None,
        owner: str | None = None,
        priority: int | None = None,
        deadline_s: float | None = None,
        max_attempts: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Schedule:
        """Submit an experiment again and again, by a cron expression in UTC. Replaces the one of that id."""
        call = calls.put_schedule(
            schedule_id,
            cron,
            experiment,
            local=self.address.is_local,
            base=base,
            owner=owner,
            priority=priority,
            deadline_s=deadline_s,
            max_attempts=max_attempts,
            labels=labels,
        )
        return await self._do(call)

    async def schedules(self) -> list[Schedule]:
        """All schedules."""
        return await self._do(calls.schedules())

    async def pause_schedule(self, schedule_id: str) -> Schedule:
        """Submit nothing until it is resumed."""
        return await self._do(calls.set_schedule(schedule_id, "pause"))

    async def resume_schedule(self, schedule_id: str) -> Schedule:
        """Go on with the next time that comes."""
        return await self._do(calls.set_schedule(schedule_id, "resume"))

    async def drop_schedule(self, schedule_id: str) -> None:
        """Delete a schedule; the runs it has submitted stay."""
        await self._do(calls.drop_schedule(schedule_id))

    # The daemon

    async def queue(self) -> QueueCounts:
        """Runs by state."""
        return await self._do(calls.queue())

    async def daemons(self) -> list[DaemonRecord]:
        """Daemons that work on the queue."""
        return await self._do(calls.daemons())

    async def live(self) -> LiveView:
        """What the daemon does now: its runs and its actors."""
        return await self._do(calls.live())
