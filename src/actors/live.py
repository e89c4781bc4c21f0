"""The contract of the live side of a daemon: what its own runs do now, from memory.

Given by the daemon to whoever shows it (the API and its page). All of it is lost with the process and none of
it is needed to go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ..messages.live import ActorView, LiveEvent, LiveRun

__all__ = ["Live"]


class Live(Protocol):
    """A look into a running daemon. Everything is safe to call from the event loop and returns at once."""

    def runs(self) -> Mapping[str, LiveRun]:
        """Runs under way in this process, by id."""
        ...

    def actors(self) -> ActorView:
        """The tree of live actors, from the root down."""
        ...

    def subscribe(self, run_id: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[LiveEvent]]:
        """Events as they happen, of one run or of all.

        A subscriber has a bounded queue. When it is full, progress is dropped first; one that still falls
        behind is ended, and must begin again from the store's events.
        """
        ...

    def wake(self) -> None:
        """Something was submitted or asked for: look at the queue now."""
        ...

    def status(self) -> dict[str, Any]:
        """Daemon id, boot id, start, capacity, whether it takes new runs, loop lag; JSON-ready."""
        ...
