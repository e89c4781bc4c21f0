"""The section of the rows on which the members of an ensemble agreed least, with every ballot."""

from __future__ import annotations

from ...actors.reference import right_answers
from ...messages.records import Ballots
from ...messages.report import Disagreement, RunReport
from .document import Quote, QuotedText, Section
from .inputs import MAX_ANSWER, MAX_INPUT, MAX_WORD
from .numbers import figure, plural
from .text import clip

__all__ = ["disagreement_section"]

MAX_SCORES = 6
MAX_KEY = 40
LONG = 200
"""Characters from which a ballot is folded away."""


def disagreement_section(report: RunReport) -> Section | None:
    """None when the members never disagreed."""
    if not report.disagreements:
        return None
    rows = plural(len(report.disagreements), "row")
    return Section(
        key="disagreements",
        title="Disagreements",
        lead=f"The {rows} on which the members agreed least, and what each of them said.",
        quotes=tuple(_quote(each) for each in report.disagreements),
    )


def _quote(found: Disagreement) -> Quote:
    example, output, ballots = found.example, found.output, found.output.ballots
    assert ballots is not None
    texts = [QuotedText("input", clip(example.input, MAX_INPUT))]
    texts += [QuotedText("reference", clip(answer, MAX_ANSWER)) for answer in right_answers(example)]
    answer = output.text if output.error is None else f"no answer: {output.error}"
    texts.append(QuotedText(f"{output.system}, the outcome", clip(answer or "(no answer)", MAX_ANSWER)))
    tie = f", the tie broken by {ballots.tie_rule}" if ballots.tie_rule else ""
    told = (clip(example.id, MAX_WORD), clip(f"{ballots.reason}{tie}", MAX_WORD), _scores(ballots))
    return Quote(
        title=f"Agreement {figure(ballots.agreement)}, {ballots.status.replace('_', ' ')}",
        facts=" · ".join(part for part in told if part),
        texts=(*texts, *_ballots(ballots)),
    )


def _ballots(ballots: Ballots) -> list[QuotedText]:
    texts = []
    for member in ballots.members:
        told = "won" if member.system == ballots.winner_member else ""
        if member.system in ballots.abstained:
            told = f"abstained: {ballots.abstained[member.system]}"
        sure = "" if member.confidence is None else f"confidence {figure(member.confidence)}"
        label = ", ".join(part for part in (member.system, told, sure) if part)
        answer = member.text if member.error is None else f"failed: {member.error}"
        shown = clip(answer or "(empty)", MAX_ANSWER)
        texts.append(QuotedText(clip(label, MAX_WORD), shown, folded=len(shown) > LONG))
    why = ballots.stopped or "not needed"
    texts += [QuotedText(f"{name}, cancelled", f"({why})") for name in ballots.cancelled]
    texts += [QuotedText(f"{name}, not asked", f"({why})") for name in ballots.not_asked]
    return texts


def _scores(ballots: Ballots) -> str:
    ranked = sorted(ballots.scores.items(), key=lambda item: -item[1])
    told = ", ".join(f"{clip(key, MAX_KEY)} {figure(score)}" for key, score in ranked[:MAX_SCORES])
    more = f" and {len(ranked) - MAX_SCORES} more" if len(ranked) > MAX_SCORES else ""
    return f"scores: {told}{more}" if told else ""
