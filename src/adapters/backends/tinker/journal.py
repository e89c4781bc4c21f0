"""Requests to a training client in order, and their repetition on a client made anew.

A client of the SDK numbers its requests, and the service runs them in that order. So a request that was
refused, given up or lost leaves a gap that all later ones wait behind, and a failed step leaves weights of
which nobody knows what they have seen. The remedy is one for all: make a client from the last saved state
and send everything since then again, in the same order. Nothing is skipped and nothing counts twice.

What can be sent again is kept until a saved state holds it; ``recovery_every`` bounds how much that is.
Used by ``session``. Results are asked for by one caller at a time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from ....messages.errors import BackendError, CrucibleError
from .faults import Fault, as_error
from .sdk import within
from .service import Service

__all__ = ["Journal", "Request"]

LONGEST_BACKOFF_S = 60.0


class Request:
    """One request: how it is sent, and what came of it."""

    def __init__(self, send: Callable[[Any], Any], *, changes: bool, saves: bool = False) -> None:
        self.send = send
        self.changes = changes
        """Whether it changes the model, so that it has to be repeated."""
        self.saves = saves
        """Whether its result is a saved state that holds all before it."""
        self.future: Any = None
        self.result: Any = None
        self.settled = False
        """Whether its result on the client of now is known."""
        self.known = False
        """Whether a result has ever been known: then it is being repeated."""


class Journal:
    """The requests since the last saved state."""

    def __init__(
        self,
        service: Service,
        *,
        timeout_s: float,
        attempts: int,
        backoff_s: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._service = service
        self._timeout_s, self._attempts, self._backoff_s = timeout_s, attempts, backoff_s
        self._sleep = sleep
        self._client: Any = None
        self._seen = 0
        self._state_path: str | None = None
        self._requests: list[Request] = []
        self._failed = 0
        self.rebuilt = 0
        """Clients made anew so far."""
        self.on_repeat: Callable[[Request], None] = lambda _request: None
        self.last_fault = ""

    async def restart(self, state_path: str | None) -> None:
        """Forget all and go on from a saved state (None: from the base model)."""
        self._give_up()
        self._requests, self._client, self._state_path = [], None, state_path
        await self.client()

    async def client(self) -> Any:
        """The training client, made when first needed."""
        while self._client is None:
            try:
                self._seen = self._service.number
                self._client = await self._service.training(self._state_path)
                self._send_again()
            except Exception as error:  # noqa: BLE001 - the service's `fault` sorts what the SDK raises
                await self._recover(error)
        return self._client

    async def add(self, request: Request) -> None:
        """Send a request after all others."""
        client = await self.client()
        self._requests.append(request)
        try:
            request.future = request.send(client)
        except Exception as error:  # noqa: BLE001 - as above
            await self._recover(error)

    async def settle(self, request: Request) -> Any:
        """The result of a request, and with it those of all before it.

        Raises one of our errors when the service refuses for good or recovery has given up.
        """
        while not request.settled:
            try:
                await self.client()  # a new one makes all results unknown again
                first = next(each for each in self._requests if not each.settled)
                first.result = await within(first.future, self._timeout_s)
            except Exception as error:  # noqa: BLE001 - the service's `fault` sorts what the SDK raises
                await self._recover(error)
            else:
                self._settled(first)
        return request.result

    def unsaved(self) -> int:
        """Requests that no saved state will hold, not even one that is on its way."""
        since = itertools.takewhile(lambda request: not request.saves, reversed(self._requests))
        return sum(request.changes for request in since)

    @property
    def busy(self) -> bool:
        """Whether a result has not been asked for yet."""
        return any(not request.settled for request in self._requests)

    def abandon(self) -> None:
        """Give up what is still on its way."""
        self._give_up()
        self._requests = []

    def _settled(self, request: Request) -> None:
        request.settled, request.future = True, None
        if not request.known:  # repeating what was done before is no progress
            self._failed = 0
        request.known = True
        self._service.notices.clear()
        if request.saves:
            self._state_path = request.result.path
            del self._requests[: self._requests.index(request) + 1]
        elif not request.changes:
            self._requests.remove(request)

    async def _recover(self, error: Exception) -> None:
        """Drop the client, so that ``client`` makes a new one; raises when that would not help."""
        if isinstance(error, CrucibleError):  # an inner call has decided already
            raise error
        fault = self._service.fault(error)
        self.last_fault = fault.text
        self._give_up()
        self._client = None
        if not fault.rebuilt:
            raise as_error(fault) from error
        if self._failed >= self._attempts:
            raise self._given_up(fault) from error
        await self._sleep(min(self._backoff_s * 2**self._failed, LONGEST_BACKOFF_S))
        self._failed += 1
        self.rebuilt += 1
        await self._service.renew(self._seen)

    def _given_up(self, fault: Fault) -> BackendError:
        tries = f"after {self._failed} recoveries in a row" if self._failed else "and recovery is off"
        return BackendError(f"tinker: {fault.text} ({fault.kind.value}; given up {tries})")

    def _give_up(self) -> None:
        for request in self._requests:
            if request.future is not None:
                request.future.future().cancel()
                request.future = None

    def _send_again(self) -> None:
        for request in self._requests:
            if request.settled:
                self.on_repeat(request)
            request.settled = False  # a repetition may fail too, and nothing after it would be right
            request.future = request.send(self._client)
