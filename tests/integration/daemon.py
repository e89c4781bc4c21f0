"""The API over a store in memory, served by uvicorn on a real socket; and a live side that a test moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import uvicorn

from crucible.actors.store import Store
from crucible.adapters.http import App, create_app
from crucible.adapters.stores.memory import MemoryStore
from crucible.messages.experiment_file import decode_experiment_json
from crucible.messages.live import ActorView, LiveEvent, LiveRun
from crucible.messages.queue import DaemonRecord, QueuedRun, RunState, Settlement
from crucible.messages.settings import Settings

T = TypeVar("T")
TOKEN = "a-token-for-tests-only"
AUTH = {"authorization": f"Bearer {TOKEN}"}


class StillLive:
    """A live side in which nothing happens but what the test says."""

    def __init__(self) -> None:
        self.under_way: dict[str, LiveRun] = {}
        self.woken = 0
        self.queues: list[tuple[str | None, asyncio.Queue[LiveEvent | None]]] = []

    def runs(self) -> Mapping[str, LiveRun]:
        return self.under_way

    def actors(self) -> ActorView:
        child = ActorView(name="run-1", kind="ExperimentSupervisor", state="running", mailbox=3)
        return ActorView(name="crucible", kind="root", state="running", children=(child,))

    def wake(self) -> None:
        self.woken += 1

    def status(self) -> dict[str, Any]:
        return {"daemon": "test", "capacity": 2}

    @contextlib.asynccontextmanager
    async def subscribe(self, run_id: str | None = None) -> AsyncIterator[AsyncIterator[LiveEvent]]:
        queue: asyncio.Queue[LiveEvent | None] = asyncio.Queue()
        self.queues.append((run_id, queue))
        try:
            yield self._read(queue)
        finally:
            self.queues.remove((run_id, queue))

    async def _read(self, queue: asyncio.Queue[LiveEvent | None]) -> AsyncIterator[LiveEvent]:
        while (event := await queue.get()) is not None:
            yield event

    def tell(self, event: LiveEvent | None) -> None:
        """An event for all who listen; None ends their subscriptions."""
        for run_id, queue in self.queues:
            if event is None or run_id in (None, event.run_id):
                queue.put_nowait(event)


class Server(uvicorn.Server):
    """Without its signal handlers: they belong to pytest."""

    loop: asyncio.AbstractEventLoop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Daemon:
    """A store, a live side and the API over them, as a daemon would make them."""

    def __init__(self, folder: Path, store: Store | None = None, **settings: Any) -> None:
        self.folder = folder
        self.store: Store = store or MemoryStore()
        self.live = StillLive()
        self.settings = msgspec.convert(settings, Settings)
        self.app: App = create_app(self.store, self.live, self.settings, token=TOKEN, data=folder, slow_s=1.0)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as in crucible.serving
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.server = Server(
            uvicorn.Config(self.app, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
        )

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Daemon]:
        """Serve in this loop."""
        serving = asyncio.ensure_future(self.server.serve([self.socket]))
        try:
            yield self
        finally:
            self.app.stop()
            self.server.should_exit = True
            await serving

    @contextlib.contextmanager
    def serve_in_thread(self) -> Iterator[Daemon]:
        """Serve in a thread, for clients that block."""
        thread = threading.Thread(target=self.server.run, args=([self.socket],))
        thread.start()
        try:
            httpx.get(f"{self.url}/healthz", trust_env=False).raise_for_status()
            yield self
        finally:
            self.server.loop.call_soon_threadsafe(self.app.stop)
            self.server.should_exit = True
            thread.join()

    def there(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop of the thread that serves."""
        return asyncio.run_coroutine_threadsafe(work, self.server.loop).result(timeout=30)

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A plain HTTP client with the token."""
        return httpx.AsyncClient(**{"base_url": self.url, "headers": AUTH, "trust_env": False, **options})

    def run_folder(self, run_id: str) -> Path:
        """The folder of a run, made if need be."""
        folder = self.folder / "runs" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def work(
        self, run_id: str, state: RunState = "completed", metrics: Mapping[str, Any] | None = None
    ) -> QueuedRun:
        """Claim a run and settle it, as a daemon would."""
        record = DaemonRecord(
            id="test", boot_id="1", host="here", pid=1, started_at=0.0, heartbeat_at=0.0, capacity=2
        )
        await self.store.register(record, max_interruptions=3)
        leases = await self.store.claim("test", limit=100, ttl_s=30.0)
        lease = next(each for each in leases if each.run.id == run_id)
        return await self.store.settle(
            run_id, lease.token, Settlement(state=state, metrics=dict(metrics or {}))
        )


def experiment(folder: Path, **changes: Any) -> dict[str, Any]:
    """A small experiment with its data in the folder, as JSON data; None takes a key out."""
    data = folder / "data.jsonl"
    if not data.exists():
        data.write_text("".join(json.dumps({"prompt": f"p{n}", "completion": "c"}) + "\n" for n in range(3)))
    content: dict[str, Any] = {
        "id": "small",
        "dataset": {"name": "small", "split": "all", "options": {"path": str(data)}},
        "backend": {"id": "mock"},
        "pipeline": [{"name": name} for name in ("data_load", "data_checks", "backend_call", "report")],
        "outputs": [{"formats": ["json"]}],
    } | changes
    return {key: value for key, value in content.items() if value is not None}


def sample(number: int, **changes: Any) -> bytes:
    """A line of samples.jsonl."""
    output = {"example_id": f"s{number}", "system": "mock", "backend": "mock", "text": f"answer {number}"}
    line = {
        "id": f"s{number}",
        "split": "test",
        "group": None,
        "source": None,
        "line": None,
        "input": f"question {number}",
        "reference": "gold",
        "outputs": {"mock": output},
        "scores": {"mock": {"exact": float(number % 2)}},
        "methods": {},
        "details": {},
        "verdicts": [],
        "surrogates": {},
        "persistence": {},
    } | changes
    return json.dumps(line).encode() + b"\n"


def as_stored(content: dict[str, Any]) -> Any:
    """The experiment as the daemon keeps it."""
    return decode_experiment_json(json.dumps(content).encode())
