"""Keeps the leases of a daemon: renews them all at once, is its heartbeat, passes on what people ask for.

A child of the daemon, told which leases there are. A renewal counts from when it was sent, not from when its
answer came; one that fails is tried again soon, and a hold that nobody moves on gives itself up.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ...messages.errors import StoreError
from ...messages.queue import DaemonRecord, LeaseNews
from ..runtime import Actor, ActorRef, handler
from ..store import Store
from .decisions import Order, trusted_until
from .hold import Hold

__all__ = ["AskNow", "Drop", "Keep", "LeaseKeeper", "Superseded"]

AGAIN_S = 1.0
SOON_S = 0.05

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keep:
    """Renew this lease from now on; orders go to the run."""

    hold: Hold
    run: ActorRef


@dataclass(frozen=True, slots=True)
class Drop:
    """Renew it no more."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process has taken the daemon's id: nothing here may go on. Told to the daemon."""


@dataclass(frozen=True, slots=True)
class AskNow:
    """Somebody may want a run cancelled or paused: do not wait for the next renewal."""


@dataclass(frozen=True, slots=True)
class _Renew:
    """Time to renew."""


class LeaseKeeper(Actor):
    """Of one daemon. ``kept`` outlives a restart of the actor."""

    def __init__(
        self,
        store: Store,
        daemon: DaemonRecord,
        parent: ActorRef,
        kept: dict[str, Keep],
        *,
        ttl_s: float,
        renew_s: float,
    ) -> None:
        self._store, self._daemon, self._parent, self._kept = store, daemon, parent, kept
        self._ttl_s, self._renew_s = ttl_s, renew_s
        self._soon = False

    async def on_start(self) -> None:
        """Wait for the first renewal."""
        self.context.schedule(self._renew_s, _Renew(), key="renew")

    @handler
    def on_keep(self, message: Keep) -> None:
        """One more lease."""
        self._kept[message.hold.run_id] = message

    @handler
    def on_drop(self, message: Drop) -> None:
        """One less, unless the run has been leased again since."""
        kept = self._kept.get(message.hold.run_id)
        if kept is not None and kept.hold is message.hold:
            del self._kept[message.hold.run_id]

    @handler
    def on_ask_now(self, _message: AskNow) -> None:
        """Renew soon; many of these are one."""
        if self._kept and not self._soon:
            self._soon = True
            self.context.schedule(SOON_S, _Renew(), key="renew")

    @handler
    async def on_renew(self, _message: _Renew) -> None:
        """Heartbeat and renewal."""
        self._soon = False
        wait = self._renew_s
        try:
            if not await self._store.heartbeat(self._daemon.id, self._daemon.boot_id):
                await self._supersede()
                return
            await self._renew_all()
        except StoreError as error:
            _log.warning("leases could not be renewed: %s", error)
            wait = min(AGAIN_S, wait)
        self.context.schedule(wait, _Renew(), key="renew")

    async def _renew_all(self) -> None:
        kept = {run_id: each for run_id, each in self._kept.items() if each.hold.good}
        if not kept:
            return
        asked_at = self.context.clock.now()
        leases = {run_id: each.hold.token for run_id, each in kept.items()}
        for news in await self._store.renew(self._daemon.id, leases, ttl_s=self._ttl_s):
            await self._take(kept[news.run_id], news, trusted_until(asked_at, self._ttl_s))

    async def _take(self, kept: Keep, news: LeaseNews, until: float) -> None:
        if not news.held:
            kept.hold.give_up()
            return
        kept.hold.extend(until)
        if news.cancel is not None:
            await kept.run.tell(Order("cancel", news.cancel))
        elif news.pause:
            await kept.run.tell(Order("pause", "paused"))

    async def _supersede(self) -> None:
        """Stop claiming in the name of the other, and give up what is now the other's.

        What this process has claimed since is its own by the token, and is handed back as at any stop.
        """
        await self._parent.tell(Superseded())
        await self._renew_all()
