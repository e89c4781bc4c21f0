"""Messages that nobody will handle: counted, the latest ones kept, all of them told to subscribers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .signals import DeadLetter, Reason

if TYPE_CHECKING:
    from .ref import ActorRef

__all__ = ["DeadLetters"]

logger = logging.getLogger(__name__)


class DeadLetters:
    """A bounded record of undeliverable messages: iterate over the latest, `count` counts all."""

    def __init__(self, keep: int) -> None:
        # Bare, and made into records when somebody looks: a frozen dataclass costs as much as 20 appends.
        self._latest: deque[tuple[ActorRef, object, Reason]] = deque(maxlen=keep)
        self._subscribers: list[Callable[[DeadLetter], object]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._latest)

    def __iter__(self) -> Iterator[DeadLetter]:
        """Iterate over the latest dead letters, oldest first."""
        return iter([DeadLetter(*letter) for letter in self._latest])

    @property
    def count(self) -> int:
        """How many there were, including those no longer kept."""
        return self._count

    def subscribe(self, callback: Callable[[DeadLetter], object]) -> Callable[[], None]:
        """Call `callback` for each dead letter from now on. Return a function that ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def add(self, recipient: ActorRef, message: object, reason: Reason) -> None:
        """Record a dead letter."""
        self._count += 1
        self._latest.append((recipient, message, reason))
        if not self._subscribers:
            return
        letter = DeadLetter(recipient, message, reason)
        for callback in tuple(self._subscribers):
            try:
                callback(letter)
            except Exception:
                logger.exception("a dead-letter subscriber failed")
