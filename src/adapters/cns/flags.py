"""The antagonist over finished answers: what in the scores of an answer is suspicious enough to look at.

Called by the label queue and by ``crucible label flags``. Pure: scores in, flags out. Thresholds are
parameters; the defaults are those of the CNS literature, except that of ``contradiction``, which is
calibrated in ``docs/critics.md``. A flag asks for a look, it is no verdict.

Against the reference: a citation that misses a document is not *invalid* but incomplete (its two celebrated
"hallucinations" were answers cut short), an invented one is; a conflict that the reference answer has too is
no flag; entailment is that of the metrics and never P(neutral).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from ...messages.base import Message
from ...messages.claims import Severity
from .scores import Score

__all__ = ["Flag", "FlagIssue", "FlagThresholds", "IssueType", "flag_answer", "flag_summary"]

IssueType = Literal[
    "CITATION_INVALID",
    "CITATION_INCOMPLETE",
    "CONTRADICTS_REFERENCE",
    "POLARITY_CONTRADICTION",
    "POLARITY_CONFLICT",
    "WEAK_ENTAILMENT",
    "NO_CLAIM",
]
Unit = Annotated[float, Meta(ge=0, le=1)]
BY_SIMILARITY = 0.5
"""Most that similarity alone can make of a contradiction; above it some word speaks for one."""
_RANK: dict[Severity, int] = {"high": 3, "medium": 2, "low": 1}


class FlagThresholds(Message, frozen=True):
    """From where a score is suspicious."""

    chirality: Unit = 0.55
    high_chirality: Unit = 0.65
    """From here a polarity contradiction is high, where enough evidence is shared."""
    overlap: Unit = 0.20
    """That share of the reference's documents is enough."""
    entailment: Unit = 0.50
    contradiction: Unit = 0.40


class FlagIssue(Message, frozen=True):
    """One reason to look at an answer."""

    type: IssueType
    severity: Severity
    message: str


class Flag(Message, frozen=True):
    """An answer that should be looked at; ``severity`` is that of its gravest issue."""

    example: str
    system: str
    severity: Severity
    issues: tuple[FlagIssue, ...]
    metrics: dict[str, float | None]


def flag_answer(
    example: str,
    system: str,
    scores: Mapping[str, Score],
    *,
    contradiction: Score = None,
    conflict_expected: bool = False,
    thresholds: FlagThresholds | None = None,
) -> Flag | None:
    """The flag of one answer, None when nothing is suspicious.

    Args:
        example: id of the example.
        system: whose answer it is.
        scores: of the claim metrics; one that is missing or None raises no flag.
        contradiction: ``contested`` of the hypotheses of answer and reference, None where one is missing.
        conflict_expected: the reference supports and refutes its hypothesis as well.
        thresholds: from where a score is suspicious.
    """
    limits = thresholds or FlagThresholds()
    found = [
        *_citations(scores),
        *_polarity(scores, limits, conflict_expected=conflict_expected),
        *_content(scores, contradiction, limits),
    ]
    if not found:
        return None
    issues = tuple(sorted(found, key=lambda issue: -_RANK[issue.severity]))
    metrics = {name: scores.get(name) for name in _SHOWN} | {"contradiction": contradiction}
    return Flag(example=example, system=system, severity=issues[0].severity, issues=issues, metrics=metrics)


_SHOWN = (
    "citation_hallucination_rate",
    "citation_recall",
    "chirality",
    "polarity_conflict",
    "mean_entailment",
)


def flag_summary(flags: Iterable[Flag], answers: int) -> dict[str, Any]:
    """How many of ``answers`` are flagged, by severity and by issue; an answer may have several issues."""
    known = list(flags)
    issues = Counter(issue.type for flag in known for issue in flag.issues)
    return {
        "answers": answers,
        "flagged": len(known),
        "share": len(known) / answers if answers else None,
        "by_severity": {name: sum(flag.severity == name for flag in known) for name in _RANK},
        "by_issue": dict(issues.most_common()),
        "several_issues": sum(len(flag.issues) > 1 for flag in known),
    }


def _citations(scores: Mapping[str, Score]) -> Iterable[FlagIssue]:
    if scores.get("parseable") == 0.0:
        yield FlagIssue(type="NO_CLAIM", severity="high", message="the answer has no claim")
        return
    invented, recall = scores.get("citation_hallucination_rate"), scores.get("citation_recall")
    if invented:
        text = f"{invented:.0%} of the cited documents are not in the prompt"
        yield FlagIssue(type="CITATION_INVALID", severity="high", message=text)
    if recall is not None and recall < 1.0:
        text = f"cites {recall:.0%} of the documents that the reference cites"
        yield FlagIssue(type="CITATION_INCOMPLETE", severity="medium", message=text)


def _polarity(
    scores: Mapping[str, Score], limits: FlagThresholds, *, conflict_expected: bool
) -> Iterable[FlagIssue]:
    if scores.get("polarity_conflict") and not conflict_expected:
        text = "the hypothesis is both supported and refuted, that of the reference is not"
        yield FlagIssue(type="POLARITY_CONFLICT", severity="high", message=text)
    chirality, overlap = scores.get("chirality"), scores.get("citation_recall")
    if chirality is not None and chirality >= limits.chirality:
        high = chirality >= limits.high_chirality and (overlap or 0.0) >= limits.overlap
        text = f"both sides of the answer stand far apart: chirality {chirality:.2f}"
        severity: Severity = "high" if high else "medium"
        yield FlagIssue(type="POLARITY_CONTRADICTION", severity=severity, message=text)


def _content(
    scores: Mapping[str, Score], contradiction: Score, limits: FlagThresholds
) -> Iterable[FlagIssue]:
    if contradiction is not None and contradiction >= limits.contradiction:
        text = f"the hypothesis may contradict that of the reference: {contradiction:.2f}"
        severity: Severity = "high" if contradiction > BY_SIMILARITY else "medium"
        yield FlagIssue(type="CONTRADICTS_REFERENCE", severity=severity, message=text)
    entailed = scores.get("mean_entailment")
    if entailed is not None and entailed < limits.entailment:
        text = f"the cited documents hardly bear the claims out: {entailed:.2f}"
        yield FlagIssue(type="WEAK_ENTAILMENT", severity="medium", message=text)
