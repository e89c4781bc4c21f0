"""What a model is asked and what it should answer, made from structured narrative objects. Pure.

Three formats of single objects and one of thesis, antithesis and synthesis. Know what each can teach:
``dialectical`` asks for a text that stands in the prompt (copying); ``qa`` can be learned only with the
evidence in the prompt, since the answer is made of it; the label of ``nli`` comes from the confidence, which
the prompt does not state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..messages.base import Message
from ..messages.claims import Evidence, Sno

__all__ = ["ENTAILED_ABOVE", "Format", "Text", "evidence_lines", "sno_text", "triplet_text"]

Format = Literal["dialectical", "qa", "nli"]
ENTAILED_ABOVE = 0.7
"""A claim with more confidence than this is labelled entailment in ``nli``, any other neutral."""

_DIALECTICAL = "Analyse the claim and its evidence, then state the synthesis that holds.\n\nClaim: "
_NO_EVIDENCE = "There is no evidence for this claim."
_HYPOTHESIS = "This claim is well supported by its evidence."


class Text(Message, frozen=True):
    """A prompt and its completion."""

    input: str
    output: str


def evidence_lines(evidence: Sequence[Evidence]) -> str:
    """One line per item: ``[source] content (validity: 0.95)``."""
    return "\n".join(
        " ".join(f"[{item.source}] {item.content} (validity: {item.validity:.2f})".split())
        for item in evidence
    )


def sno_text(sno: Sno, format_: Format, *, include_evidence: bool) -> Text:
    """The text of one object."""
    shown = evidence_lines(sno.evidence) if include_evidence and sno.evidence else ""
    tail = f"\n\nEvidence:\n{shown}" if shown else ""
    if format_ == "dialectical":
        return Text(input=f"{_DIALECTICAL}{sno.claim}{tail}", output=sno.claim)
    if format_ == "qa":
        question = f"What is the evidence for the claim: {sno.claim}"
        answer = "\n".join(f"- {item.source}: {item.content}" for item in sno.evidence) or _NO_EVIDENCE
        return Text(input=f"Question: {question}{tail}", output=answer)
    label = "entailment" if sno.confidence > ENTAILED_ABOVE else "neutral"
    return Text(input=f"Premise: {sno.claim}{tail}\n\nHypothesis: {_HYPOTHESIS}", output=label)


def triplet_text(thesis: Sno, antithesis: Sno, synthesis: Sno) -> Text:
    """Two claims against each other, and the one that reconciles them."""
    return Text(
        input=(
            f"Thesis (confidence {thesis.confidence:.2f}): {thesis.claim}\n"
            f"Antithesis (confidence {antithesis.confidence:.2f}): {antithesis.claim}\n\n"
            "Write the synthesis that keeps what holds of both."
        ),
        output=synthesis.claim,
    )
