"""Who is asked and how: the systems of an experiment, and what holds for all their requests.

Made by the composition and ``backend_call``; read by the asker, the ensemble and the races. Asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..messages.records import CheckpointRef, Race, SamplingParams
from ..messages.training import TrainingConfig
from .cached_replies import system_identity
from .hedging.racing_options import HedgeSettings
from .limits import Gate, RetryPolicy, RunLimits
from .ports import Backend, ReplyCache, Sampler

__all__ = ["Asking", "SystemSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSpec:
    """A model or baseline: its name in the results, its backend and that backend's decoded options."""

    name: str
    backend_id: str
    backend: Backend
    options: Any
    training: TrainingConfig = field(default_factory=TrainingConfig)
    train: bool = False
    """Whether a baseline or member is trained too, in the modes that train."""
    is_model: bool = False
    """A member that is the experiment's backend itself, with the checkpoint that was just trained."""
    params: SamplingParams | None = None
    """How it is asked; None: as the stage asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How requests are asked."""

    params: SamplingParams
    """Without the seed, which each request has for itself."""
    policy: RetryPolicy
    experiment_id: str
    seed: int
    run_id: str = ""
    concurrency: int = 1
    limits: RunLimits | None = None
    cache: ReplyCache | None = None
    journal: ReplyCache | None = None
    """What earlier attempts of the same run have paid for; those replies count as this run's own."""
    model: SystemSpec | None = None
    """What a member stands for that ``is_model``."""
    checkpoints: Mapping[int, CheckpointRef] = field(default_factory=dict)
    """Of the systems that were trained, by the id of their SystemSpec."""
    hedging: HedgeSettings | None = None
    tiers: Sequence[tuple[SystemSpec, Sampler]] = ()
    """The backends of tiered hedging, the model first; only requests to the model are tiered."""

    def gate(self, spec: SystemSpec) -> Gate | None:
        """The limits before a system."""
        return None if self.limits is None else self.limits.gate(spec.backend_id, spec.backend, spec.options)

    def tiers_of(self, spec: SystemSpec) -> Sequence[tuple[SystemSpec, Sampler]]:
        """The tiers that a request to this system may go to; none for those that are not tiered."""
        return self.tiers if self.tiers and self.tiers[0][0].name == spec.name else ()

    def answered(self, spec: SystemSpec, race: Race | None) -> SystemSpec:
        """The system, with the backend of the tier that answered."""
        for tier, _ in self.tiers if race is not None else ():
            if race is not None and tier.name == race.backend and tier.backend_id != spec.backend_id:
                return SystemSpec(
                    name=spec.name, backend_id=tier.backend_id, backend=tier.backend, options=tier.options
                )
        return spec

    def identity(self, spec: SystemSpec, *, by_uri: bool = False) -> bytes | None:
        """All that a system's answers depend on besides the request; None when that cannot be told."""
        known = []
        for each in [tier for tier, _ in self.tiers_of(spec)] or [spec]:
            source = self.model if each.is_model and self.model is not None else each
            checkpoint = self.checkpoints.get(id(source))
            known.append(
                system_identity(source.backend_id, source.backend, source.options, checkpoint, by_uri=by_uri)
            )
        if any(part is None for part in known):
            return None
        if len(known) > 1 and self.hedging is not None:
            known.append(msgspec.json.encode(self.hedging.config.options, order="deterministic"))
        return b"".join(part for part in known if part is not None)
