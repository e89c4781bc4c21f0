"""What a run of the durable queue has that a plain run has not.

A record of what it did outside, the replies that it has paid for, a point where it can be stopped without
losing work, and a look at its lease before anything is asked. Made by the composition of the daemon, used by
``backend_call`` and by the training loop. A plain run has none of it (``None`` in the settings). Nothing here
decides whether to go on; it makes it possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..messages.records import CheckpointRef
from ..messages.requests import BackendReply, BackendRequest
from .kept_stream import KeptStream, StreamWriter
from .ports import ReplyCache, Sampler

__all__ = ["Durability", "EffectLog", "HeldSampler", "SafePoint", "TrainingEffects"]


class EffectLog(Protocol):
    """Calls that change something outside, written down before they are made; bound to a run's lease."""

    async def intend(self, key: str, *, stage: str, step: int) -> None:
        """Returns once the intent is stored. ``key`` is the same on every attempt of the run."""
        ...

    async def done(self, key: str, *, remote_ref: str | None = None) -> None:
        """The call was answered."""
        ...

    async def trained(self, *, backend: str, remote_id: str, step: int, checkpoint: str | None) -> None:
        """Where a training stands on the other side."""
        ...


class SafePoint:
    """Lets whoever stops a run wait until its trainings have saved what they have.

    Outside a training every point is safe: what was answered is on disk by the time it counts.
    """

    def __init__(self) -> None:
        self.wanted = False
        """Whether a training should save a checkpoint at its next step and rest."""
        self._trainings = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def request(self) -> None:
        """Ask for it."""
        self.wanted = True

    def enter(self) -> None:
        """A training begins."""
        self._trainings += 1
        self._idle.clear()

    def leave(self) -> None:
        """A training has ended or rests."""
        self._trainings = max(0, self._trainings - 1)
        if not self._trainings:
            self._idle.set()

    async def reached(self) -> None:
        """Wait until no training is under way."""
        await self._idle.wait()

    async def rest(self) -> None:
        """The training has saved all it has: wait for the end, which comes as a cancellation."""
        self.leave()
        await asyncio.get_running_loop().create_future()


class HeldSampler:
    """Asks only while the lease holds; after that the end comes as a cancellation, and is waited for.

    A process that was stopped, or whose machine slept, goes on in the midst of its work: answers that came
    meanwhile are taken in, and the next requests are due, before a timer has told anybody that time is up.
    """

    def __init__(self, sampler: Sampler, current: Callable[[], bool]) -> None:
        self._sampler, self._current = sampler, current
        self.telemetry: Mapping[str, Any] = getattr(sampler, "telemetry", {})

    async def sample(self, request: BackendRequest) -> BackendReply:
        """See ``Sampler``."""
        if not self._current():
            await asyncio.get_running_loop().create_future()
        return await self._sampler.sample(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """Of one attempt."""

    journal: ReplyCache
    """Replies that earlier attempts of this run have paid for; closed by whoever opened it."""
    effects: EffectLog
    safe_point: SafePoint
    current: Callable[[], bool]
    """Whether the lease still holds."""
    stream: StreamWriter
    """Takes what ``backend_call`` hands on."""
    done: KeptStream | None = None
    """What an earlier attempt handed on, if it got that far: the stages up to there do not run again."""


class TrainingEffects:
    """The effects of the training of one system, under keys that do not change from attempt to attempt."""

    def __init__(self, durability: Durability, *, stage: str, system: str, backend: str) -> None:
        self._effects = durability.effects
        self.safe_point = durability.safe_point
        self._stage, self._system, self._backend = stage, system, backend

    def _key(self, what: str) -> str:
        return f"{self._stage}/{self._system}/{what}"

    async def step_begins(self, step: int) -> None:
        """Before a step is sent to a distant service."""
        await self._effects.intend(self._key(f"step-{step}"), stage=self._stage, step=step)

    async def step_ended(self, step: int) -> None:
        """Its result is there."""
        await self._effects.done(self._key(f"step-{step}"))

    async def checkpoint_begins(self, name: str, step: int) -> None:
        """Before a state is saved."""
        await self._effects.intend(self._key(f"checkpoint-{name}"), stage=self._stage, step=step)

    async def checkpoint_ended(self, ref: CheckpointRef) -> None:
        """It is saved, and noted in the training's record: a later attempt goes on from there."""
        await self._effects.done(self._key(f"checkpoint-{ref.name}"), remote_ref=ref.uri)
        await self._effects.trained(
            backend=self._backend, remote_id=self._system, step=ref.step, checkpoint=ref.uri
        )
