"""The claim grammar: one parser for answers, and its inverse.

    CLAIM[c1]: hypothesis
    CLAIM[c2] (Document 12): evidence text
    RELATION: c2 supports c1

Called by the metrics, the graph and every backend that writes such answers. One item stands on one line.

Strict mode takes exactly the form above: keywords as written, ``c`` in lower case and a number without
leading zeros, one blank where the form has one, labels in lower case. Lenient mode (the default) also takes
any case, a bullet (``-``, ``*``, ``•``, ``1.``) before a line, ``**`` around its head, missing or additional
blanks, ``CLAIM 2:``, ``CLAIM[2]:`` and ``C2:``, a missing colon or a dash after RELATION and a full stop
after it. Ids come out in lower case without leading zeros in both modes.

Labels: supports, refutes, contradicts, contrasts; the last two mean refutes.

The parser never repairs: what does not fit is a diagnostic and leaves no claim behind. It does not know the
prompt, so whether a cited document exists is for the metrics to say.

A head is at most ``MAX_HEAD`` characters, and only a head is matched by a regular expression; hence the time
is linear in the text whatever it holds (rejected: one expression over the line, whose optional parts make
blanks quadratic).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ...messages.claims import Claim, ClaimDocument, Diagnostic, Relation, RelationLabel

__all__ = [
    "LABELS",
    "MAX_CLAIMS",
    "MAX_DIAGNOSTICS",
    "MAX_HEAD",
    "format_claims",
    "parse_claims",
    "read_answer",
]

MAX_HEAD = 200
"""Longest head of a claim line (all before its colon) and longest relation line, in characters."""

MAX_CLAIMS = 1_000
"""Claims of one answer that are scored; more is a runaway answer, and pairs of claims are quadratic."""

MAX_DIAGNOSTICS = 10_000
"""Diagnostics kept of one answer; when there are more, the last one says so."""

LABELS: dict[str, RelationLabel] = {
    "supports": "supports",
    "refutes": "refutes",
    "contradicts": "refutes",
    "contrasts": "refutes",
}

_DOCUMENT_ID = r"[^\s():]{1,100}"
_LABEL = "|".join(LABELS)
_STRICT_CLAIM = re.compile(rf"CLAIM\[c([1-9]\d{{0,8}})\](?: \(Document ({_DOCUMENT_ID})\))?", re.ASCII)
_STRICT_RELATION = re.compile(rf"RELATION: (c[1-9]\d{{0,8}}) ({_LABEL}) (c[1-9]\d{{0,8}})", re.ASCII)
_LENIENT_CLAIM = re.compile(
    rf"(?:CLAIM\s*\[\s*c?\s*(\d{{1,9}})\s*\]|CLAIM\s+c?(\d{{1,9}})|c(\d{{1,9}}))"
    rf"\s*(?:\(\s*Doc(?:ument)?\s*({_DOCUMENT_ID})\s*\))?\s*",
    re.ASCII | re.IGNORECASE,
)
_LENIENT_RELATION = re.compile(
    rf"RELATION\s*[:-]?\s*\[?c?(\d{{1,9}})\]?\s+({_LABEL})\s+\[?c?(\d{{1,9}})\]?\s*\.?",
    re.ASCII | re.IGNORECASE,
)
_BULLET = re.compile(r"(?:[-*•]\s{1,8}|\d{1,3}[.)]\s{1,8})")


def parse_claims(text: str, strict: bool = False) -> ClaimDocument:  # noqa: FBT001, FBT002
    """Read an answer.

    Args:
        text: the answer; only line feeds end a line.
        strict: take nothing but the canonical form.

    Returns:
        Claims and relations in order with their line numbers (from 1; duplicates are kept) and diagnostics
        in the order of their lines, those about the whole answer (line 0) last. Never raises.
    """
    claims: list[Claim] = []
    relations: list[Relation] = []
    problems: list[Diagnostic] = []
    for number, line in _lines(text):
        item = _strict_item(line, number)
        if item is None and not strict:
            item = _lenient_item(line, number)
        if isinstance(item, Claim):
            if item.text:
                claims.append(item)
            else:
                problems.append(Diagnostic(line=number, code="empty_claim", message=f"{item.id} has no text"))
        elif item is not None:
            relations.append(item)
        elif len(problems) < MAX_DIAGNOSTICS:
            problems.append(
                Diagnostic(line=number, code="unparsed_line", message=f"not in the grammar: {line[:60]!r}")
            )
    problems += _claim_problems(claims)
    problems += _relation_problems(claims, relations)
    problems.sort(key=lambda problem: problem.line or len(text) + 1)
    if len(problems) > MAX_DIAGNOSTICS:
        cut = problems[MAX_DIAGNOSTICS - 1].line
        problems[MAX_DIAGNOSTICS - 1 :] = [
            Diagnostic(line=cut, code="unparsed_line", message="too many problems to list them all")
        ]
    return ClaimDocument(claims=tuple(claims), relations=tuple(relations), diagnostics=tuple(problems))


def format_claims(claims: Iterable[Claim], relations: Iterable[Relation] = ()) -> str:
    """Write the canonical form, each relation after the claim it starts from.

    ``parse_claims(format_claims(c, r), strict=True)`` gives the same claims and relations (line numbers and
    raw labels aside) when ids are ``c<number>``, document ids fit the grammar and the relations come in the
    order of the claims they start from; line breaks inside a text become blanks.
    """
    pending: dict[str, list[Relation]] = {}
    for relation in relations:
        pending.setdefault(relation.source, []).append(relation)
    lines: list[str] = []
    for claim in claims:
        cited = f" (Document {claim.document_id})" if claim.document_id is not None else ""
        lines.append(f"CLAIM[{claim.id}]{cited}: {' '.join(claim.text.split())}")
        lines += [_relation_line(relation) for relation in pending.pop(claim.id, ())]
    lines += [_relation_line(relation) for group in pending.values() for relation in group]
    return "\n".join(lines)


def _relation_line(relation: Relation) -> str:
    return f"RELATION: {relation.source} {relation.label} {relation.target}"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, without the blanks around them."""
    start, number = 0, 0
    while start <= len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        number += 1
        line = text[start:end].strip()
        if line:
            yield number, line
        start = end + 1


def _strict_item(line: str, number: int) -> Claim | Relation | None:
    if line.startswith("RELATION"):
        match = _STRICT_RELATION.fullmatch(line) if len(line) <= MAX_HEAD else None
        return match and _relation(match[1], match[2], match[3], number)
    colon = line.find(":", 0, MAX_HEAD + 1)
    if colon < 0:
        return None
    match = _STRICT_CLAIM.fullmatch(line[:colon])
    body = line[colon + 1 :]
    if match is None or (body and not body.startswith(" ")):
        return None
    return Claim(id=f"c{match[1]}", text=body.strip(), document_id=match[2], line=number)


def _lenient_item(line: str, number: int) -> Claim | Relation | None:
    bullet = _BULLET.match(line)
    if bullet:
        line = line[bullet.end() :]
    bold = line.startswith("**")
    head = line[:MAX_HEAD].replace("**", "") if bold else line[:MAX_HEAD]
    if head[:8].upper() == "RELATION":
        if len(line) > MAX_HEAD:
            return None
        match = _LENIENT_RELATION.fullmatch(head.rstrip())
        return match and _relation(f"c{int(match[1])}", match[2], f"c{int(match[3])}", number)
    colon = line.find(":", 0, MAX_HEAD + 1)
    if colon < 0:
        return None
    head, body = line[:colon], line[colon + 1 :]
    if bold:
        head, body = head.replace("**", ""), body.removeprefix("**")
    match = _LENIENT_CLAIM.fullmatch(head)
    if match is None:
        return None
    identifier = f"c{int(match[1] or match[2] or match[3])}"
    return Claim(id=identifier, text=body.strip(), document_id=match[4], line=number)


def _relation(source: str, label: str, target: str, number: int) -> Relation:
    normal = LABELS[label.lower()]
    return Relation(source=source, label=normal, target=target, raw_label=label, line=number)


def _claim_problems(claims: list[Claim]) -> Iterator[Diagnostic]:
    if not claims:
        yield Diagnostic(line=0, code="no_claim", message="no claim")
        return
    seen: dict[str, int] = {}
    for claim in claims:
        if claim.id in seen:
            text = f"{claim.id} was already given on line {seen[claim.id]}"
            yield Diagnostic(line=claim.line, code="duplicate_claim", message=text)
        else:
            seen[claim.id] = claim.line
    if "c1" not in seen:
        yield Diagnostic(line=0, code="missing_c1", message="c1, the hypothesis, is missing")
    for position, (identifier, line) in enumerate(seen.items(), start=1):
        if identifier != f"c{position}":
            text = f"{identifier} stands where c{position} was expected"
            yield Diagnostic(line=line, code="non_consecutive_ids", message=text)
            break


def _relation_problems(claims: list[Claim], relations: list[Relation]) -> Iterator[Diagnostic]:
    if claims and not relations:
        yield Diagnostic(line=0, code="no_relation", message="no relation")
    known = {claim.id for claim in claims}
    seen: dict[tuple[str, str], Relation] = {}
    for relation in relations:
        missing = [end for end in (relation.source, relation.target) if end not in known]
        if missing:
            text = f"no claim {' or '.join(dict.fromkeys(missing))}"
            yield Diagnostic(line=relation.line, code="dangling_relation", message=text)
        if relation.source == relation.target:
            text = f"{relation.source} relates to itself"
            yield Diagnostic(line=relation.line, code="self_relation", message=text)
        first = seen.setdefault((relation.source, relation.target), relation)
        if first is not relation:
            how = (
                "again" if first.label == relation.label else f"as {relation.label}, before as {first.label}"
            )
            text = f"{relation.source} relates to {relation.target} {how} (line {first.line})"
            yield Diagnostic(line=relation.line, code="duplicate_relation", message=text)


REMEMBERED = 512
LONGEST_REMEMBERED = 20_000
"""Characters; a longer answer is parsed anew each time, so that memory stays bounded."""


def read_answer(text: str) -> tuple[ClaimDocument, ClaimDocument]:
    """The strict and the lenient reading of an answer, the same one when nothing is wrong with it.

    Remembered, because three stages read each answer within a few batches of each other.
    """
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _read(text)


def _read(text: str) -> tuple[ClaimDocument, ClaimDocument]:
    strict = parse_claims(text, strict=True)
    return strict, parse_claims(text) if strict.diagnostics else strict


_remembered = lru_cache(maxsize=REMEMBERED)(_read)
