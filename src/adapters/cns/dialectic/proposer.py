"""The proposer: a thesis from a model's answer, or by rules from the text itself.

Called by ``arguments``. The rules are those of the CNS reference with two faults mended: markers are whole
words (there *some* counts inside *something*, and *demonstrated* counts twice), and evidence is the place of
a sentence, not a record with an id of its own. They look at wording alone and are no model of what is true;
every result says ``heuristic``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

import msgspec

from ....messages.claims import ClaimDocument, Evidence, PassageDocument, Provenance, Relation, Sno
from ....messages.dialectic import HEURISTIC, Drafted
from ..opposition import opposition
from ..parser import parse_claims
from ..passage import parse_passage, stated_claim
from ..sentences import split_sentences
from ..sno import Support, global_id, sno_of_answer
from ..text import known_tokens, word_set
from .stamps import DEFAULT_CONFIDENCE, MAX_PARTS, stamped

__all__ = ["cited_evidence", "hypothesis_of", "propose", "score_confidence", "thesis_of_answer"]

MIN_CONFIDENCE = 0.3
MAX_CLAIMS = 10
SHORTEST = 15
"""Characters of a sentence that can be a claim."""

_HIGH = word_set(
    "conclusively proven demonstrate demonstrates demonstrated establishes established confirms confirmed "
    "verified"
)
_MEDIUM = word_set("shows indicates suggests research study evidence")
_LOW = word_set("maybe perhaps possibly might could some")
_AUTHOR = r"([A-Z][\w'’-]+(?: et al\.?)?)"
_CITED = re.compile(rf"\({_AUTHOR},\s*(\d{{4}})\)|{_AUTHOR}\s+\((\d{{4}})\)")
_STUDY = re.compile(
    r"\b(?:study|studies|research|analysis|analyses|survey|surveys|experiments?)\b[^.]{0,80}?"
    r"\b(?:show|indicate|suggest|find|found|demonstrate)",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(
    r"^(?:do|does|did|is|are|was|were|can|could|will|would|should|has|have|had)\s+", re.IGNORECASE
)


def score_confidence(text: str) -> float:
    """0.5 + 0.10·strong + 0.05·middling − 0.10·weak distinct marker words, within [0, 1]."""
    said = frozenset(known_tokens(text))
    score = 0.5 + 0.10 * len(said & _HIGH) + 0.05 * len(said & _MEDIUM) - 0.10 * len(said & _LOW)
    return min(1.0, max(0.0, score))


def cited_evidence(text: str) -> tuple[Evidence, ...]:
    """What a sentence refers to: an author with a year, else a study that is only mentioned."""
    found: dict[str, Evidence] = {}
    for match in _CITED.finditer(text):
        source = f"{match[1] or match[3]} ({match[2] or match[4]})"
        found.setdefault(source, Evidence(source=source, content=text, validity=0.8, retrieval="citation"))
    if not found and _STUDY.search(text):
        source = "referenced study"
        found[source] = Evidence(source=source, content=text, validity=0.6, retrieval="inference")
    return tuple(found.values())


def hypothesis_of(question: str) -> str | None:
    """A yes-or-no question as a statement, without its auxiliary; None when the text is no question."""
    text = " ".join(question.split())
    if not text.endswith("?"):
        return None
    said = _AUXILIARY.sub("", text.rstrip("? "))
    return f"{said[:1].upper()}{said[1:]}." if said else None


def thesis_of_answer(
    answer: str,
    example: str,
    passage: Sequence[PassageDocument],
    support: Support,
    *,
    method: str,
    confidence: float | None = None,
) -> Drafted:
    """The thesis that an answer in the claim grammar states; none when it has no claim."""
    document = parse_claims(answer)
    cut, problems = _bounded(document)
    sno = sno_of_answer(cut, example, passage, support)
    if sno is None:
        return Drafted(sno=None, method=method, problems=problems)
    sure = DEFAULT_CONFIDENCE if confidence is None else min(1.0, max(0.0, confidence))
    sno = msgspec.structs.replace(sno, confidence=sure)
    made = Provenance(origin="proposer", transformation="read from an answer", method=method)
    return Drafted(sno=stamped(sno, made), method=method, problems=problems)


def _bounded(document: ClaimDocument) -> tuple[ClaimDocument, tuple[str, ...]]:
    told = (f"line {d.line}: {d.message}" if d.line else d.message for d in document.diagnostics)
    problems = tuple(islice(told, MAX_PARTS))
    if len(document.claims) <= MAX_PARTS:
        return document, problems
    more = f"{len(document.claims)} claims; the first {MAX_PARTS} are argued over"
    kept = document.claims[:MAX_PARTS]
    known = {claim.id for claim in kept}
    relations = tuple(r for r in document.relations if r.source in known and r.target in known)
    return ClaimDocument(claims=kept, relations=relations), (*problems, more)


def propose(prompt: str, example: str) -> Drafted:
    """A thesis by rules: the stated claim, a document's title or the surest sentence, with sentences for it.

    Sentences of fewer than 15 characters and questions are left out, and those below a confidence of 0.3; of
    the others the ten surest are taken, in the order of the text. A sentence that opposes the hypothesis (see
    ``opposition``) refutes it, any other supports it.
    """
    passage = parse_passage(prompt)
    documents = passage or (PassageDocument(id="", title="", sentences=split_sentences(prompt)),)
    found = [
        (score_confidence(sentence), document, number, sentence)
        for document in documents
        for number, sentence in enumerate(document.sentences)
        if len(sentence) >= SHORTEST and not sentence.endswith("?")
    ]
    sure = [each for each in found if each[0] >= MIN_CONFIDENCE]
    kept = sorted(sure, key=lambda each: -each[0])[:MAX_CLAIMS]
    title = next((document.title for document in documents if document.title), None)
    hypothesis = stated_claim(prompt) or title or (kept[0][3] if kept else hypothesis_of(prompt))
    if hypothesis is None or not known_tokens(hypothesis):
        return Drafted(sno=None, method=HEURISTIC, problems=("the text has no sentence to claim",))
    order = [each for each in found if each in kept and each[3] != hypothesis]
    parts = [
        Sno(
            id=global_id(example, f"c{place}"),
            claim=sentence,
            evidence=_place(document, number, sentence),
            confidence=confidence,
        )
        for place, (confidence, document, number, sentence) in enumerate(order, start=2)
    ]
    main = global_id(example, "c1")
    relations = tuple(
        Relation(
            source=part.id, label="refutes" if opposition(hypothesis, part.claim).score else "supports",
            target=main,
        )
        for part in parts
    )  # fmt: skip
    sno = Sno(
        id=main,
        claim=hypothesis,
        evidence=tuple(item for part in parts for item in part.evidence),
        confidence=score_confidence(hypothesis),
        children=tuple(parts),
        relations=relations,
    )
    made = Provenance(origin="proposer", transformation="surest sentences of the text", method=HEURISTIC)
    return Drafted(sno=stamped(sno, made), method=HEURISTIC)


def _place(document: PassageDocument, number: int, sentence: str) -> tuple[Evidence, ...]:
    if document.id:
        return (Evidence(source=document.id, content=sentence, sentences=(number,), retrieval="inference"),)
    return cited_evidence(sentence)
