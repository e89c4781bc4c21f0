"""Everything that the agents of the dialectic need besides a model; implements ``actors.ports.Arguments``.

Made by the composition with a measure of support; the actors call it in worker threads. Pure: the same
arguments give the same result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....messages.claims import PassageDocument, Sno
from ....messages.dialectic import Assessment, Drafted, Objections, Synthesized
from ..chirality import productive_conflict
from ..critics import LEXICAL, WEIGHTS, Profile, critique, judge
from ..measures import chirality_of_challenges, evidence_score
from ..passage import parse_passage
from ..scores import jaccard
from ..sno import Support, entanglement
from ..text import content_tokens, token_f1
from .antagonist import MAX_CHALLENGES, antagonise
from .prompts import challenge_prompt, synthesis_prompt
from .proposer import propose, thesis_of_answer
from .replies import read_challenges, read_synthesis
from .stamps import write
from .synthesizer import synthesise

__all__ = ["CnsArguments", "coherence", "kept_sides"]

ENOUGH_EVIDENCE = 3


def coherence(sno: Sno) -> float:
    """0.4·confidence + 0.3·min(1, items/3) + 0.3·mean validity."""
    items = len(sno.evidence)
    return 0.4 * sno.confidence + 0.3 * min(1.0, items / ENOUGH_EVIDENCE) + 0.3 * evidence_score(sno.evidence)


def kept_sides(thesis: str, antithesis: str, synthesis: str) -> float:
    """0.7·mean + 0.3·(1 − |difference|) of the shares of words (Jaccard) that each side has with it."""
    said = set(content_tokens(synthesis))
    first, second = (jaccard(set(content_tokens(side)), said) for side in (thesis, antithesis))
    return 0.7 * (first + second) / 2 + 0.3 * (1.0 - abs(first - second))


def _text(sno: Sno) -> str:
    return " ".join([sno.claim, *(child.claim for child in sno.children)])


class CnsArguments:
    """Binds the rules, prompts and readers to their settings."""

    def __init__(
        self,
        support: Support,
        *,
        weights: Mapping[str, float] = WEIGHTS["default"],
        most: int = MAX_CHALLENGES,
        profile: Profile = LEXICAL,
    ) -> None:
        self._support = support
        self._weights = weights
        self._most = most
        self._profile = profile

    def read_thesis(
        self, prompt: str, example: str, reply: str, *, method: str, confidence: float | None
    ) -> Drafted:
        """The thesis of a model's answer."""
        return thesis_of_answer(
            reply, example, self._documents(prompt), self._support, method=method, confidence=confidence
        )

    def propose(self, prompt: str, example: str) -> Drafted:
        """A thesis by rules."""
        return propose(prompt, example)

    def challenge_prompt(self, prompt: str, thesis: Sno) -> str:
        """What an antagonist is asked."""
        return challenge_prompt(thesis, self._documents(prompt), prompt, most=self._most)

    def read_challenges(
        self, prompt: str, example: str, thesis: Sno, reply: str, *, method: str, round_number: int
    ) -> tuple[Objections | None, tuple[str, ...]]:
        """What the antagonist says."""
        return read_challenges(
            reply,
            thesis,
            self._documents(prompt),
            self._support,
            example=example,
            method=method,
            round_number=round_number,
            most=self._most,
        )

    def challenge(self, prompt: str, example: str, thesis: Sno, *, round_number: int) -> Objections:
        """Objections by rules."""
        return antagonise(
            thesis,
            self._documents(prompt),
            example=example,
            round_number=round_number,
            most=self._most,
            against=self._profile.contradiction,
        )

    def synthesis_prompt(self, prompt: str, thesis: Sno, objections: Objections) -> str:
        """What a synthesizer is asked."""
        return synthesis_prompt(thesis, objections, self._documents(prompt), prompt)

    def read_synthesis(
        self,
        prompt: str,
        example: str,
        thesis: Sno,
        objections: Objections,
        reply: str,
        *,
        method: str,
        round_number: int,
    ) -> Synthesized:
        """What the synthesizer says."""
        return read_synthesis(
            reply,
            thesis,
            objections,
            self._documents(prompt),
            self._support,
            example=example,
            method=method,
            round_number=round_number,
        )

    def synthesise(
        self, example: str, thesis: Sno, objections: Objections, *, round_number: int
    ) -> Synthesized:
        """A synthesis by rules."""
        return synthesise(thesis, objections, example=example, round_number=round_number)

    def weigh(self, thesis: Sno, objections: Objections) -> tuple[float, float | None]:
        """Mean chirality of the challenges; entanglement of thesis and antithesis."""
        rival = objections.antithesis
        shared = None if rival is None else entanglement(thesis, rival)
        return chirality_of_challenges(objections.challenges), shared

    def assess(self, sno: Sno, before: Sno | None = None, objections: Objections | None = None) -> Assessment:
        """What the critics say of an object, and how it stands to what it was made from."""
        verdict = judge(critique(sno, self._profile), self._weights)
        rival = objections.antithesis if objections is not None else None
        sides = None if before is None or rival is None else (before, rival)
        return Assessment(
            score=verdict.score,
            level=verdict.level,
            critics={report.critic: report.score for report in verdict.reports},
            method=f"{self._profile.name} critics, {verdict.method}",
            confidence=sno.confidence,
            coherence=coherence(sno),
            evidence=evidence_score(sno.evidence),
            chirality=chirality_of_challenges(objections.challenges) if objections is not None else 0.0,
            entanglement=None if sides is None else entanglement(*sides),
            conflict=None if sides is None else productive_conflict(*sides, self._profile.contradiction),
            entailment=None if sides is None else kept_sides(sides[0].claim, sides[1].claim, sno.claim),
            change=None if before is None else 1.0 - token_f1(_text(before), _text(sno)),
            issues={report.critic: report.issues for report in verdict.reports if report.issues},
        )

    def write(self, sno: Sno) -> str:
        """The object in the claim grammar."""
        return write(sno)

    def _documents(self, prompt: str) -> Sequence[PassageDocument]:
        return parse_passage(prompt)
