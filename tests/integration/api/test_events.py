"""Server-sent events: what is stored, what happens, where a stream goes on; slow and vanishing readers."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from crucible.adapters.http import events
from crucible.messages.live import LiveEvent

from ..daemon import TOKEN, Daemon, experiment

RUNS = "/api/v1/runs"


class Reader:
    """Server-sent events of one stream, each as a mapping of its fields."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, str]:
        """The next event; a comment is the field ""."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and fields:
                return fields
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    async def kinds(self) -> list[str]:
        """Of all events to the end."""
        found = []
        while fields := await self.next():
            found.append(fields.get("event", ""))
        return [kind for kind in found if kind]


@pytest.fixture
async def run_id(api: httpx.AsyncClient, tmp_path: Path) -> str:
    return str((await api.post(RUNS, json=experiment(tmp_path))).json()["id"])


async def opened(api: httpx.AsyncClient, path: str, **headers: str) -> httpx.Response:
    answer = await api.send(api.build_request("GET", path, headers=headers), stream=True)
    assert answer.status_code == 200, await answer.aread()
    assert answer.headers["content-type"].startswith("text/event-stream")
    return answer


async def until(true: Callable[[], Any]) -> None:
    """Wait until something holds; the time limit of the test ends it otherwise."""
    while not true():  # noqa: ASYNC110 - what is waited for is not ours to tell
        await asyncio.sleep(0.01)


async def test_stored_events_come_with_their_numbers_and_the_stream_of_an_ended_run_ends(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    await daemon.work(run_id)
    stored = await daemon.store.events(run_id=run_id)
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events"))
    assert await reader.next() == {"retry": "2000"}
    for event in stored:
        fields = await reader.next()
        assert (fields["id"], fields["event"]) == (str(event.seq), event.kind)
        assert json.loads(fields["data"])["body"] == event.body
    assert await reader.next() == {"event": "end", "data": '{"state":"completed"}'}
    assert await reader.next() == {}


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str, how: str
) -> None:
    await daemon.work(run_id)
    first, *rest = await daemon.store.events(run_id=run_id)
    query, headers = (
        (f"?after={first.seq}", {}) if how == "query" else ("", {"last-event-id": str(first.seq)})
    )
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events{query}", **headers))
    assert await reader.kinds() == [*(event.kind for event in rest), "end"]


async def test_what_is_stored_later_follows_without_a_gap(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events"))
    await reader.next()
    assert (await reader.next())["event"] == "run.submitted"
    await daemon.work(run_id)
    kinds = [event.kind for event in await daemon.store.events(run_id=run_id)]
    assert await reader.kinds() == [*kinds[1:], "end"]


async def test_progress_is_shown_as_it_happens_and_has_no_number(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events"))
    await reader.next()
    await reader.next()
    await until(lambda: daemon.live.queues)
    daemon.live.tell(LiveEvent(run_id="other", kind="progress", at=1.0))
    daemon.live.tell(LiveEvent(run_id=run_id, kind="progress", at=1.0, body={"done": 3}))
    fields = await reader.next()
    assert (fields["event"], json.loads(fields["data"])["body"]) == ("progress", {"done": 3})
    assert "id" not in fields


async def test_a_live_event_that_is_stored_is_told_once(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events"))
    await reader.next()
    await until(lambda: daemon.live.queues)
    await daemon.work(run_id)
    for event in await daemon.store.events(run_id=run_id):
        daemon.live.tell(LiveEvent(run_id=run_id, kind=event.kind, at=event.at))
    kinds = [event.kind for event in await daemon.store.events(run_id=run_id)]
    assert await reader.kinds() == [*kinds, "end"]


async def test_a_subscription_that_the_live_side_ends_is_begun_again(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events"))
    await reader.next()
    await reader.next()
    await until(lambda: daemon.live.queues)
    first = daemon.live.queues[0]
    daemon.live.tell(None)
    await until(lambda: daemon.live.queues and daemon.live.queues[0] is not first)
    daemon.live.tell(LiveEvent(run_id=run_id, kind="progress", at=1.0))
    assert (await reader.next())["event"] == "progress"


async def test_events_of_all_runs_come_in_one_stream(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str, tmp_path: Path
) -> None:
    other = (await api.post(RUNS, json=experiment(tmp_path))).json()["id"]
    reader = Reader(await opened(api, "/api/v1/events"))
    await reader.next()
    seen = [json.loads((await reader.next())["data"])["run_id"] for _ in range(2)]
    assert seen == [run_id, other]


async def test_a_stream_of_all_runs_may_begin_now(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str, tmp_path: Path
) -> None:
    await daemon.work(run_id)
    reader = Reader(await opened(api, "/api/v1/events?latest=true"))
    await reader.next()
    await until(lambda: daemon.live.queues)
    other = (await api.post(RUNS, json=experiment(tmp_path))).json()["id"]
    assert json.loads((await reader.next())["data"])["run_id"] == other


async def test_the_last_number_is_found_whatever_is_missing_before_it() -> None:
    class Gaps:
        def __init__(self, *numbers: int) -> None:
            self.numbers = numbers

        async def events(self, *, after: int, limit: int) -> list[int]:
            return [number for number in self.numbers if number > after][:limit]

    for numbers in ((), (1,), (2,), (7,), (3, 1000), (1, 2, 3, 4, 5), (64,), (10**9 + 7,)):
        assert await events.last_number(Gaps(*numbers)) == max(numbers, default=0)  # type: ignore[arg-type]


async def test_a_quiet_stream_has_a_heartbeat(
    api: httpx.AsyncClient, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(events, "POLL_S", 0.01)
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events"))
    await reader.next()
    await reader.next()
    assert "" in await reader.next()


async def test_more_streams_than_allowed_are_refused_until_one_is_closed(tmp_path: Path) -> None:
    async with Daemon(tmp_path, limits={"max_streams": 1}).serve() as daemon, daemon.client() as api:
        first = await opened(api, "/api/v1/events")
        refused = await api.get("/api/v1/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        await first.aclose()
        await until(lambda: not daemon.app.services.streams)
        await (await opened(api, "/api/v1/events")).aclose()


async def test_a_reader_that_vanishes_leaves_nothing_behind(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    answer = await opened(api, f"{RUNS}/{run_id}/events")
    await until(lambda: daemon.live.queues)
    assert daemon.app.services.streams == 1
    await answer.aclose()
    await until(lambda: not daemon.live.queues and not daemon.app.services.streams)


async def test_head_of_a_stream_ends_at_once(api: httpx.AsyncClient, daemon: Daemon, run_id: str) -> None:
    answer = await api.head(f"{RUNS}/{run_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    await until(lambda: not daemon.app.services.streams)


@pytest.fixture
async def deaf(daemon: Daemon) -> AsyncIterator[socket.socket]:
    """A client that asks for events and never reads them."""
    place = urlsplit(daemon.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (place.hostname, place.port))
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        yield connection


async def test_a_reader_that_takes_nothing_is_cut_off(daemon: Daemon, deaf: socket.socket) -> None:
    await until(lambda: daemon.live.queues)
    big = LiveEvent(run_id="r", kind="progress", at=1.0, body={"note": "x" * 100_000})
    while daemon.live.queues:
        if daemon.live.queues[0][1].qsize() < 10:
            daemon.live.tell(big)
        await asyncio.sleep(0.01)
    await until(lambda: not daemon.app.services.streams)
    # Dropped, not closed: closing would wait until what is on its way has been read.
    await until(lambda: not daemon.server.server_state.connections)


async def test_the_log_of_a_run_is_what_was_stored_a_line_each(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    await daemon.work(run_id)
    stored = await daemon.store.events(run_id=run_id)
    lines = (await api.get(f"{RUNS}/{run_id}/logs")).text.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [event.kind for event in stored]
    rest = (await api.get(f"{RUNS}/{run_id}/logs", params={"after": stored[0].seq})).text
    assert rest.splitlines() == lines[1:]


async def test_a_stopping_daemon_ends_its_streams(
    api: httpx.AsyncClient, daemon: Daemon, run_id: str
) -> None:
    reader = Reader(await opened(api, f"{RUNS}/{run_id}/events"))
    await until(lambda: daemon.live.queues)
    daemon.app.stop()
    assert await reader.kinds() == ["run.submitted"]
    assert (await api.get("/readyz")).status_code == 503
