"""The section on the dialectic: how it ended, scores by round, who argued, and a few examples in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...messages.claims import Challenge, Sno
from ...messages.dialectic import HEURISTIC
from ...messages.records import DialecticRound
from ...messages.report import RunReport, ShownDialectic
from .document import Cell, Quote, QuotedText, Section, Table
from .inputs import MAX_ANSWER, MAX_WORD, stage_named
from .numbers import NONE, count, figure, latency, percent, plural
from .text import clip

__all__ = ["dialectic_figures", "dialectic_section", "shown_dialectics"]

REASONS = {
    "target": "the critics' score reached the target",
    "coherent": "confidence, coherence and evidence reached their bars",
    "no_conflict": "the antagonist had nothing of weight left",
    "apart": "both sides rest on different evidence",
    "settled": "text and score no longer changed",
    "max_rounds": "the most rounds were held",
}
MAX_PARTS = 30


def dialectic_figures(report: RunReport) -> dict[str, Any] | None:
    """What the stage counted; None when nothing was argued over."""
    stage = stage_named(report, "dialectic")
    return stage.metrics if stage is not None and stage.metrics.get("examples") else None


def shown_dialectics(figures: Mapping[str, Any]) -> list[ShownDialectic]:
    """The examples that the stage kept."""
    return [msgspec.convert(each, ShownDialectic) for each in figures.get("shown", ())]


def dialectic_section(report: RunReport) -> Section | None:
    """How the arguments went."""
    figures = dialectic_figures(report)
    if figures is None:
        return None
    call = stage_named(report, "backend_call")
    agents = call.metrics.get("dialectic", {}) if call is not None else {}
    shown = shown_dialectics(figures)
    tables = [_reasons(figures), _rounds(figures), *([_agents(agents)] if agents else [])]
    if figures["resolutions"]:
        tables.append(_challenges(figures))
    return Section(
        key="dialectic",
        title="Dialectic",
        lead=_lead(figures, agents),
        tables=tuple(tables),
        figures=("dialectic", "argument"),
        quotes=tuple(_quote(each) for each in shown),
    )


def _lead(figures: Mapping[str, Any], agents: Mapping[str, Any]) -> str:
    first, last = figures["thesis_score"], figures["answer_score"]
    said = [
        f"{plural(figures['examples'], 'answer')} were argued over. The critics give the theses"
        f" {figure(first)} and the answers {figure(last)} on average."
        if figures["examples"] != 1
        else f"One answer was argued over. The critics give the thesis {figure(first)}, the answer"
        f" {figure(last)}."
    ]
    ruled = [name for name, each in agents.items() if each["steps"] and "requests" not in each]
    if ruled:
        names = " and the ".join(ruled)
        said.append(f"The {names} went by rules ({HEURISTIC}); no model was asked.")
    stood = {name: each["fallbacks"] for name, each in agents.items() if each["fallbacks"]}
    if stood:
        told = ", ".join(f"{name} {count(number)}" for name, number in stood.items())
        said.append(f"Rules stood in for a model that failed or said nothing of use: {told} times.")
    said.append("The critics judge form, wording and evidence by rules of their own, not truth.")
    return " ".join(said)


def _reasons(figures: Mapping[str, Any]) -> Table:
    total = figures["examples"]
    rows = tuple(
        (Cell(REASONS.get(name, name)), Cell(count(number)), Cell(percent(number / total)))
        for name, number in figures["reasons"].items()
    )
    held = "; ".join(f"{plural(int(number), 'round')}: {count(n)}" for number, n in figures["rounds"].items())
    rounds = f"Rounds that were begun, and on how many examples: {held}."
    return Table("Why it ended", ("reason", "examples", "share"), rows, frozenset({1, 2}), note=rounds)


def _rounds(figures: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            Cell("thesis" if each["round"] == 0 else f"round {each['round']}"),
            Cell(figure(each["score"])),
            Cell(NONE if each["low"] is None else f"{figure(each['low'])} to {figure(each['high'])}"),
            Cell(count(each["n"])),
            Cell(count(each["reached"])),
            Cell(each["interval_by"]),
        )
        for each in figures["by_round"]
    )
    level = next((each["level"] for each in figures["by_round"] if each["level"] is not None), None)
    interval = "interval" if level is None else f"{percent(level)} interval"
    note = "Means over all examples; one that has ended keeps its last score."
    heads = ("after", "critics' score", interval, "n", "examples that got there", "interval by")
    return Table("Score by round", heads, rows, frozenset({1, 3, 4}), note=note)


def _agents(agents: Mapping[str, Any]) -> Table:
    rows = []
    for name, each in agents.items():
        asked = each.get("requests") or {}
        cost = asked.get("cost_usd")
        texts = (
            name,
            asked.get("backend", HEURISTIC),
            count(each["steps"]),
            count(each["by_rules"]),
            count(each["fallbacks"]),
            count(each["with_unread_lines"]),
            count(asked.get("failed", 0)),
            count(asked.get("prompt_tokens", 0) + asked.get("completion_tokens", 0)),
            NONE if not asked or asked["latency_s"]["p50"] is None else latency(asked["latency_s"]["p50"]),
            NONE if not asked else "unknown" if cost is None else f"${figure(cost)}",
        )
        rows.append(tuple(map(Cell, texts)))
    heads = ("agent", "asks", "steps", "by rules", "stood in for", "with unread lines", "failed", "tokens")
    firsts = [
        f"{name}: {clip(each['first_fallback'], MAX_WORD)}"
        for name, each in agents.items()
        if each["first_fallback"]
    ]
    note = f"First reason why rules stood in. {'; '.join(firsts)}." if firsts else ""
    return Table("Agents", (*heads, "P50", "cost"), tuple(rows), frozenset(range(2, 10)), note=note)


def _challenges(figures: Mapping[str, Any]) -> Table:
    kinds, ends = figures["challenges"], figures["resolutions"]
    rows = [(Cell(f"of type {name.replace('_', ' ')}"), Cell(count(n))) for name, n in kinds.items()]
    rows += [(Cell(f"in the end {name}"), Cell(count(n))) for name, n in ends.items()]
    return Table("Challenges", ("challenges", "number"), tuple(rows), frozenset({1}), folded=True)


def _quote(shown: ShownDialectic) -> Quote:
    record = shown.dialectic
    texts = [QuotedText(f"thesis, {_by(record.thesis)}", _object(record.thesis))]
    for each in record.rounds:
        texts += _round_texts(each)
    scores = [record.assessment.score]
    scores += [each.assessment.score for each in record.rounds if each.assessment is not None]
    told = " → ".join(figure(score) for score in scores)
    return Quote(
        title=f"{clip(shown.example_id, MAX_WORD)}, critics' score {told}",
        facts=clip(f"{REASONS.get(record.reason, record.reason)}: {record.why}", MAX_WORD),
        texts=tuple(texts),
    )


def _round_texts(found: DialecticRound) -> list[QuotedText]:
    texts = []
    if found.challenges:
        lines = "\n".join(_line(each) for each in found.challenges)
        texts.append(QuotedText(f"round {found.number}, challenges", clip(lines, MAX_ANSWER)))
    if found.antithesis is not None:
        label = f"round {found.number}, antithesis, {_by(found.antithesis)}"
        texts.append(QuotedText(label, _object(found.antithesis)))
    if found.synthesis is not None:
        label = f"round {found.number}, synthesis, {_by(found.synthesis)}"
        texts.append(QuotedText(label, _object(found.synthesis)))
    return texts


def _line(challenge: Challenge) -> str:
    kind = challenge.type.replace("_", " ")
    return (
        f"{kind}, {challenge.severity}: {challenge.description} [{challenge.resolution}, {challenge.method}]"
    )


def _by(sno: Sno) -> str:
    return clip(sno.provenance.method, MAX_WORD) if sno.provenance is not None else "unknown"


def _object(sno: Sno) -> str:
    labels = {r.source: r.label for r in sno.relations if r.target == sno.id}
    shown = sno.children[:MAX_PARTS]
    lines = [sno.claim, *(f"  {labels.get(part.id, 'beside')}: {part.claim}" for part in shown)]
    if len(sno.children) > MAX_PARTS:
        lines.append(f"  … {len(sno.children) - MAX_PARTS} more")
    return clip("\n".join(lines), MAX_ANSWER)
