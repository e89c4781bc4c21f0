"""The section on votes: outcomes, members, errors made together, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...messages.report import RunReport
from ..statistics.intervals import wilson_interval
from .document import Cell, Section, Table
from .inputs import MAX_WORD, stage_named
from .numbers import NONE, count, figure, latency, percent, plural
from .text import clip

__all__ = ["vote_figures", "vote_section"]

MAX_MEMBERS = 50
MAX_PAIRS = 10
WILSON = (
    "Below each share its {level} interval and its n, by Wilson, as if {what} had nothing to do with each"
    " other; where the data have groups, go by the table of scores."
)
RARE = ("failed", "abstained", "cancelled", "not_asked")
"""Counts that have a column when any member has one."""


def vote_figures(report: RunReport) -> dict[str, Any] | None:
    """What backend_call says of the ensemble; None when nobody voted."""
    stage = stage_named(report, "backend_call")
    found: dict[str, Any] | None = stage.metrics.get("ensemble") if stage is not None else None
    return found if found and found["questions"] else None


def vote_section(report: RunReport) -> Section | None:
    """How the votes went and how far to trust them."""
    figures = vote_figures(report)
    if figures is None:
        return None
    level = report.experiment.reliability.stats.confidence_level
    tables = [_outcome_table(figures), _member_table(figures, level)]
    if any(pair["items"] for pair in figures["error_correlations"]):
        tables.append(_pair_table(figures))
    calibrated = bool(figures["calibration"]["judged"])
    if calibrated:
        tables.append(_calibration_table(figures["calibration"]))
    return Section(
        key="votes",
        title="Votes",
        lead=_lead(figures),
        tables=tuple(tables),
        figures=("reliability",) if calibrated else (),
    )


def _lead(figures: Mapping[str, Any]) -> str:
    members, effective = len(figures["members"]), figures["effective_voters"]
    first = (
        f"{members} members answered {plural(figures['questions'], 'question')} ({figures['strategy']},"
        f" {figures['execution']}, compared as {figures['normalizer']}). They disagreed on"
        f" {count(figures['disagreements'])}; {count(figures['decided'])} were decided."
    )
    said = [first]
    if effective is not None:
        more = " More of the same kind would add little." if effective < members / 2 else ""
        said.append(f"By their errors they are worth {effective:.1f} independent voters.{more}")
    return " ".join([*said, *_harm(figures)])


def _harm(figures: Mapping[str, Any]) -> list[str]:
    """Said when one member alone does better."""
    measure = "F1 of the claims" if figures["judged_by"] == "claim" else "share that is right"
    known = {name: _value(member) for name, member in figures["members"].items()}
    told = {name: value for name, value in known.items() if value is not None}
    best, vote = max(told, key=lambda name: told[name], default=None), _value(figures)
    if best is None or vote is None or vote >= told[best]:
        return []
    return [f"{best} alone does better than the vote: {measure} {figure(told[best])} against {figure(vote)}."]


def _value(found: Mapping[str, Any]) -> float | None:
    """The share that is right; over claims F1 of those found and those right."""
    share: float | None = found["accuracy"]
    if "precision" not in found or share is None:
        return share
    right = found["precision"] or 0.0
    return 2 * share * right / (share + right) if share + right else 0.0


def _outcome_table(figures: Mapping[str, Any]) -> Table:
    questions, early = figures["questions"], figures["early_stop"]
    lines = [
        ("decided", figures["decided"]),
        ("no consensus", figures["no_consensus"]),
        ("no member answered", figures["no_answers"]),
        ("members disagreed", figures["disagreements"]),
        ("a tie was broken", figures["ties"]),
        ("ended before all had answered", early["stopped"]),
    ]
    rows = tuple((Cell(name), Cell(count(n)), Cell(percent(n / questions))) for name, n in lines)
    note = f"Mean agreement of the members: {figure(figures['mean_agreement'])}."
    if early["stopped"]:
        possible = early["requests"] + early["not_asked"]
        note += (
            f" Of {plural(possible, 'request')} {count(early['not_asked'])} were not sent, and"
            f" {count(early['cancelled'])} were cancelled while they ran."
        )
    learned = figures.get("learned")
    if learned and learned["rows"]:
        cost = "" if learned["cost_usd"] is None else f", ${figure(learned['cost_usd'])}"
        note += (
            f" Before that, {plural(learned['rows'], 'row')} of the validation split were asked to learn"
            f" from: {plural(learned['requests'], 'request')}{cost}."
        )
    return Table("Outcomes", ("outcome", "questions", "share"), rows, frozenset({1, 2}), note=note)


def _member_table(figures: Mapping[str, Any], level: float) -> Table:
    claims = figures["judged_by"] == "claim"
    weights, learned = figures.get("weights"), (figures.get("dawid_skene") or {}).get("reliability")
    counts = ["asked", *(key for key in RARE if any(each[key] for each in figures["members"].values()))]
    quality = ["claims found", "claims right"] if claims else ["with the winner", "right"]
    more = [name for name, there in (("weight", weights), ("reliability", learned)) if there]
    heads = ("member", "backend", *(name.replace("_", " ") for name in counts), *quality, *more)
    heads = (*heads, "P50", "P99", "cost")
    rows = []
    for name, member in list(figures["members"].items())[:MAX_MEMBERS]:
        extra = [figure(known.get(name)) for known in (weights, learned) if known]
        times = [member["latency_s"][p] for p in ("p50", "p99")]
        cost = "unknown" if member["cost_usd"] is None else f"${figure(member['cost_usd'])}"
        texts = (
            clip(name, MAX_WORD),
            member["backend"],
            *(count(member[key]) for key in counts),
        )
        rows.append(
            (
                *map(Cell, texts),
                *_quality(member, None if claims else member["with_the_winner"], level),
                *map(Cell, (*extra, *(NONE if value is None else latency(value) for value in times), cost)),
            )
        )
    if figures["accuracy"] is not None:
        blank = [Cell(NONE)] * (len(more) + 3)
        own = _quality(figures, None if claims else figures["decided"], level)
        rows.append((Cell("the\u00a0vote"), *[Cell(NONE)] * (len(counts) + 1), *own, *blank))
    note = _judged_note(figures, claims=claims, level=level)
    if len(figures["members"]) > MAX_MEMBERS:
        note += f" Only {MAX_MEMBERS} of {len(figures['members'])} members are shown; report.json has all."
    return Table("Members", heads, tuple(rows), frozenset(range(2, len(heads))), note=note)


def _quality(found: Mapping[str, Any], with_winner: int | None, level: float) -> list[Cell]:
    if with_winner is None:
        return [_rate(found, "accuracy", level), _rate(found, "precision", level)]
    return [Cell(count(with_winner)), _rate(found, "accuracy", level)]


def _rate(found: Mapping[str, Any], name: str, level: float) -> Cell:
    """A share with Wilson's interval and what it is a share of."""
    value, n = found[name], found[f"{name}_n"]
    if value is None:
        return Cell(NONE)
    limits = wilson_interval(round(value * n), n, level)
    return Cell(percent(value), detail=f"{percent(limits.low)} to {percent(limits.high)} of {count(n)}")


def _judged_note(figures: Mapping[str, Any], *, claims: bool, level: float) -> str:
    judged = figures["judged"]
    if not judged:
        return "No row has a reference, so that nobody is known to be right or wrong."
    if claims:
        return (
            f"Claims found: the share of the {plural(judged, 'claim')} of the references that it makes, the"
            " hypothesis aside. Claims right: the share of its claims that the reference makes."
            f" {WILSON.format(level=percent(level), what='claims')}"
        )
    return (
        f"Right: the share of its votes that agree with the reference, on {plural(judged, 'question')}."
        f" {WILSON.format(level=percent(level), what='questions')}"
    )


def _pair_table(figures: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            Cell(clip(pair["left"], MAX_WORD)),
            Cell(clip(pair["right"], MAX_WORD)),
            Cell(figure(pair["correlation"])),
            Cell(count(pair["both_wrong"])),
            Cell(count(pair["items"])),
        )
        for pair in figures["error_correlations"]
    )
    return Table(
        caption="Errors made together",
        heads=("member", "and", "correlation", "both wrong", "of"),
        rows=rows,
        numeric=frozenset({2, 3, 4}),
        note=f"Mean correlation: {figure(figures['mean_error_correlation'])}. At 1 two members are one, at 0"
        f" their errors are independent. {NONE} where one of them is never or always wrong.",
        folded=len(rows) > MAX_PAIRS,
    )


def _calibration_table(calibration: Mapping[str, Any]) -> Table:
    shown = [("as given", calibration["before"]), ("calibrated", calibration["after"])]
    rows = tuple(
        (Cell(name), Cell(figure(report["error"])), Cell(figure(report["brier"])))
        for name, report in shown
        if report is not None
    )
    heads = ("confidence", "expected error", "Brier score")
    return Table("Calibration", heads, rows, frozenset({1, 2}), note=_calibration_note(calibration))


def _calibration_note(calibration: Mapping[str, Any]) -> str:
    note = f"Over {plural(calibration['judged'], 'confidence')} whose outcome is known."
    if calibration["method"] == "off":
        return f"{note} Nothing was calibrated: calibration in [reliability.ensemble] is off."
    if calibration["after"] is None:
        return f"{note} The validation split has too few rows with a reference to learn a calibration from."
    learned = calibration["learned_from"]
    return f"{note} Learned ({calibration['method']}) from {count(learned)} others, of the validation split."
