"""Asking a system: from an example to the output, through cache, limits, retries or races, and the trace.

Called by ``backend_call`` and the ensemble. Looks into the run's journal and the cache first. With hedging on
a request is raced (``races``), otherwise it goes straight to the sampler. Only sampling comes here: it may be
repeated, training may not.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from ..messages.records import Cached, Example, Output, Prompt, Race, SamplingParams, Usage
from ..messages.requests import BackendRequest, RaceOutcome
from .answers import answer_output
from .cached_replies import CachedReplies
from .limits import NOBODY, Answer, Watcher, ask_with_retries
from .ports import Sampler
from .request_span import RequestSpan
from .stage import StageBase, Wiring
from .systems import Asking, SystemSpec

if TYPE_CHECKING:
    from .races import Races

__all__ = ["Asker"]


class Asker:
    """Asks for a stage."""

    def __init__(self, stage: StageBase, wiring: Wiring, asking: Asking) -> None:
        self._stage = stage
        self._wiring = wiring
        self._asking = asking
        self._races: Races | None = None
        if asking.hedging is not None:
            from .races import Races

            self._races = Races(stage, wiring, asking, asking.hedging)
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
        watcher: Watcher = NOBODY,
    ) -> Output:
        """What the system answers; ``slot`` is nobody else's until then."""
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
                    told, request, asking.policy, gate=asking.gate(spec), watcher=watcher, now=now
                )
                output = await self._kept(spec, example, request, answer)
                await told.end(output, answer.reply)
            else:
                racer = self._races.racer(spec, sampler)
                outcome = await racer.race(request, told.number, told.lane, watcher)
                output = await self._kept(spec, example, request, _answer(outcome), outcome.race)
                await told.end_race(output, outcome)
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
        return answer_output(self._asking.answered(spec, race), example, answer, race)

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
            answer_output(self._asking.answered(spec, race), example, answer, race), cached=was
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
        return answer_output(self._asking.answered(spec, race), example, answer, race)

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
            run=asking.run_id,
            prompt=Prompt(text=example.input),
            params=SamplingParams(
                max_tokens=params.max_tokens,
                temperature=params.temperature,
                top_p=params.top_p,
                stop=params.stop,
                seed=int.from_bytes(digest.digest()[:4], "big"),
            ),
        )


def _answer(outcome: RaceOutcome) -> Answer:
    return Answer(
        attempts=outcome.attempts, latency_s=outcome.latency_s, reply=outcome.reply, error=outcome.error
    )
