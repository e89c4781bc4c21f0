"""The ensemble actor: asks the members one question and stops as soon as the outcome stands.

One for each question in flight, asked with a ``Question``. Each request waits for a slot of the stage, so all
questions and members share one limit. Members that are no longer needed are cancelled while they work; those
that failed are kept with their error. What a cancelled request cost is not known and not counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ...messages.base import Message
from ...messages.records import Example, Output
from ..limits import Watcher
from ..runtime import Actor, handler
from ..runtime.clock import Clock
from .ballots import Ballot, Rules
from .council import Council, ballot
from .early_stop import Stop
from .patience import Patience

__all__ = ["AskMember", "Asked", "EnsembleActor", "Question"]


class AskMember(Protocol):
    """How a member is asked; waits for slot and limits first."""

    def __call__(self, member: str, example: Example, span: int, watcher: Watcher) -> Awaitable[Output]:
        """What the member answered, failures included."""
        ...


class Asked(Message, frozen=True):
    """Who answered a question, and why the others were not waited for."""

    outputs: tuple[Output, ...]
    """In the members' order."""
    cancelled: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    stopped: str | None = None
    error_bound: float = 0.0
    chosen: str | None = None
    """The member whose answer is taken without a vote among all: the end of a cascade or of a race."""


class Question(Message, frozen=True):
    """Ask the members this."""

    example: Example
    span: int

    if TYPE_CHECKING:

        def __reply__(self) -> Asked: ...


class _Members:
    """The members of one question, asked in any order."""

    def __init__(
        self,
        question: Question,
        names: Sequence[str],
        ask: AskMember,
        clock: Clock,
        timeout_s: float | None,
    ) -> None:
        self._question = question
        self._names = tuple(names)
        self._ask = ask
        self._clock = clock
        self._timeout_s = timeout_s
        self._tasks: dict[str, asyncio.Task[Output]] = {}
        self._sent: set[str] = set()
        self.outputs: dict[str, Output] = {}

    def start(self, name: str) -> None:
        """Ask a member."""
        self._tasks[name] = asyncio.get_running_loop().create_task(self._one(name))

    async def _one(self, name: str) -> Output:
        example = self._question.example
        patience = Patience(self._timeout_s, self._clock, lambda: self._sent.add(name))
        asking = self._ask(name, example, self._question.span, patience)
        return await patience.wait(asking, name, example.id)

    async def next(self, timeout_s: float | None = None) -> list[Output]:
        """The answers that have come, after waiting for one; empty when none came in time."""
        waiting: list[asyncio.Future[Any]] = [
            task for name, task in self._tasks.items() if name not in self.outputs
        ]
        if not waiting:
            return []
        timer = None
        if timeout_s is not None:
            due = asyncio.get_running_loop().create_future()
            timer = self._clock.call_later(timeout_s, due.cancel)
            waiting.append(due)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if timer is not None:
                timer.cancel()
        news = [
            (name, task.result())
            for name, task in self._tasks.items()
            if task.done() and name not in self.outputs
        ]
        self.outputs.update(news)
        return [output for _, output in news]

    @property
    def outstanding(self) -> list[str]:
        """Members without an answer, asked or not."""
        return [name for name in self._names if name not in self.outputs]

    @property
    def running(self) -> bool:
        """Whether an answer may still come."""
        return any(name not in self.outputs for name in self._tasks)

    def ballots(self) -> list[Ballot]:
        """The answers so far."""
        return [ballot(output) for output in self.outputs.values()]

    async def close(self) -> None:
        """Cancel whatever is not needed, and wait until it is."""
        running = [task for task in self._tasks.values() if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def asked(self, stop: Stop | None, chosen: str | None = None) -> Asked:
        """What became of everyone."""
        out = self.outstanding
        return Asked(
            outputs=tuple(self.outputs[name] for name in self._names if name in self.outputs),
            cancelled=tuple(name for name in out if name in self._sent),
            not_asked=tuple(name for name in out if name not in self._sent),
            stopped=stop.reason if stop is not None else None,
            error_bound=stop.error_bound if stop is not None else 0.0,
            chosen=chosen,
        )


class EnsembleActor(Actor):
    """Asks one question at a time."""

    def __init__(
        self, council: Council, ask: AskMember, knows: Callable[[str, Example], bool] = lambda *_: False
    ) -> None:
        """``knows``: whether a member's answer costs nothing, since the cache has it."""
        self._council = council
        self._ask = ask
        self._knows = knows

    @handler
    async def on_question(self, message: Question) -> Asked:
        """Ask in the configured manner."""
        config, settings = self._council.config, self._council.settings
        names = settings.members
        members = _Members(message, names, self._ask, self.context.clock, settings.timeout_s)
        try:
            if config.execution == "parallel":
                free = [name for name in names if self._knows(name, message.example)]
                paid = [name for name in names if name not in free]
                stop = await self._parallel(members, free) or await self._parallel(members, paid)
                chosen = None
            elif config.execution == "hedged":
                stop, chosen = await self._hedged(members, names)
            else:
                stop, chosen = await self._sequential(members, names, cascade=config.execution == "cascade")
        finally:
            await members.close()
        return members.asked(stop, chosen)

    async def _parallel(self, members: _Members, names: Sequence[str]) -> Stop | None:
        for name in names:
            members.start(name)
        while members.running:
            await members.next()
            stop = self._council.enough(members.ballots(), members.outstanding)
            if stop.stop and members.outstanding:
                return stop
        return None

    async def _sequential(
        self, members: _Members, names: Sequence[str], *, cascade: bool
    ) -> tuple[Stop | None, str | None]:
        for name in names:
            members.start(name)
            await members.next()
            if cascade and self._council.confident(ballot(members.outputs[name]), members.ballots()):
                confidence = self._council.member_confidence(name, members.outputs[name].confidence)
                sure = f"{name} is confident enough: {confidence:.3g}"
                return Stop(stop=True, reason=sure), name
            stop = self._council.enough(members.ballots(), members.outstanding)
            if stop.stop and members.outstanding:
                return stop, None
        return None, None

    async def _hedged(self, members: _Members, names: Sequence[str]) -> tuple[Stop | None, str | None]:
        """The next member when one is slow, fails or abstains; the first vote is the answer."""
        delay_s = self._council.settings.options.hedge_delay_ms / 1000
        waiting = list(names)
        due = self.context.clock.now()
        while waiting or members.running:
            now = self.context.clock.now()
            if waiting and (now >= due or not members.running):
                members.start(waiting.pop(0))
                due = now + delay_s
            for output in await members.next(max(0.0, due - self.context.clock.now()) if waiting else None):
                alone = self._council.vote([ballot(output)], Rules(quorum=1))
                if alone.status == "decided":
                    return Stop(stop=True, reason=f"{output.system} answered first"), output.system
                due = self.context.clock.now()  # it failed or abstained: no reason to wait
        return None, None
