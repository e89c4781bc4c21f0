"""What the backends that answer from the passage share: the form of an answer and estimated token counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...messages.claims import Claim, Relation, RelationLabel
from ...messages.records import Completion, Usage
from ...messages.requests import BackendRequest
from ..cns import format_claims

__all__ = ["Evidence", "estimated_usage", "evidence_answer"]


class Evidence(NamedTuple):
    """A sentence chosen from a document and how it bears on the hypothesis."""

    document_id: str
    sentence: str
    label: RelationLabel = "supports"


def evidence_answer(hypothesis: str, evidence: Iterable[Evidence]) -> str:
    """The hypothesis as c1, then each piece of evidence with its relation, in the claim grammar."""
    claims = [Claim(id="c1", text=hypothesis)]
    relations = []
    for number, piece in enumerate(evidence, start=2):
        claims.append(Claim(id=f"c{number}", text=piece.sentence, document_id=piece.document_id or None))
        relations.append(Relation(source=f"c{number}", label=piece.label, target="c1"))
    return format_claims(claims, relations)


def estimated_usage(
    request: BackendRequest, completions: Sequence[Completion], chars_per_token: float = 4.0
) -> Usage:
    """Token counts guessed from the lengths of the texts, and marked as a guess."""
    prompt = len(request.prompt.text) + len(request.prompt.system or "")
    return Usage(
        prompt_tokens=math.ceil(prompt / chars_per_token),
        completion_tokens=sum(math.ceil(len(answer.text) / chars_per_token) for answer in completions),
        estimated=True,
    )
