"""The members of a run's ensemble as one system: asks them, votes, counts.

Called by ``backend_call``. A member is asked as the asker asks, with retries and hedging; each request takes
one of the stage's slots. The ensemble's output is the text of a member (or the merged claims), under the name
of the experiment's backend; tokens and cost are those of all members that answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ...messages.errors import StageError
from ...messages.records import Ballots, Example, Output, Race
from ...messages.trace import Decision
from ..answers import was_not_asked
from ..asking import Asker
from ..combined import from_cache, paid, retries
from ..limits import Watcher
from ..ports import Sampler
from ..runtime import ActorCrashed, ActorRef
from ..slots import Slots
from ..span_facts import vote_attributes, vote_decisions
from ..stage import StageBase, Wiring
from ..systems import SystemSpec
from .actor import Asked, EnsembleActor, Question
from .ballots import Ballot, Rules, VoteResult
from .council import Council, ballot, ballots_record
from .dawid_skene import DawidSkene
from .early_stop import Stop
from .judging import Judgement
from .learning import Learning
from .redaction import redacted_ballots
from .settings import EnsembleSettings
from .tally import EnsembleTally

__all__ = ["Ensemble"]


class Ensemble:
    """Answers questions by vote."""

    def __init__(
        self,
        name: str,
        settings: EnsembleSettings,
        members: Sequence[tuple[SystemSpec, Sampler]],
        asker: Asker,
        slots: Slots,
        stage: StageBase,
        wiring: Wiring,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """``redact``: what is kept and shown of a vote, in a thread; it is counted on what was said."""
        self._redact = redact
        self._name = name
        self._settings = settings
        self._council = Council(settings)
        self._members = {spec.name: (spec, sampler) for spec, sampler in members}
        self._asker = asker
        self._slots = slots
        self._stage = stage
        self._wiring = wiring
        self._actors: dict[int, ActorRef] = {}
        self._tally = EnsembleTally(
            settings.members,
            {name: spec.backend_id for name, (spec, _) in self._members.items()},
            claims=settings.merge is not None,
        )
        self._learning: dict[str, Any] | None = None
        self._fit: DawidSkene | None = None
        self._learned_from: set[str] = set()

    @property
    def deferred(self) -> bool:
        """Whether answers stand only after ``decide``."""
        return self._settings.deferred

    @property
    def learns(self) -> bool:
        """Whether ``learn`` must come first."""
        return self._settings.learns

    async def answer(self, example: Example, lane: int) -> Output:
        """The ensemble's answer, counted if it stands; ``lane`` is nobody else's until then."""
        started = self._wiring.elapsed()
        number = next(self._wiring.ids)
        name, row = f"vote {self._name}", f"{self._wiring.stage}/vote {lane}"
        try:
            asked = await self._ask_all(example, lane, number)
            result = self._vote(asked)
            output = self._output(example, asked, result, self._wiring.elapsed() - started)
            shown = await self._redacted(output)
        except BaseException as error:
            self._stage.broken_span(name, "vote", started, error, number=number, lane=row, example=example.id)
            raise
        await self._stage.span(
            name,
            "vote",
            started,
            number=number,
            lane=row,
            status="ok" if result.status == "decided" else "error",
            attributes=vote_attributes(shown),
            decisions=self._decisions(shown),
        )
        if self.deferred:
            return output
        self._count(output, example)
        return shown

    async def _redacted(self, output: Output) -> Output:
        """With the record of its vote redacted; the answer itself is for whoever scans the outputs."""
        if self._redact is None or output.ballots is None:
            return output
        record = await asyncio.to_thread(redacted_ballots, output.ballots, self._redact, self._council.key)
        return msgspec.structs.replace(output, ballots=record)

    def _count(self, output: Output, example: Example) -> None:
        """Count a vote that stands, unless it lacks an answer that there was no money for."""
        if output.ballots is not None and not was_not_asked(output):
            record = output.ballots
            self._tally.add(
                record, self._keys(record.members), output.confidence, self._judged(output, example)
            )

    def _judged(self, output: Output, example: Example) -> list[Judgement]:
        """Who was right; rows that something was learned from say nothing about how well it was learned."""
        record = output.ballots
        if record is None or example.reference is None or example.id in self._learned_from:
            return []
        result = VoteResult(status=record.status, strategy=record.strategy, reason="", key=record.key)
        ballots = [ballot(each) for each in record.members]
        return self._council.judge(ballots, result, example.reference, record.uncalibrated)

    async def learn(self, examples: Sequence[Example]) -> None:
        """Weights and calibrations from rows with a reference; asking all members costs what it costs."""
        answers = await Learning(
            self._settings, self._ask_member, self._slots, self._stage, self._wiring
        ).ask_all(examples)
        known = [
            ([ballot(output) for output in outputs], example.reference or "")
            for example, outputs in zip(examples, answers, strict=True)
        ]
        self._council.learn(known)
        self._learned_from = {example.id for example in examples}
        usage, cost = paid([output for outputs in answers for output in outputs])
        self._learning = {
            "rows": len(known),
            "requests": sum(output.attempts for outputs in answers for output in outputs),
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cost_usd": cost,
        }

    async def decide(self, answers: Sequence[tuple[Example, Output]]) -> list[Output]:
        """Decide all questions together, and count and tell what was decided."""
        started = self._wiring.elapsed()
        decided = await asyncio.to_thread(self._decide_all, answers)
        for (example, _), output in zip(answers, decided, strict=True):
            self._count(output, example)
        shown = [await self._redacted(output) for output in decided]
        await self._tell_decided(shown, started)
        return shown

    def _decide_all(self, answers: Sequence[tuple[Example, Output]]) -> list[Output]:
        """Blocking."""
        members = [output.ballots.members if output.ballots else () for _, output in answers]
        results, self._fit = self._council.vote_all([[ballot(o) for o in each] for each in members])
        return [
            self._decided(output, self._record(result, each), result, self._council.confidence(result))
            for (_, output), each, result in zip(answers, members, results, strict=True)
        ]

    async def _tell_decided(self, outputs: Sequence[Output], started: float) -> None:
        number = next(self._wiring.ids)
        for output in outputs:
            await self._stage.span(
                f"decide {self._name}",
                "vote",
                started,
                parent=number,
                lane=f"{self._wiring.stage}/decide",
                attributes={"example": output.example_id},
                decisions=self._decisions(output),
            )
        row = f"{self._wiring.stage}/decide"
        await self._stage.span(f"decide all {self._name}", "vote", started, number=number, lane=row)

    def metrics(self) -> dict[str, Any]:
        """JSON-ready figures."""
        config = self._settings.config
        told: dict[str, Any] = {
            "strategy": config.strategy,
            "execution": config.execution,
            "normalizer": config.normalizer,
            **self._tally.metrics(),
        }
        if config.strategy == "weighted":
            told["weights"] = self._council.weights
        if self._settings.learns:
            told["learned"] = self._learning or {"rows": 0}
        told["calibration"] = {
            "method": config.calibration,
            "learned_from": self._council.calibrated_on if self._council.calibration is not None else 0,
            "members": sorted(self._council.member_calibration),
            **self._tally.calibration(self._council.calibration),
        }
        if self._fit is not None:
            told["dawid_skene"] = {
                "model": self._fit.model,
                "reliability": self._fit.reliability,
                "rounds": self._fit.rounds,
                "converged": self._fit.converged,
            }
        return told

    # asking

    async def _ask_all(self, example: Example, lane: int, number: int) -> Asked:
        if lane not in self._actors:
            self._actors[lane] = self._stage.context.spawn(
                lambda: EnsembleActor(self._council, self._ask_member, self._knows), name=f"ensemble-{lane}"
            )
        try:
            return await self._actors[lane].ask(Question(example=example, span=number), timeout=None)
        except ActorCrashed as crash:
            raise crash.__cause__ or crash from None

    def _knows(self, member: str, example: Example) -> bool:
        return self._asker.knows(self._members[member][0], example)

    async def _ask_member(self, member: str, example: Example, span: int, watcher: Watcher) -> Output:
        spec, sampler = self._members[member]
        slot = await self._slots.take()
        try:
            return await self._asker.ask(spec, sampler, example, slot, span, watcher)
        finally:
            self._slots.give(slot)

    # votes

    def _vote(self, asked: Asked) -> VoteResult:
        ballots = [ballot(output) for output in asked.outputs]
        if asked.chosen is not None:
            chosen = [each for each in ballots if each.member == asked.chosen]
            return msgspec.structs.replace(self._tried(chosen, Rules(quorum=1)), reason=asked.stopped or "")
        rules = self._settings.rules  # the quorum is that of all members, also when not all were waited for
        needed = rules.needed(len(self._settings.members))
        return self._tried(ballots, Rules(quorum=needed, min_agreement=rules.min_agreement))

    def _tried(self, ballots: Sequence[Ballot], rules: Rules) -> VoteResult:
        try:
            return self._council.vote(ballots, rules)
        except ValueError as error:
            raise StageError("backend_call", str(error)) from error

    def _output(self, example: Example, asked: Asked, result: VoteResult, latency_s: float) -> Output:
        stop = None if asked.stopped is None else Stop(True, asked.stopped, asked.error_bound)  # noqa: FBT003
        confidence, raw = self._council.confidence(result), self._council.raw_confidence(result)
        if asked.chosen is not None:  # nobody voted: it is as sure as the member is
            raw = next((each.confidence for each in asked.outputs if each.system == asked.chosen), None)
            confidence = self._council.member_confidence(asked.chosen, raw)
        record = ballots_record(
            result,
            asked.outputs,
            cancelled=asked.cancelled,
            not_asked=asked.not_asked,
            stop=stop,
            uncalibrated=raw,
        )
        usage, cost = paid(asked.outputs)
        raced = self._settings.config.execution == "hedged" and bool(asked.cancelled)
        return self._decided(
            Output(
                example_id=example.id,
                system=self._name,
                backend="ensemble",
                attempts=1 + sum(retries(output) for output in asked.outputs),
                latency_s=latency_s,
                usage=usage,
                cost_usd=cost,
                race=self._race(asked) if raced else None,
                cached=from_cache(asked.outputs),
            ),
            record,
            result,
            confidence,
        )

    def _record(self, result: VoteResult, members: Sequence[Output]) -> Ballots:
        return ballots_record(result, members, uncalibrated=self._council.raw_confidence(result))

    def _decided(
        self, output: Output, record: Ballots, result: VoteResult, confidence: float | None
    ) -> Output:
        """The output with the outcome of its vote. No consensus is an answer that says nothing, no error."""
        error = None
        if result.status == "no_answers":
            told = [f"{name}: {reason}" for name, reason in {**record.failed, **record.abstained}.items()]
            error = f"no member answered: {'; '.join(told)}"
        finish = {"decided": "stop", "no_consensus": "no_consensus", "no_answers": "error"}[result.status]
        return msgspec.structs.replace(
            output,
            text=result.answer or "",
            finish_reason=finish,
            confidence=confidence if result.status == "decided" else None,
            error=error,
            ballots=record,
        )

    def _race(self, asked: Asked) -> Race:
        """Members raced: the first vote was taken."""
        warm = any(self._asker.temperature(self._members[name][0]) > 0 for name in self._settings.members)
        return Race(
            hedged=True,
            winner="tier",
            backend=asked.chosen,
            delay_s=self._settings.options.hedge_delay_ms / 1000,
            reason=asked.stopped or "",
            cancelled=len(asked.cancelled),
            race_biased=warm,
        )

    def _keys(self, outputs: Sequence[Output]) -> Mapping[str, str]:
        """Members' votes by name; in a vote over claims the whole text stands for them."""
        answered = [output for output in outputs if output.error is None]
        if self._settings.merge is not None:
            return {output.system: output.text.strip() for output in answered}
        found = {output.system: self._council.key(output.text) for output in answered}
        return {name: key for name, key in found.items() if key is not None}

    def _decisions(self, output: Output) -> tuple[Decision, ...]:
        record = output.ballots
        return () if record is None else vote_decisions(record, self._wiring.elapsed())
