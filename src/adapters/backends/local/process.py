"""The worker process of a base model, from the engine's side. Equal base models share one.

Training and answering run in a process of their own: it can be ended in the middle of a computation, what it
held of a GPU's memory is then free, torch's death is not the engine's, and the event loop shares no
interpreter's lock with torch. See the figures in docs/local-training.md.

A process belongs to no event loop: two threads move the frames. It is killed when its last user is done, and
ends by itself when the engine is gone.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future, InvalidStateError
from typing import IO, NamedTuple

import msgspec

from ....messages.errors import BackendError
from .protocol import Call, Cancel, Load, Loaded, Operation, Reply, Result, raised, receive, send

__all__ = ["Ticket", "Worker", "lease", "release"]

_PROGRAM = "import sys; from crucible.adapters.backends.local.serve import main; main(int(sys.argv[1]))"


class Ticket(NamedTuple):
    """A call that was submitted."""

    number: int
    result: Future[Result]


class Worker:
    """One process with one base model."""

    def __init__(self, load: Load) -> None:
        """Start it; loading goes on while the caller does other things."""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Result]] = {}
        self._lock = threading.Lock()
        self._outgoing: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._ended: str | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile(prefix="crucible-worker-")  # noqa: SIM115 - closed below
        ours, theirs = socket.socketpair()
        self._channel = ours
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C is the engine's to answer
                env=_environment(load),
            )
        for target in (self._read, self._write):
            threading.Thread(target=target, name=f"worker-{self.process.pid}", daemon=True).start()
        self._loaded = self.submit(load).result

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._ended is not None

    async def loaded(self) -> Loaded:
        """Wait until the base model is there; raises InputError when it cannot be."""
        result = await asyncio.shield(asyncio.wrap_future(self._loaded))
        assert isinstance(result, Loaded)
        return result

    async def call(self, operation: Operation) -> Result:
        """The result; cancelling gives the call up at its next step."""
        return await self.wait(self.submit(operation))

    async def wait(self, ticket: Ticket) -> Result:
        """The result of a call that was submitted before; as ``call``."""
        try:
            return await asyncio.wrap_future(ticket.result)
        except asyncio.CancelledError:
            self._outgoing.put(Call(number=0, operation=Cancel(number=ticket.number)))
            raise

    def kill(self) -> None:
        """End the process, whatever it is doing, and wait until it is gone. Idempotent."""
        self.process.kill()
        self.process.wait()  # a killed process is gone within a moment
        self._outgoing.put(None)

    def submit(self, operation: Operation) -> Ticket:
        """Call without waiting; calls are done in the order of submission."""
        future: Future[Result] = Future()
        with self._lock:
            number = next(self._numbers)
            if self._ended is not None:
                future.set_exception(BackendError(self._ended))
                return Ticket(number, future)
            self._waiting[number] = future
        self._outgoing.put(Call(number=number, operation=operation))
        return Ticket(number, future)

    def _write(self) -> None:
        while (call := self._outgoing.get()) is not None:
            try:
                send(self._channel, call)
            except OSError:
                return

    def _read(self) -> None:
        decoder = msgspec.msgpack.Decoder(Reply)
        while (data := receive(self._channel)) is not None:
            reply = decoder.decode(data)
            with self._lock:
                future = self._waiting.pop(reply.number)
            if reply.failure is not None:
                _settle(future, raised(reply.failure))
            elif reply.result is not None:
                _settle(future, reply.result)
        self._end()

    def _end(self) -> None:
        code = self.process.wait()
        said = self._last_words()
        with self._lock:
            why = "killed, perhaps for want of memory" if code == -9 else f"exit code {code}"
            self._ended = f"local: the model's process ended ({why}){said}"
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            _settle(future, BackendError(self._ended))
        self._outgoing.put(None)
        self._channel.close()
        self._errors.close()

    def _last_words(self) -> str:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4096))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1][:300]}" if lines else ""


def _settle(future: Future[Result], outcome: Result | BaseException) -> None:
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        pass  # nobody waits any more


def _environment(load: Load) -> dict[str, str]:
    environment = dict(os.environ)
    environment["TOKENIZERS_PARALLELISM"] = "false"
    environment.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if load.threads is not None:
        environment["OMP_NUM_THREADS"] = str(load.threads)
    return environment


_shared: dict[Load, tuple[Worker, int]] = {}
"""Base model -> its worker and how many use it. One table per process: that is what sharing means."""
_shared_lock = threading.Lock()


def lease(load: Load) -> Worker:
    """The worker of this base model, started if there is none. Give it back with ``release``."""
    with _shared_lock:
        worker, users = _shared.get(load, (None, 0))
        if worker is None or worker.ended:
            worker, users = Worker(load), 0
        _shared[load] = (worker, users + 1)
        return worker


def release(load: Load, worker: Worker) -> bool:
    """Done with it; True when it was the last user, and the process is gone. Blocks for a moment."""
    with _shared_lock:
        held, users = _shared.get(load, (None, 0))
        if held is worker and users > 1:
            _shared[load] = (worker, users - 1)
            return False
        if held is worker:
            del _shared[load]
    worker.kill()
    return True
