"""The main program of the worker process: takes calls from the engine's socket, one after another.

A second thread reads ahead, so that a cancellation is seen while a call is at work, and so that the process
ends at once when the engine is gone, whatever ended it. Interrupts from the terminal are left to the engine.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
from collections.abc import Callable

import msgspec

from ....messages.errors import BackendError, CrucibleError
from .protocol import Call, Cancel, Failure, Load, Operation, Reply, Result, receive, send

__all__ = ["main"]


class _GivenUpError(Exception):
    """The call was cancelled."""


class _Inbox:
    """Calls that wait, and the numbers of those that were given up."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._given_up: set[int] = set()
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def _read(self) -> None:
        decoder = msgspec.msgpack.Decoder(Call)
        while (data := receive(self._channel)) is not None:
            call = decoder.decode(data)
            if isinstance(call.operation, Cancel):
                self._given_up.add(call.operation.number)
            else:
                self._calls.put(call)
        os._exit(0)  # the engine is gone; whatever is being computed, nobody waits for it

    def take(self) -> Call:
        """The next call. Blocking."""
        return self._calls.get()

    def check(self, number: int) -> Callable[[], None]:
        """Raises when the call of this number was given up."""

        def check() -> None:
            if number in self._given_up:
                raise _GivenUpError

        return check

    def done(self, number: int) -> None:
        """The call of this number has its reply."""
        self._given_up.discard(number)


def main(descriptor: int) -> None:
    """Serve until the engine is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=descriptor)
    inbox = _Inbox(channel)
    do: Callable[[Operation, Callable[[], None]], Result] = _load_first
    while True:
        call = inbox.take()
        reply: Reply
        try:
            check = inbox.check(call.number)
            check()
            if isinstance(call.operation, Load):
                from .host import Host  # imports torch

                host = Host(call.operation)
                do, result = host.do, host.loaded
            else:
                result = do(call.operation, check)  # type: ignore[assignment]
            reply = Reply(number=call.number, result=result)
        except _GivenUpError:
            reply = Reply(number=call.number, failure=Failure(kind="BackendError", message="given up"))
        except CrucibleError as error:
            reply = Reply(number=call.number, failure=Failure(kind=type(error).__name__, message=str(error)))
        except Exception as error:  # noqa: BLE001 - whatever torch says is told to the engine
            reply = Reply(number=call.number, failure=_described(error))
        inbox.done(call.number)
        try:
            send(channel, reply)
        except OSError:
            os._exit(0)


def _load_first(operation: Operation, _check: Callable[[], None]) -> Result:
    raise BackendError(f"local: {type(operation).__name__} before Load")


def _described(error: Exception) -> Failure:
    name = type(error).__name__
    first = (str(error).strip() or name).split("\n", 1)[0]
    if name == "OutOfMemoryError":
        first = "the GPU's memory is used up; try a smaller micro_batch_size, or gradient_checkpointing"
    return Failure(kind="BackendError", message=f"local: {name}: {first}")
