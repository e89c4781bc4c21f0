"""``analysis_filter``: removes or flags samples whose claim graph is out of bounds.

The first bound that is violated wins, in the order max β₁, min β₁, max fragility, min fragility.
A sample without surrogates cannot be judged and passes; it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...messages.base import Message
from ...messages.findings import SurrogateScore
from ...messages.flow import Sample, StageResult
from ...messages.trace import Decision
from ..decision_log import DecisionLog

__all__ = ["AnalysisFilter", "AnalysisFilterOptions", "violated_bound"]

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]


class AnalysisFilterOptions(Message, frozen=True):
    """Options of analysis_filter."""

    system: Annotated[str | None, Meta(description="System whose surrogates count; default: the model.")] = (
        None
    )
    max_beta1: Annotated[Count | None, Meta(description="Largest β₁ that passes.")] = None
    min_beta1: Annotated[Count | None, Meta(description="Smallest β₁ that passes.")] = None
    max_fragility: Annotated[Share | None, Meta(description="Largest fragility that passes.")] = None
    min_fragility: Annotated[Share | None, Meta(description="Smallest fragility that passes.")] = None
    mode: Annotated[Literal["remove", "flag"], Meta(description="Take samples out, or only mark them.")] = (
        "remove"
    )
    reason_key: Annotated[str, Meta(description="Field of the example that gets the reason.")] = (
        "filter_reason"
    )


def violated_bound(score: SurrogateScore, options: AnalysisFilterOptions) -> str | None:
    """Name of the first bound that ``score`` violates."""
    beta1, fragility = score.beta1_surrogate or 0, score.fragility_score
    if options.max_beta1 is not None and beta1 > options.max_beta1:
        return "max_beta1"
    if options.min_beta1 is not None and beta1 < options.min_beta1:
        return "min_beta1"
    if fragility is None:
        return None
    if options.max_fragility is not None and fragility > options.max_fragility:
        return "max_fragility"
    if options.min_fragility is not None and fragility < options.min_fragility:
        return "min_fragility"
    return None


class AnalysisFilter:
    """Bounds on surrogates."""

    restartable = True

    def __init__(self, options: AnalysisFilterOptions, *, model: str) -> None:
        self._options = options
        self._system = options.system or model
        self._reasons: Counter[str] = Counter()
        self._total = 0
        self._unjudged = 0
        self._decisions = DecisionLog()
        self.take_decisions = self._decisions.take

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples that stay."""
        kept = []
        for sample in samples:
            self._total += 1
            reason = self._reason(sample)
            if reason is None:
                kept.append(sample)
                continue
            self._reasons[reason] += 1
            self._decisions.add(
                Decision(
                    kind="filter",
                    chosen=self._options.mode,
                    alternatives=("pass",),
                    why=f"{reason} of {self._system} is violated",
                    subject=sample.example.id,
                )
            )
            if self._options.mode == "flag":
                fields = {**sample.example.fields, self._options.reason_key: reason}
                example = msgspec.structs.replace(sample.example, fields=fields)
                kept.append(msgspec.structs.replace(sample, example=example))
        return kept

    def _reason(self, sample: Sample) -> str | None:
        for score in sample.surrogates:
            if score.system == self._system:
                return violated_bound(score, self._options)
        self._unjudged += 1
        return None

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Rates."""
        filtered = self._reasons.total()
        rate = filtered / self._total if self._total else None
        return StageResult(
            stage="analysis_filter",
            status="completed",
            metrics={
                "mode": self._options.mode,
                "total": self._total,
                "filtered": filtered,
                "without_surrogates": self._unjudged,
                "reasons": dict(self._reasons),
                "filter_rate": rate,
                "pass_rate": None if rate is None else 1 - rate,
            },
        )
