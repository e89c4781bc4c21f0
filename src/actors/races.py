"""The races of all systems of a stage, when hedging is on.

Made by the asker, which imports it only then. Each system has a pool, an actor and a racer of its own.
"""

from __future__ import annotations

from typing import Any

from .hedging.actor import CloneOldest, Drain, HedgingActor
from .hedging.pool import HedgePool
from .hedging.racer import Racer
from .hedging.racing_options import HedgeSettings
from .hedging.sent import Lane
from .hedging.tally import HedgeTally, figures
from .ports import Sampler
from .runtime import ActorRef
from .stage import StageBase, Wiring
from .systems import Asking, SystemSpec

__all__ = ["Races"]


class Races:
    """Races requests, system by system."""

    def __init__(self, stage: StageBase, wiring: Wiring, asking: Asking, settings: HedgeSettings) -> None:
        self._stage = stage
        self._wiring = wiring
        self._asking = asking
        self._settings = settings
        self._tallies: dict[str, HedgeTally] = {}
        self._actors: dict[str, ActorRef] = {}
        self._racers: dict[str, Racer] = {}

    def for_system(self, spec: SystemSpec) -> bool:
        """Whether the requests of this system are raced."""
        return self._settings.config.strategy != "tiered" or bool(self._asking.tiers_of(spec))

    def racer(self, spec: SystemSpec, sampler: Sampler) -> Racer:
        """That of the system."""
        return self._racers.get(spec.name) or self._make(spec, sampler)

    def _make(self, spec: SystemSpec, sampler: Sampler) -> Racer:
        asking, clock = self._asking, self._stage.context.clock
        tally = self._tallies[spec.name] = HedgeTally()
        pool = HedgePool(self._settings, tally, clock, seed=asking.seed)
        actor = self._actors[spec.name] = self._stage.context.spawn(
            lambda: HedgingActor(pool), name=f"hedging-{len(self._actors)}"
        )
        systems = [(spec, sampler), *asking.tiers[1:]]
        lanes = [Lane(each.name, its, each.backend_id, asking.gate(each)) for each, its in systems]
        racer = self._racers[spec.name] = Racer(
            lanes, pool, actor, self._settings, asking.policy, self._wiring, clock, self._stage.span_at_once
        )
        return racer

    async def clone_oldest(self, free: int) -> float | None:
        """So many slots are free: see ``CloneOldest``."""
        waits = []
        for actor in self._actors.values():
            wait = await actor.ask(CloneOldest(free=free), timeout=None)
            if wait == 0:
                return 0.0
            if wait is not None:
                waits.append(wait)
        return min(waits, default=None)

    async def close(self) -> dict[str, Any]:
        """End what still runs; the figures of hedging."""
        for actor in self._actors.values():
            await actor.ask(Drain(), timeout=None)
            await actor.stop()
        told: dict[str, Any] = {
            "strategy": self._settings.config.strategy,
            **figures(list(self._tallies.values())),
        }
        if len(self._tallies) > 1:
            told["systems"] = {name: figures([tally]) for name, tally in self._tallies.items()}
        return told
