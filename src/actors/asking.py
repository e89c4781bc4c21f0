"""Asks one system for one example: with retries, or racing duplicates against slow answers.

Called by ``backend_call`` and the ensemble. Looks into the run's journal and the cache first. Holds the
racing actors of each system when hedging is on; without it a request goes straight to the sampler. Only
sampling comes here: it may be repeated, training may not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..messages.records import (
    Cached,
    CheckpointRef,
    Example,
    Output,
    Prompt,
    Race,
    SamplingParams,
    Usage,
)
from ..messages.requests import BackendRequest, RaceOutcome, RaceRequest
from ..messages.training import TrainingConfig
from .cached_replies import CachedReplies, system_identity
from .hedging.racing_options import HedgeSettings
from .limits import Answer, Gate, RetryPolicy, RunLimits, ask_with_retries
from .ports import Backend, ReplyCache, Sampler
from .request_span import RequestSpan
from .runtime import ActorCrashed, ActorRef
from .stage import StageBase, Wiring

__all__ = ["Asker", "Asking", "SystemSpec", "was_not_asked"]


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


class Asker:
    """Asks for a stage."""

    def __init__(self, stage: StageBase, wiring: Wiring, asking: Asking) -> None:
        self._stage = stage
        self._wiring = wiring
        self._asking = asking
        self._races = _Races(stage, wiring, asking) if asking.hedging is not None else None
        self._identities: dict[tuple[int, bool], tuple[bytes | None, SystemSpec]] = {}
        races = asking.hedging is not None
        self._replies = None if asking.cache is None else CachedReplies(asking.cache, races=races)
        self._journal = None if asking.journal is None else CachedReplies(asking.journal, races=races)

    async def ask(
        self,
        spec: SystemSpec,
        sampler: Sampler,
        example: Example,
        slot: int,
        parent: int | None = None,
        sent: Callable[[], None] = lambda: None,
    ) -> Output:
        """What the system answers; ``slot`` is nobody else's until then.

        ``sent`` is called before each attempt, after its wait for the limits; in a race, before the race.
        """
        request = self._request(spec, example)
        told = RequestSpan(self._stage, self._wiring, spec, sampler, request, slot, parent)
        try:
            output = await self._from_journal(spec, example, request)
            if output is None:
                output = await self._from_cache(spec, example, request)
            if output is not None:
                await told.end_cached(output)
            elif self._races is None or not self._races.for_system(spec):
                asking, now = self._asking, self._wiring.now
                answer = await ask_with_retries(
                    told, request, asking.policy, gate=asking.gate(spec), sent=sent, now=now
                )
                output = await self._kept(spec, example, request, answer)
                await told.end(output, answer.reply)
            else:
                sent()
                message = RaceRequest(request=request, span=told.number, lane=told.lane)
                answer, outcome = await self._races.race(spec, sampler, slot, message)
                output = await self._kept(spec, example, request, answer, outcome.race)
                await told.end_race(output, outcome.sent)
        except BaseException as error:
            told.broken(error)
            raise
        return output

    def temperature(self, spec: SystemSpec) -> float:
        """At which a system is asked."""
        return (spec.params or self._asking.params).temperature

    async def clone_oldest(self, free: int) -> float | None:
        """So many slots are free: see ``CloneOldest``."""
        return None if self._races is None else await self._races.clone_oldest(free)

    async def close(self) -> dict[str, Any] | None:
        """End what still runs; the figures of hedging, None when it is off."""
        return None if self._races is None else await self._races.close()

    # the cache

    def knows(self, spec: SystemSpec, example: Example) -> bool:
        """Whether the journal or the cache will likely answer."""
        if self._replies is None and self._journal is None:
            return False
        request = self._request(spec, example)
        return any(
            kept is not None and kept.knows(self._identity(spec, by_uri=kept is self._journal), request)
            for kept in (self._journal, self._replies)
        )

    def cache_figures(self) -> dict[str, Any] | None:
        """JSON-ready; None without a cache."""
        return None if self._replies is None else self._replies.figures()

    @property
    def replayed(self) -> int:
        """Replies that an earlier attempt of the run had paid for."""
        return 0 if self._journal is None else self._journal.hits

    async def _from_journal(
        self, spec: SystemSpec, example: Example, request: BackendRequest
    ) -> Output | None:
        """The reply that an earlier attempt got: the run has paid for it, so it counts as if asked now."""
        if self._journal is None:
            return None
        found = await self._journal.find(self._identity(spec, by_uri=True), request)
        if found is None:
            return None
        stored, biased = found
        race = None
        if self._races is not None and self._races.for_system(spec):
            race = Race(backend=stored.backend, reason="from an earlier attempt", race_biased=biased)
        if self._asking.limits is not None:
            self._asking.limits.paid(stored.reply.cost_usd)
        answer = Answer(attempts=1, latency_s=stored.reply.latency_s, reply=stored.reply)
        return _output(self._asking.answered(spec, race), example, answer, race)

    async def _from_cache(self, spec: SystemSpec, example: Example, request: BackendRequest) -> Output | None:
        if self._replies is None:
            return None
        found = await self._replies.find(self._identity(spec), request)
        if found is None:
            return None
        stored, biased = found
        reply, race = stored.reply, None
        if self._races is not None:
            race = Race(backend=stored.backend, reason="from the cache", race_biased=biased)
        free = msgspec.structs.replace(reply, usage=Usage(), cost_usd=0.0, first_token_s=None)
        answer = Answer(attempts=0, latency_s=0.0, reply=free)
        was = Cached(usage=reply.usage, cost_usd=reply.cost_usd, latency_s=reply.latency_s)
        return msgspec.structs.replace(
            _output(self._asking.answered(spec, race), example, answer, race), cached=was
        )

    async def _kept(
        self,
        spec: SystemSpec,
        example: Example,
        request: BackendRequest,
        answer: Answer,
        race: Race | None = None,
    ) -> Output:
        """The output, once its reply is on disk."""
        if self._journal is not None:
            await self._journal.keep(self._identity(spec, by_uri=True), request, answer.reply, race)
        if self._replies is not None:
            await self._replies.keep(self._identity(spec), request, answer.reply, race)
        return _output(self._asking.answered(spec, race), example, answer, race)

    def _identity(self, spec: SystemSpec, *, by_uri: bool = False) -> bytes | None:
        """What tells the system's replies from those of others; worked out once."""
        known = self._identities.get((id(spec), by_uri))
        if known is None:
            known = (self._asking.identity(spec, by_uri=by_uri), spec)
            self._identities[id(spec), by_uri] = known
        return known[0]

    def _request(self, spec: SystemSpec, example: Example) -> BackendRequest:
        asking = self._asking
        identity = (asking.experiment_id, spec.name, example.id, example.input, asking.seed)
        digest = hashlib.blake2b(repr(identity).encode("utf-8", "surrogatepass"), digest_size=16)
        params = spec.params or asking.params
        return BackendRequest(
            key=digest.hexdigest(),
            example_id=example.id,
            prompt=Prompt(text=example.input),
            params=SamplingParams(
                max_tokens=params.max_tokens,
                temperature=params.temperature,
                top_p=params.top_p,
                stop=params.stop,
                seed=int.from_bytes(digest.digest()[:4], "big"),
            ),
        )


class _Races:
    """The racing actors of all systems. Imported when hedging is on."""

    def __init__(self, stage: StageBase, wiring: Wiring, asking: Asking) -> None:
        from .hedging.pool import HedgePool
        from .hedging.tally import HedgeTally

        self._stage = stage
        self._wiring = wiring
        self._asking = asking
        self._make_pool: Callable[..., HedgePool] = HedgePool
        self._make_tally = HedgeTally
        self._tallies: dict[str, HedgeTally] = {}
        self._pools: dict[str, ActorRef] = {}
        self._racers: dict[tuple[str, int], ActorRef] = {}

    @property
    def _settings(self) -> HedgeSettings:
        settings = self._asking.hedging
        assert settings is not None
        return settings

    def for_system(self, spec: SystemSpec) -> bool:
        """Whether the requests of this system are raced."""
        return self._settings.config.strategy != "tiered" or bool(self._asking.tiers_of(spec))

    async def race(
        self, spec: SystemSpec, sampler: Sampler, slot: int, message: RaceRequest
    ) -> tuple[Answer, RaceOutcome]:
        """What came of one race."""
        try:
            outcome = await self._racer(spec, sampler, slot).ask(message, timeout=None)
        except ActorCrashed as crash:
            raise crash.__cause__ or crash from None
        answer = Answer(
            attempts=outcome.attempts, latency_s=outcome.latency_s, reply=outcome.reply, error=outcome.error
        )
        return answer, outcome

    def _racer(self, spec: SystemSpec, sampler: Sampler, slot: int) -> ActorRef:
        key = (spec.name, slot)
        if key not in self._racers:
            from .hedging.actor import Racer
            from .hedging.sent import Lane

            asking = self._asking
            systems = [(spec, sampler), *asking.tiers[1:]]
            lanes = [
                Lane(system.name, each, system.backend_id, asking.gate(system)) for system, each in systems
            ]
            pool = self._pool(spec.name)
            self._racers[key] = self._stage.context.spawn(
                lambda: Racer(lanes, pool, self._settings, asking.policy, self._wiring),
                name=f"racer-{len(self._racers)}",
            )
        return self._racers[key]

    def _pool(self, name: str) -> ActorRef:
        if name not in self._pools:
            tally = self._tallies[name] = self._make_tally()
            asking = self._asking
            self._pools[name] = self._stage.context.spawn(
                lambda: self._make_pool(self._settings, tally, seed=asking.seed),
                name=f"hedging-{len(self._pools)}",
                mailbox_capacity=64 * asking.concurrency + 1024,  # a few messages for each request in flight
            )
        return self._pools[name]

    async def clone_oldest(self, free: int) -> float | None:
        from .hedging.pool import CloneOldest

        waits = []
        for pool in self._pools.values():
            wait = await pool.ask(CloneOldest(free=free), timeout=None)
            if wait == 0:
                return 0.0
            if wait is not None:
                waits.append(wait)
        return min(waits, default=None)

    async def close(self) -> dict[str, Any]:
        from .hedging.pool import Drain
        from .hedging.tally import figures

        await asyncio.gather(*(racer.stop() for racer in self._racers.values()))
        for pool in self._pools.values():
            await pool.ask(Drain(), timeout=None)
        config = self._settings.config
        told: dict[str, Any] = {"strategy": config.strategy, **figures(list(self._tallies.values()))}
        if len(self._tallies) > 1:
            told["systems"] = {name: figures([tally]) for name, tally in self._tallies.items()}
        return told


def was_not_asked(output: Output) -> bool:
    """Whether there was no money for it, or for a member of it."""
    members = output.ballots.members if output.ballots is not None else ()
    return any(each.finish_reason == "not_asked" for each in (output, *members))


def _output(spec: SystemSpec, example: Example, answer: Answer, race: Race | None = None) -> Output:
    if answer.reply is None or not answer.reply.completions:
        return Output(
            example_id=example.id,
            system=spec.name,
            backend=spec.backend_id,
            finish_reason="not_asked" if "BudgetError: " in (answer.error or "") else "error",
            attempts=answer.attempts,
            latency_s=answer.latency_s,
            error=answer.error or "BackendError: the reply holds no completion",
            race=race,
        )
    first = answer.reply.completions[0]
    return Output(
        example_id=example.id,
        system=spec.name,
        backend=spec.backend_id,
        text=first.text,
        finish_reason=first.finish_reason,
        confidence=first.confidence,
        attempts=answer.attempts,
        latency_s=answer.latency_s,
        first_token_s=answer.reply.first_token_s,
        usage=answer.reply.usage,
        cost_usd=answer.reply.cost_usd,
        race=race,
    )
