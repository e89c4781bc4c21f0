"""The hedging actor of one system: what goes on beside its requests.

One for each pool. A request is raced in the task of whoever asks (``racer``), so that it waits for nobody.
What outlives the answer belongs to this actor: losers that are being cancelled, those that a control race
lets run, and the clones at the end of a batch. What a stop finds running is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ...messages.base import Message
from ..runtime import Actor, handler
from .pool import HedgePool

__all__ = ["CloneOldest", "Drain", "HedgingActor", "Losers"]


class Losers(Message, frozen=True):
    """A race is over for the one who asked; see to its losers. Answered as soon as they have an owner."""

    finish: Callable[[], Coroutine[Any, Any, None]]

    if TYPE_CHECKING:

        def __reply__(self) -> None: ...


class CloneOldest(Message, frozen=True):
    """Slots are free: clone the request that runs longest; for the answer see ``OpenRaces.clone_oldest``."""

    free: int = 1

    if TYPE_CHECKING:

        def __reply__(self) -> float | None: ...


class Drain(Message, frozen=True):
    """Answered when all that was told before has an owner."""

    if TYPE_CHECKING:

        def __reply__(self) -> None: ...


class HedgingActor(Actor):
    """Owns losers and clones; the pool outlives it."""

    def __init__(self, pool: HedgePool) -> None:
        self._pool = pool

    @handler
    def on_losers(self, message: Losers) -> None:
        """Wait for them, beside everything else."""
        self.context.create_task(message.finish(), name="losers")

    @handler
    def on_clone(self, message: CloneOldest) -> float | None:
        """Choose one."""
        return self._pool.races.clone_oldest(self.context.clock.now(), message.free)

    @handler
    def on_drain(self, _message: Drain) -> None:
        """Everything before it is done."""
