"""What a model is asked as antagonist and as synthesizer. Called by ``arguments``; pure.

The proposer needs no prompt of its own: its task is the prompt of the example. Both prompts repeat the
passage, so that each request stands alone, and ask for lines that ``replies`` reads; the claims among them
are in the claim grammar.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....messages.claims import Challenge, PassageDocument, Sno
from ....messages.dialectic import Objections
from .stamps import write

__all__ = ["challenge_prompt", "synthesis_prompt"]

_GRAMMAR = """CLAIM[c1]: <hypothesis, one sentence>
CLAIM[c2] (Document <id>): <sentence of the passage, unchanged>
RELATION: c2 supports c1        (or: c2 refutes c1)"""

_ANTAGONIST = """You are the antagonist. Another reader answered from the passage below; find what is wrong
with the answer.

{passage}

Answer to challenge:
{thesis}

Task:
1. For each objection write one line, at most {most}:
   CHALLENGE[k1] <type> <severity>: <objection in one sentence>
   type: contradiction, evidence_gap, scope, logical or alternative; severity: high, medium or low.
   If there is nothing to object, write only: NO CHALLENGE
2. If the passage supports a rival reading, write it after the challenges, in this form:
{grammar}
Write nothing else.
"""

_SYNTHESIZER = """You are the synthesizer. Two readers disagree about the passage below; write the answer that
keeps what is right on both sides.

{passage}

Thesis:
{thesis}

{antithesis}Challenges:
{challenges}

Task:
1. Write the reconciled answer, citing sentences of the passage for and against it, in this form:
{grammar}
2. For each challenge write one line:
   RESOLVED: k1 accepted        (or: rejected, partial)
3. Write how sure you are of c1, from 0 to 1:
   CONFIDENCE: 0.8
Write nothing else.
"""


def challenge_prompt(thesis: Sno, passage: Sequence[PassageDocument], prompt: str, *, most: int) -> str:
    """Asks for challenges and a rival reading."""
    return _ANTAGONIST.format(
        passage=_passage(passage, prompt), thesis=write(thesis), most=most, grammar=_GRAMMAR
    )


def synthesis_prompt(
    thesis: Sno, objections: Objections, passage: Sequence[PassageDocument], prompt: str
) -> str:
    """Asks for the synthesis, and what becomes of each challenge."""
    rival = objections.antithesis
    return _SYNTHESIZER.format(
        passage=_passage(passage, prompt),
        thesis=write(thesis),
        antithesis="" if rival is None else f"Antithesis:\n{write(rival)}\n\n",
        challenges="\n".join(_line(each) for each in objections.challenges) or "(none)",
        grammar=_GRAMMAR,
    )


def _line(challenge: Challenge) -> str:
    told = " ".join(challenge.description.split())
    return f"CHALLENGE[{challenge.id.rsplit('/', 1)[-1]}] {challenge.type} {challenge.severity}: {told}"


def _passage(passage: Sequence[PassageDocument], prompt: str) -> str:
    """The documents as they stand in prompts; the whole prompt where it has none."""
    if not passage:
        return f"Text:\n{prompt}"
    documents = (
        f"Document {d.id}: {d.title}\n\n{' '.join(d.sentences)}" if d.id else " ".join(d.sentences)
        for d in passage
    )
    return "Passage:\n" + "\n\n".join(documents)
