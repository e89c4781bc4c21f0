"""``guardrails``: scans what goes into the backend and what comes out of it.

Inputs are scanned here, before anything is spent; outputs by ``backend_call`` with the same guard, as they
arrive. Each text gets a verdict; redaction replaces the text that is passed on. ``fail_on_violation`` ends
the run at the first flagged text.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from ...messages.errors import DatasetError, StageError
from ...messages.findings import Verdict
from ...messages.flow import Sample, StageResult
from ...messages.records import Dialectic, Output
from ...messages.trace import Decision
from ..decision_log import DecisionLog
from ..ports import Guard
from ..scrubbing import scrubbed

__all__ = ["Guardrails", "OutputGuard"]


class GuardTally:
    """Counts of verdicts of one side."""

    def __init__(self) -> None:
        self.scanned = 0
        self.flagged = 0
        self.redacted = 0
        self.categories: Counter[str] = Counter()

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.scanned += 1
        self.flagged += verdict.flagged
        self.redacted += verdict.redacted
        if verdict.flagged:
            self.categories.update({finding.category for finding in verdict.findings})

    def metrics(self) -> dict[str, object]:
        """JSON-ready counts."""
        return {
            "scanned": self.scanned,
            "violations": self.flagged,
            "redacted": self.redacted,
            "categories": dict(sorted(self.categories.items())),
        }


class Guardrails:
    """Scans inputs."""

    restartable = True

    def __init__(self, guard: Guard, *, fail_on_violation: bool = False, drop_flagged: bool = False) -> None:
        self._guard = guard
        self._fail = fail_on_violation
        self._drop = drop_flagged
        self._tally = GuardTally()
        self._dropped = 0
        self._decisions = DecisionLog()
        self.take_decisions = self._decisions.take

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples with their verdicts, redacted where the guard says so."""
        scanned = await asyncio.to_thread(lambda: [self._scan(sample) for sample in samples])
        for sample in scanned:
            verdict = sample.verdicts[-1]
            self._tally.add(verdict)
            if verdict.flagged and self._fail:
                raise _violation(sample, verdict)
            if verdict.flagged:
                self._decisions.add(self._decision(sample, verdict))
        kept = [s for s in scanned if not (self._drop and s.verdicts[-1].flagged)]
        self._dropped += len(scanned) - len(kept)
        return kept

    def _decision(self, sample: Sample, verdict: Verdict) -> Decision:
        """What becomes of a flagged text. Names what was found in it, never the text."""
        ways = {"drop": self._drop, "redact": verdict.redacted, "flag": True}
        chosen = next(way for way, taken in ways.items() if taken)
        return Decision(
            kind="guardrail",
            chosen=chosen,
            alternatives=tuple(way for way in (*ways, "pass") if way != chosen),
            why=", ".join(sorted({finding.category for finding in verdict.findings})),
            confidence=max((finding.confidence for finding in verdict.findings), default=None),
            subject=sample.example.id,
        )

    def _scan(self, sample: Sample) -> Sample:
        example = sample.example
        verdict, text = self._guard.scan(example.input, side="input")
        if text != example.input:
            example = msgspec.structs.replace(example, input=text)
        if verdict.redacted and example.reference is not None:
            reference, *others = (
                self._guard.scan(answer, side="input")[1]
                for answer in (example.reference, *example.alternatives)
            )
            example = msgspec.structs.replace(example, reference=reference, alternatives=tuple(others))
        return msgspec.structs.replace(sample, example=example, verdicts=(*sample.verdicts, verdict))

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Counts of the inputs; those of the outputs are with ``backend_call``."""
        return StageResult(
            stage="guardrails",
            status="completed",
            metrics={**self._tally.metrics(), "side": "input", "dropped": self._dropped},
        )


class OutputGuard:
    """Scans outputs, for ``backend_call``."""

    def __init__(self, guard: Guard, *, fail_on_violation: bool = False, redacts: bool = False) -> None:
        """``redacts``: whether the guard changes what it finds."""
        self._guard = guard
        self._fail = fail_on_violation
        self._redacts = redacts
        self._tally = GuardTally()

    def scan(self, output: Output) -> tuple[Verdict, Output]:
        """Verdict and the output, redacted where the guard says so. Short texts only: runs on the loop."""
        verdict, text = self._guard.scan(output.text, side="output")
        verdict = msgspec.structs.replace(verdict, system=output.system)
        self._tally.add(verdict)
        if verdict.flagged and self._fail:
            category = verdict.findings[0].category
            reason = f"output of {output.system} for example {output.example_id} holds {category}"
            raise StageError("guardrails", reason)
        return verdict, output if text == output.text else msgspec.structs.replace(output, text=text)

    @property
    def redacts(self) -> bool:
        """Whether the guard changes what it finds."""
        return self._redacts

    def redact(self, text: str) -> str:
        """A text that is kept and shown like an answer, without a verdict of its own."""
        return self._guard.scan(text, side="output")[1]

    def scrub(self, record: Dialectic) -> Dialectic:
        """The argument behind an output, redacted: its texts are kept and shown like the answer. Blocking."""
        return scrubbed(record, self.redact)

    def metrics(self) -> dict[str, object]:
        """JSON-ready counts."""
        return {**self._tally.metrics(), "side": "output"}


def _violation(sample: Sample, verdict: Verdict) -> DatasetError:
    found = verdict.findings[0]
    return DatasetError(
        f"guardrails found {found.category} at characters {found.start}-{found.end} "
        "and fail_on_violation is set",
        source=sample.example.source,
        line=sample.example.line,
        field="input",
    )
