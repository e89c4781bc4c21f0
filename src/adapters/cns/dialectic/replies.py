"""Reads what a model says as antagonist and as synthesizer. Called by ``arguments``; pure, never raises.

Lines of their own (challenges, resolutions, a confidence) are taken out first; the rest is read by the claim
grammar, under the line numbers of the reply. What fits neither is a problem in words. A reply that holds
nothing of use gives None, and whoever asked falls back on the rules.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import cast

import msgspec

from ....messages.claims import Challenge, ChallengeType, PassageDocument, Provenance, Severity, Sno
from ....messages.dialectic import Objections, Synthesized
from ..parser import MAX_HEAD, parse_claims
from ..sno import Support, global_id, sno_of_answer
from .stamps import MAX_PARTS, stamped
from .synthesizer import answered, confidence, synthesis_of

__all__ = ["read_challenges", "read_synthesis"]

DEFAULT_CONFIDENCE = 0.7
"""Of a challenge: a model is not asked for one, since it would not be calibrated."""
MAX_TEXT = 2_000
"""Characters of an objection that are kept."""

# These match tidied lines, in which a blank is one blank: no two optional runs of blanks meet.
_CHALLENGE = re.compile(
    r"CHALLENGE ?\[? ?k?(\d{1,6}) ?\]? ?[:-]? ?"
    r"\(?(contradiction|evidence[ _-]gap|scope|logical|alternative) ?[,/]? ?(high|medium|low)\)?",
    re.IGNORECASE | re.ASCII,
)
_NONE = re.compile(r"NO CHALLENGES? ?\.?", re.IGNORECASE)
_RESOLVED = re.compile(
    r"RESOLVED ?[:-]? ?\[?k?(\d{1,6})\]? ?[:-]? ?(accepted|rejected|partial)(?:ly)? ?\.?",
    re.IGNORECASE | re.ASCII,
)
_CONFIDENCE = re.compile(
    r"CONFIDENCE ?[:=] ?(\d{1,3}(?:\.\d{1,9})?|\.\d{1,9}) ?(%?)", re.IGNORECASE | re.ASCII
)


def _tidied(text: str) -> str:
    """Without bullet, bold and needless blanks; empty when it is too long to be a head."""
    if len(text) > MAX_HEAD:
        return ""
    return " ".join(text.lstrip("-*• \t").replace("**", "").split())


def read_challenges(
    reply: str,
    thesis: Sno,
    passage: Sequence[PassageDocument],
    support: Support,
    *,
    example: str,
    method: str,
    round_number: int,
    most: int,
) -> tuple[Objections | None, tuple[str, ...]]:
    """The objections, None when there is neither a challenge nor a claim nor the word that there is none."""
    prefix = global_id(example, f"a{round_number}")
    found, none, rest = dict[str, Challenge](), False, list[str]()
    problems = list[str]()
    for number, line in enumerate(reply.split("\n"), start=1):
        head, _, told = line.partition(":")
        match = _CHALLENGE.fullmatch(_tidied(head))
        told = " ".join(told[:MAX_TEXT].removeprefix("**").split())
        if match is not None and told:
            name = f"{prefix}/k{int(match[1])}"
            if name in found:
                problems.append(f"line {number}: k{int(match[1])} was already given")
            found.setdefault(name, _challenge(name, thesis, match, told, method))
        elif _NONE.fullmatch(_tidied(line)):
            none = True
        else:
            rest.append(line)
            continue
        rest.append("")
    rival, more = _claims("\n".join(rest), prefix, passage, support)
    problems += more
    if len(found) > most:
        problems.append(f"{len(found)} challenges; the first {most} count")
    if rival is not None:
        made = Provenance(
            origin="antagonist",
            parents=(thesis.id,),
            generation=round_number,
            transformation="rival reading of the passage",
            method=method,
        )
        rival = stamped(rival, made)
    if not found and rival is None and not none:
        return None, tuple(problems[:MAX_PARTS])
    kept = tuple(found.values())[:most]
    told_of = tuple(problems[:MAX_PARTS])
    return Objections(method=method, challenges=kept, antithesis=rival, problems=told_of), told_of


def _challenge(name: str, thesis: Sno, match: re.Match[str], told: str, method: str) -> Challenge:
    kind = re.sub(r"[ -]", "_", match[2].lower())
    return Challenge(
        id=name,
        target=thesis.id,
        type=cast("ChallengeType", kind),
        description=told,
        severity=cast("Severity", match[3].lower()),
        confidence=DEFAULT_CONFIDENCE,
        method=method,
    )


def read_synthesis(
    reply: str,
    thesis: Sno,
    objections: Objections,
    passage: Sequence[PassageDocument],
    support: Support,
    *,
    example: str,
    method: str,
    round_number: int,
) -> Synthesized:
    """The synthesis; its ``sno`` is None when the reply has no claim c1.

    Its confidence is the one that the model states, else the formula's. A challenge on which the model is
    silent is resolved by the rules.
    """
    rest, resolutions, sure = list[str](), dict[str, str](), None
    problems = list[str]()
    for number, line in enumerate(reply.split("\n"), start=1):
        tidy = _tidied(line)
        resolved, stated = _RESOLVED.fullmatch(tidy), _CONFIDENCE.fullmatch(tidy)
        if resolved is not None:
            resolutions[f"k{int(resolved[1])}"] = resolved[2].lower()
        elif stated is not None:
            sure = _unit(stated)
            if sure is None:
                problems.append(f"line {number}: a confidence is from 0 to 1, got {stated[1]}{stated[2]}")
        else:
            rest.append(line)
            continue
        rest.append("")
    prefix = global_id(example, f"s{round_number}")
    sno, more = _claims("\n".join(rest), prefix, passage, support)
    problems += more
    if sno is None:
        return Synthesized(sno=None, method=method, problems=tuple(problems[:MAX_PARTS]))
    known = {each.id.rsplit("/", 1)[-1] for each in objections.challenges}
    problems += [f"resolves {name}, which nobody raised" for name in resolutions if name not in known]
    if sure is None:
        sure = confidence(thesis, objections.antithesis, objections.challenges, sno.evidence)
    sno = msgspec.structs.replace(sno, confidence=sure)
    sno = synthesis_of(sno, thesis, objections, method, round_number, "reconciled by a model")
    named = tuple(
        msgspec.structs.replace(each, resolution=resolutions.get(each.id.rsplit("/", 1)[-1], "pending"))
        for each in objections.challenges
    )
    return Synthesized(
        sno=sno,
        method=method,
        challenges=answered(named, thesis, sno),
        problems=tuple(problems[:MAX_PARTS]),
    )


def _unit(match: re.Match[str]) -> float | None:
    value = float(match[1]) / (100.0 if match[2] else 1.0)
    return value if math.isfinite(value) and value <= 1.0 else None


def _claims(
    text: str, prefix: str, passage: Sequence[PassageDocument], support: Support
) -> tuple[Sno | None, list[str]]:
    """The object that the claims of a reply make, with c1 as its claim, and what is wrong with them."""
    document = parse_claims(text)
    problems = [
        f"line {d.line}: {d.message}" if d.line else d.message
        for d in document.diagnostics
        if d.code not in ("no_claim", "no_relation") or document.claims
    ]
    if not any(claim.id == "c1" for claim in document.claims):
        return None, problems
    if len(document.claims) > MAX_PARTS:
        problems.append(f"{len(document.claims)} claims; the first {MAX_PARTS} are argued over")
        document = msgspec.structs.replace(document, claims=document.claims[:MAX_PARTS])
    known = {claim.id for claim in document.claims}
    ids = {each.id for each in passage}
    strange = [claim for claim in document.claims if claim.document_id not in (None, *ids)]
    problems += [f"{claim.id} cites Document {claim.document_id}, which is not there" for claim in strange]
    kept = tuple(r for r in document.relations if r.source in known and r.target in known)
    document = msgspec.structs.replace(document, relations=kept)
    return sno_of_answer(document, prefix, passage, support), problems
