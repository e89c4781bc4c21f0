"""Whoever waits for an answer and wants to know what goes on meanwhile.

Told by ``retries`` and by the races of hedging; a member of an ensemble is waited for through one. This one
does not care.
"""

from __future__ import annotations

__all__ = ["NOBODY", "Watcher"]


class Watcher:
    """Is told of one request."""

    def sent(self) -> None:
        """Called before each attempt that is no duplicate, after its wait for the limits."""

    def failed(self, why: str) -> None:
        """Called when an attempt has failed or is kept back, and the request goes on; ``why`` is one line."""


NOBODY = Watcher()
