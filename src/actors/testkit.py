"""Tools to test actors: a system on virtual time, and probes that record what they are sent.

    async with TestKit() as kit:
        probe = kit.probe("next")
        stage = kit.spawn(lambda: Stage(probe.ref), name="stage")
        await stage.tell(Run())
        done = await probe.expect(Done)

Public as `crucible.testing`. Time-outs here are real time, so a test on virtual time still ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from .runtime import (
    Actor,
    ActorMisuse,
    ActorRef,
    ActorSystem,
    RestartType,
    SupervisionPolicy,
    SystemClock,
    VirtualClock,
    handler,
)

__all__ = ["Probe", "TestKit"]

M = TypeVar("M")


class _Recorder(Actor):
    """Takes every message to its probe."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    @handler
    def on_any(self, message: object) -> object:
        """Record the message and answer an ask as the probe was told to."""
        return self._probe._receive(message)


class Probe:
    """An actor for tests that keeps what it is sent, in order.

    `ref` is its address. `messages` are all messages so far, also those already expected. `reply` sets what
    it answers to asks of a type; without one it answers None.
    """

    def __init__(self, system: ActorSystem, name: str | None, mailbox_capacity: int) -> None:
        self._system = system
        self._replies: dict[type, Callable[[Any], object]] = {}
        self._arrived = asyncio.Event()
        self._next = 0
        self.messages: list[object] = []
        self._recorder = _Recorder(self)
        self.ref: ActorRef = system.spawn(
            lambda: self._recorder, name=name, mailbox_capacity=mailbox_capacity
        )

    def reply(self, kind: type[M], answer: Callable[[M], object]) -> None:
        """Answer asks of type `kind` with `answer(request)`."""
        self._replies[kind] = answer

    def tell(self, message: object) -> Awaitable[None]:
        """Send the probe a message; it can stand where an ActorRef is only told things."""
        return self.ref.tell(message)

    def watch(self, ref: ActorRef) -> None:
        """Receive `Terminated` once `ref` is gone for good."""
        self._recorder.context.watch(ref)

    async def expect(self, kind: type[M], *, timeout: float = 3.0) -> M:  # noqa: ASYNC109  # like ask
        """Return the next message, which must be a `kind`.

        Raises:
            AssertionError: another message came, or none within `timeout` seconds of real time.
        """
        try:
            async with asyncio.timeout(timeout):
                while self._next >= len(self.messages):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(
                f"probe {self.ref.name}: expected {kind.__name__}, got nothing in {timeout:g} s; "
                f"before that: {self.messages!r}"
            ) from None
        message = self.messages[self._next]
        assert isinstance(message, kind), (
            f"probe {self.ref.name}: expected {kind.__name__}, received {message!r}"
        )
        self._next += 1
        return message

    async def expect_none(self) -> None:
        """Check that nothing unexpected has come once the system has nothing left to do.

        Raises:
            AssertionError: a message is there.
        """
        await self._system.quiescent()
        left = self.messages[self._next :]
        if left:
            raise AssertionError(f"probe {self.ref.name}: expected nothing, received {left!r}")

    def _receive(self, message: object) -> object:
        self.messages.append(message)
        self._arrived.set()
        answer = self._replies.get(type(message))
        return answer(message) if answer is not None else None


class TestKit:
    """An actor system for one test. Leaving it stops the system and raises the failures nobody looked at."""

    __test__ = False  # not a test class, whatever its name suggests to pytest

    def __init__(self, clock: Literal["virtual", "system"] = "virtual", *, name: str = "test") -> None:
        self.clock: VirtualClock | SystemClock = VirtualClock() if clock == "virtual" else SystemClock()
        self.system = ActorSystem(name, clock=self.clock)

    async def __aenter__(self) -> Self:
        await self.system.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.system.__aexit__(kind, error, traceback)

    def probe(self, name: str | None = None, *, mailbox_capacity: int = 100_000) -> Probe:
        """Make a probe."""
        return Probe(self.system, name, mailbox_capacity)

    def spawn(
        self,
        factory: Callable[[], Actor],
        *,
        name: str | None = None,
        mailbox_capacity: int = 1024,
        policy: SupervisionPolicy | None = None,
        restart: RestartType = "transient",
        redeliver: bool = False,
    ) -> ActorRef:
        """Spawn a top-level actor; the arguments are those of `ActorSystem.spawn`."""
        return self.system.spawn(
            factory,
            name=name,
            mailbox_capacity=mailbox_capacity,
            policy=policy,
            restart=restart,
            redeliver=redeliver,
        )

    async def advance(self, seconds: float) -> None:
        """Move virtual time forward and let everything that follows from it happen."""
        if not isinstance(self.clock, VirtualClock):
            raise ActorMisuse(self.system.name, "advance needs TestKit(clock='virtual')")
        await self.clock.advance(seconds)

    async def quiescent(self) -> None:
        """Wait until no actor has anything left to do; see `ActorSystem.quiescent`."""
        await self.system.quiescent()
