"""How a sampler says that the first piece of a streamed answer is there.

A sampler that streams calls ``first_token_came``; nobody else needs to know of it. A race listens, so that it
can be decided on the first token. The listener travels with the task that asks, in a context variable, and
so through whatever stands between a race and the sampler (a cache, a limiter). Rejected: a second method of
``Sampler``, which every such layer and every plug-in would have to pass on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["first_token_came", "listen"]

_LISTENER: ContextVar[Callable[[], None] | None] = ContextVar("first_token", default=None)


def first_token_came() -> None:
    """Called by a sampler for each request, from the task that asks it; only the first call counts."""
    listener = _LISTENER.get()
    if listener is not None:
        listener()


def listen(listener: Callable[[], None]) -> None:
    """Have ``listener`` called for the requests of this task, and of tasks it starts from now on."""
    _LISTENER.set(listener)
