"""Events as server-sent events: what is stored from ``Last-Event-ID`` on, then what happens.

A stored event has an id, its sequence number, and always comes from the store: no gap, no doubles, in
order. What the live side tells of runs and stages is only a hint to look there; the rest, progress, is shown
as it comes and has no id. When a run is over and all is told, its stream ends with ``event: end``.

``logs`` is the same for a look back: what is stored, a line each, and no waiting.

A reader that falls behind loses progress first, then its connection; it comes back with the last id it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Annotated, Any, Self

import msgspec
from litestar import get
from litestar.params import HeaderParameter, QueryParameter

from ...actors.store import Store
from ...messages.errors import NotFoundError, StoreError
from ...messages.live import LiveEvent
from ...messages.queue import TERMINAL, StoredEvent
from .openapi import answers
from .parameters import RunId
from .services import Served, Services
from .streaming import Streamed

__all__ = ["HANDLERS"]

_LOG = logging.getLogger(__name__)

PAGE = 500
HEARTBEAT_S = 15.0
POLL_S = 2.0
GATHER_S = 0.1
"""Between two looks into the store: a busy store is not asked once for every event of every stream."""
STORED = ("run.", "stage.")
"""What the live side tells too, sooner and without numbers."""
HEADERS = {"x-accel-buffering": "no"}
STREAM = "text/event-stream"

LastId = Annotated[
    int | None,
    HeaderParameter(name="Last-Event-ID", ge=0, le=2**53, description="The last event that was seen."),
]
After = Annotated[int, QueryParameter(ge=0, le=2**53, description="As Last-Event-ID, which wins.")]
Latest = Annotated[bool, QueryParameter(description="Begin with what happens from now on.")]
SAID = answers({200: (dict[str, str], "Events: id, event, data (a LiveEvent).")}, 404, media_type=STREAM)


@get("/runs/{run_id:str}/events", responses=SAID, operation_id="follow_run")
async def run_events(services: Served, run_id: RunId, last_id: LastId = None, after: After = 0) -> Streamed:
    """Events of one run, until it has ended."""
    await services.store.run(run_id)
    return _stream(services, run_id, after if last_id is None else last_id)


@get("/events", responses=SAID, operation_id="follow_all")
async def all_events(
    services: Served,
    last_id: LastId = None,
    after: After = 0,
    latest: Latest = False,  # noqa: FBT002
) -> Streamed:
    """Events of all runs, without an end."""
    if latest and last_id is None:
        after = await last_number(services.store)
    return _stream(services, None, after if last_id is None else last_id)


@get(
    "/runs/{run_id:str}/logs",
    responses=answers({200: (str, "A LiveEvent a line.")}, 404, media_type="application/x-ndjson"),
    operation_id="get_logs",
)
async def logs(services: Served, run_id: RunId, after: After = 0) -> Streamed:
    """What has happened to a run so far: one JSON object a line."""
    await services.store.run(run_id)
    return Streamed(
        lambda: _lines(services, run_id, after),
        close=lambda: None,
        media_type="application/x-ndjson",
        headers={},
    )


HANDLERS = [run_events, all_events, logs]


async def _lines(services: Services, run_id: str, after: int) -> AsyncGenerator[bytes, None]:
    while stored := await services.store.events(after=after, run_id=run_id, limit=PAGE):
        yield b"".join(msgspec.json.encode(_live(event)) + b"\n" for event in stored)
        after = stored[-1].seq


def _stream(services: Services, run_id: str | None, after: int) -> Streamed:
    held = contextlib.ExitStack()
    held.enter_context(services.stream())
    return Streamed(
        lambda: _written(_follow(services, run_id, after)),
        close=held.close,
        media_type=STREAM,
        headers=HEADERS,
    )


Told = list[LiveEvent] | str | None
"""Events, the state that a run ended in, or nothing for a while."""


async def _written(events: AsyncGenerator[Told, None]) -> AsyncGenerator[bytes, None]:
    """Events as text. When the store fails the stream ends without an end, and its reader comes back."""
    async with contextlib.aclosing(events):
        yield b"retry: 2000\n\n"
        try:
            async for told in events:
                yield _text(told)
        except StoreError as error:
            _LOG.warning("an event stream was ended: %s", error)


def _text(told: Told) -> bytes:
    match told:
        case None:
            return b": nothing new\n\n"
        case str():
            return b'event: end\ndata: {"state":"%s"}\n\n' % told.encode()
        case list():  # at once: one send for many, and none after another to a reader who has gone
            return b"".join(_event(event) for event in told)


def _event(event: LiveEvent) -> bytes:
    number = b"" if event.seq is None else b"id: %d\n" % event.seq
    kind = " ".join(event.kind.split()).encode()
    return number + b"event: " + kind + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"


async def _follow(services: Services, run_id: str | None, after: int) -> AsyncGenerator[Told, None]:
    """Events; None when there was none for a while, and at the end the state that a run ended in."""
    told = services.now()
    while not services.stopping.is_set():
        # Subscribed before the store is read, so that nothing falls between the two.
        async with services.live.subscribe(run_id) as happening, News(services, happening) as news:
            while not (news.over or services.stopping.is_set()):
                news.listen()
                while stored := await services.store.events(after=after, run_id=run_id, limit=PAGE):
                    yield [_live(event) for event in stored]
                    after, told = stored[-1].seq, services.now()
                if run_id is not None and (state := await _end(services, run_id, after)) is not None:
                    yield state
                    return
                if happened := await news.wait():
                    yield happened
                    told = services.now()
                if services.now() - told >= HEARTBEAT_S:
                    yield None
                    told = services.now()


def _live(event: StoredEvent) -> LiveEvent:
    return LiveEvent(run_id=event.run_id, kind=event.kind, at=event.at, seq=event.seq, body=event.body)


async def last_number(store: Store) -> int:
    """The number of the last event that is stored, found by halving: some may be missing in between."""

    async def is_last(number: int) -> bool:
        return not await store.events(after=number, limit=1)

    high = 1
    while not await is_last(high):
        high *= 2
    low = 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if await is_last(middle) else (middle + 1, high)
    return low


async def _end(services: Services, run_id: str, after: int) -> str | None:
    """The state in which the run has ended, if it has and nothing is left to tell."""
    try:
        run = await services.store.run(run_id)
    except NotFoundError:
        return "forgotten"
    if run.state not in TERMINAL:
        return None
    return None if await services.store.events(after=after, run_id=run_id, limit=1) else run.state


class News:
    """Waits for whatever comes first: something from the live side, a change of the store, the end."""

    def __init__(self, services: Services, happening: AsyncIterator[LiveEvent]) -> None:
        self._services = services
        self._happening = happening
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.over = False
        """The live side has ended the subscription."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def listen(self) -> None:
        """Begin to listen to what is not listened to yet."""
        for name, start in (
            ("live", self._next),
            ("store", partial(self._services.store.changed, POLL_S)),
            ("stop", self._services.stopping.wait),
        ):
            if name not in self._tasks:
                self._tasks[name] = asyncio.ensure_future(start())

    async def _next(self) -> LiveEvent | None:
        return await anext(self._happening, None)

    async def wait(self) -> list[LiveEvent]:
        """Wait until it is time to look into the store; the live event that came, if the store knows none."""
        done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        ready = {name: task.result() for name, task in list(self._tasks.items()) if task in done}
        for name in ready:
            del self._tasks[name]
        event = ready.get("live")
        self.over = "live" in ready and event is None
        if event is not None and not event.kind.startswith(STORED):
            return [event]
        await asyncio.sleep(GATHER_S)
        return []
