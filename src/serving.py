"""The composition of ``crucible serve``: store, daemon and API in one process, from start to end.

``serve`` is called by the command, with the data folder already held. It decides nothing about runs: it puts
parts together, listens to signals, and takes everything apart again in the right order and in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec

from .actors.daemon.feed import LiveFeed
from .actors.daemon.supervisor import Daemon, DaemonParts, Reload, StopDaemon
from .actors.runtime import ActorRef, ActorSystem
from .actors.store import Store
from .adapters.service.data_folder import DataFolder
from .adapters.service.logs import set_level
from .adapters.service.metrics import Metrics
from .adapters.service.notify import Notifier
from .adapters.stores import open_store
from .durable import RunFolders
from .engine import new_run_id
from .messages.errors import CrucibleError, InputError, StoreError
from .messages.queue import DaemonRecord
from .messages.settings import Settings
from .messages.settings_file import RELOADABLE, changed_settings
from .messages.type_tables import build_messages

__all__ = ["serve"]

STOPPED, FAILED, INTERRUPTED = 0, 1, 130
COUNT_EVERY_S = 5.0
LAG_EVERY_S = 1.0
API_GRACE_S = 2
"""What open requests get to finish once the daemon has handed everything back."""
LAST_S = 1.0
"""Of ``stop_s``: for closing the store after all else."""
SAME_KEYSTROKE_S = 1.0
"""A second interrupt sooner than this is the first one told twice, as terminals and ``timeout`` do."""

_log = logging.getLogger(__name__)


async def serve(
    settings: Settings,
    folder: DataFolder,
    *,
    reload: Callable[[], Settings],
    announce: Callable[[str], None] = lambda _url: None,
    leave: Callable[[int], object] = os._exit,
) -> int:
    """Serve until a signal; the exit code.

    ``reload`` reads the settings again, on SIGHUP; ``announce`` is told the address once requests are
    answered; ``leave`` ends the process at once, for the second interrupt.
    """
    build_messages()  # before there are threads
    serving = _Serving(settings, folder, reload, Notifier())
    with _listening(settings) as listener, _signals(serving, leave):
        store = await open_store(settings.store, folder.path, lock=folder.lock)
        try:
            return await serving.run(store, listener, announce)
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(store.aclose(), LAST_S)


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The API's socket. Taken before anything starts, so that a port in use is one line and nothing else."""
    host, port = settings.api.host, settings.api.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=1024)
        # asyncio does this for sockets of its own making only. Without it an answer waits 40 ms for the
        # acknowledgement of its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise InputError(f"api: cannot listen on {host} port {port}: {_unheard(error, host)}") from None
    with listener:
        yield listener


def _unheard(error: OSError, host: str) -> str:
    """Why it is not listened there, and what to do about it."""
    match error.errno:
        case errno.EADDRINUSE:
            return (
                "another program has it: end that one, or take another with --set api.port=PORT (0: any free)"
            )
        case errno.EACCES:
            return "only root may take it: take one from 1024 up with --set api.port=PORT"
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine: see api.host of the settings"
        case _:
            return f"{error.strerror or error}: see api.host of the settings"


@contextlib.contextmanager
def _signals(serving: _Serving, leave: Callable[[int], object]) -> Iterator[None]:
    """SIGTERM and SIGINT end the daemon in order, SIGINT twice at once; SIGHUP reads the settings again."""
    loop = asyncio.get_running_loop()
    first = list[float]()

    def interrupted() -> None:
        if first and time.monotonic() - first[0] >= SAME_KEYSTROKE_S:
            leave(INTERRUPTED)
        first.append(time.monotonic())
        serving.end("SIGINT")

    handlers = {
        signal.SIGTERM: lambda: serving.end("SIGTERM"),
        signal.SIGINT: interrupted,
        signal.SIGHUP: serving.reload_soon,
    }
    for number, handle in handlers.items():
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


class _Serving:
    """One daemon in one process."""

    def __init__(
        self, settings: Settings, folder: DataFolder, reload: Callable[[], Settings], notifier: Notifier
    ) -> None:
        self._settings, self._folder, self._read_settings = settings, folder, reload
        self._notifier = notifier
        self._ending = asyncio.Event()
        self._why = self._url = ""
        self._reload = asyncio.Event()
        self._stopped = asyncio.Event()
        self._failed: str | None = None

    # Signals

    def end(self, why: str) -> None:
        """Begin to stop."""
        if not self._ending.is_set():
            _log.info("%s: claiming no more, handing back what is under way", why)
            self._why = why
            self._ending.set()

    def reload_soon(self) -> None:
        """Read the settings again."""
        self._reload.set()

    # Start and stop

    async def run(self, store: Store, listener: socket.socket, announce: Callable[[str], None]) -> int:
        """From start to end."""
        settings, record = self._settings, self._record()
        self._url = url = _url(settings, listener)
        runs = RunFolders(self._folder.runs)
        async with ActorSystem("crucible") as system:
            feed = LiveFeed(system)
            feed.facts |= {
                "daemon": record.id,
                "boot": record.boot_id,
                "host": record.host,
                "pid": record.pid,
                "started_at": time.time(),
                "url": url,
                "store": settings.store.kind,
                "loop_lag_s": 0.0,
            }
            metrics = Metrics(lambda: len(feed.runs()))
            parts = DaemonParts(
                store=store,
                feed=feed,
                factory=runs.plan,
                settings=settings.daemon,
                record=record,
                new_id=new_run_id,
                rng=random.Random(),
                on_settled=metrics.settled,
                delete_folder=runs.delete,
            )
            daemon = system.spawn(
                lambda: Daemon(parts, self._stopped),
                name="daemon",
                restart="temporary",
                mailbox_capacity=4096,
            )
            async with self._api(store, feed, metrics, listener), self._beside(store, feed, metrics, daemon):
                await asyncio.to_thread(self._folder.tell_address, url)
                announce(url)
                self._notifier.ready(f"serving {url}")
                _log.info("daemon %s serves %s", record.id, url)
                await self._until_end(daemon)
                await self._hand_back(store, daemon, record)
            if system.failures:
                self._failed = str(system.failures[-1].reason)
        if self._failed is not None:
            _log.critical("the daemon failed: %s", self._failed)
            return FAILED
        _log.info("stopped")
        return STOPPED

    def _record(self) -> DaemonRecord:
        return DaemonRecord(
            id=self._settings.daemon.name or self._folder.daemon_id,
            boot_id=secrets.token_hex(8),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=0.0,
            heartbeat_at=0.0,
            capacity=self._settings.daemon.max_running,
        )

    async def _until_end(self, daemon: ActorRef) -> None:
        """Until a signal, or until the daemon has ended by itself."""
        ending = asyncio.ensure_future(self._ending.wait())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            while not ending.done() and not stopped.done():
                await asyncio.wait((ending, stopped), timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                if not daemon.is_alive:
                    self._failed = "its supervisor has crashed"
                    return
            if stopped.done() and not ending.done():
                self._failed = "it was superseded"
        finally:
            ending.cancel()
            stopped.cancel()

    async def _hand_back(self, store: Store, daemon: ActorRef, record: DaemonRecord) -> None:
        """Give every run back to the queue, within the time that the settings allow."""
        self._notifier.stopping()
        patience = max(0.1, self._settings.daemon.stop_s - API_GRACE_S - LAST_S)
        if self._failed is not None:
            return
        try:
            async with asyncio.timeout(patience):
                await daemon.tell(StopDaemon(self._why))
                await self._stopped.wait()
                await store.forget(record.id, record.boot_id)
        except TimeoutError:
            _log.error("not all was handed back in %.1f s: the next start takes it over", patience)
        except StoreError as error:
            _log.warning("the store failed: %s", error)

    # Beside the daemon

    @contextlib.asynccontextmanager
    async def _api(
        self, store: Store, feed: LiveFeed, metrics: Metrics, listener: socket.socket
    ) -> AsyncIterator[None]:
        """The API, from before the first run to after the last one."""
        import uvicorn

        from .adapters.http import create_app

        class Server(uvicorn.Server):
            """Without signal handlers of its own."""

            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        token = self._folder.token(self._settings.api.token_file)
        app = create_app(
            store, feed, self._settings, token=token, data=self._folder.path, metrics=metrics.text
        )
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=API_GRACE_S,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="api")
        try:
            while not server.started:
                if serving.done():
                    serving.result()
                    raise CrucibleError("the API could not be started")
                await asyncio.sleep(0.01)
            yield
        finally:
            app.stop()
            server.should_exit = True
            await serving

    @contextlib.asynccontextmanager
    async def _beside(
        self, store: Store, feed: LiveFeed, metrics: Metrics, daemon: ActorRef
    ) -> AsyncIterator[None]:
        """Small loops: figures, loop lag, watchdog, reload."""
        works: list[Awaitable[None]] = [
            self._count(store, metrics),
            self._watch_loop(feed, metrics),
            self._reloads(daemon),
        ]
        if self._notifier.watchdog_s is not None:
            works.append(self._stay_alive(self._notifier.watchdog_s))
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _count(self, store: Store, metrics: Metrics) -> None:
        while True:
            with contextlib.suppress(StoreError):
                metrics.count(await store.counts())
            await asyncio.sleep(COUNT_EVERY_S)

    async def _watch_loop(self, feed: LiveFeed, metrics: Metrics) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(LAG_EVERY_S)
            lag = max(0.0, time.monotonic() - before - LAG_EVERY_S)
            feed.facts["loop_lag_s"] = round(lag, 6)
            metrics.lag(lag)

    async def _stay_alive(self, every_s: float) -> None:
        while True:
            self._notifier.alive()
            await asyncio.sleep(every_s)

    async def _reloads(self, daemon: ActorRef) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._notifier.reloading()
            await self._take_settings(daemon)
            self._notifier.ready(f"serving {self._url}")

    async def _take_settings(self, daemon: ActorRef) -> None:
        """All that can be changed while runs go on; the rest is named."""
        try:
            new = await asyncio.to_thread(self._read_settings)
        except InputError as error:
            _log.error("the settings stay as they are: %s", error)
            return
        changed = changed_settings(self._settings, new)
        fixed = [name for name in changed if name not in RELOADABLE]
        if fixed:
            _log.warning("these settings need a restart and stay as they are: %s", ", ".join(fixed))
        self._settings = _merged(self._settings, new)
        set_level(self._settings.log)
        await daemon.tell(Reload(self._settings.daemon))
        taken = [name for name in changed if name in RELOADABLE]
        _log.info("settings were read again; changed: %s", ", ".join(taken) or "nothing")


def _merged(old: Settings, new: Settings) -> Settings:
    """The old settings with those of the new ones that a running daemon can take over."""
    fields: dict[str, dict[str, Any]] = {}
    for name in RELOADABLE:
        section, _, field = name.partition(".")
        fields.setdefault(section, {})[field] = getattr(getattr(new, section), field)
    parts = {
        section: msgspec.structs.replace(getattr(old, section), **values)
        for section, values in fields.items()
    }
    return msgspec.structs.replace(old, **parts)


def _url(settings: Settings, listener: socket.socket) -> str:
    """Where commands on this machine find the API. Other names are refused unless ``api.hosts`` has them."""
    host, port = settings.api.host, listener.getsockname()[1]
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - named, not listened on
        host = "::1" if host == "::" else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
