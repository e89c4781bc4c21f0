"""The sections on racing: what hedging did and cost, and what happened to the slowest requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...messages.records import Attempt
from ...messages.report import RunReport, SlowRequest
from .document import Cell, Section, Table
from .inputs import stage_named
from .numbers import NONE, count, figure, latency, percent, plural
from .text import clip

__all__ = ["hedging_figures", "hedging_section", "slowest_section", "told"]

ALL = "all"
MAX_ID, MAX_WORD, MAX_REASON = 60, 200, 300
ENDED = {
    "won": "answered at",
    "lost": "answered too late at",
    "cancelled": "cancelled at",
    "failed": "failed at",
    "timed_out": "timed out at",
    "open": "let run on beyond",
}
ESTIMATE = (
    "Below each figure the estimate without hedging, from the first requests of this run (Kaplan and Meier)."
    " A first request that was cancelled is only known to have taken longer: where the slowest were all"
    " cancelled, a > says that without hedging it would have been more. With fewer than 100 requests P99 is"
    " the slowest one."
)
PRICE = (
    "Below hedged its share of the requests, below won its share of the hedged. Refused: the policy wanted a"
    " duplicate, but the budget or an open circuit breaker did not allow it. Clones are duplicates of the"
    " longest-running requests at the end, when slots are free. What a cancelled request will be billed is"
    " not known; it counts as much as the winner."
)


def hedging_figures(report: RunReport) -> dict[str, Any] | None:
    """What backend_call says of hedging; None when it was off or nothing was asked."""
    stage = stage_named(report, "backend_call")
    found: dict[str, Any] | None = stage.metrics.get("hedging") if stage is not None else None
    return found if found and found["requests"] else None


def hedging_section(report: RunReport) -> Section | None:
    """Latency with and without, how often, at which price."""
    figures = hedging_figures(report)
    if figures is None:
        return None
    systems = figures.get("systems") or {}
    rows = {**systems, ALL: figures} if systems else {ALL: figures}
    return Section(
        key="hedging",
        title="Hedging",
        lead=_lead(figures),
        tables=(_latency_table(rows), _price_table(rows)),
        figures=("latency",),
    )


def _lead(figures: Mapping[str, Any]) -> str:
    requests, hedged, wins = figures["requests"], figures["hedged"], figures["wins"]
    of = f"of {count(requests)} requests"
    policy = f"Policy: {figures['strategy']}."
    if not hedged:
        refused = f"; {count(figures['refused'])} were refused" if figures["refused"] else ""
        return f"None {of} got a duplicate{refused}. {policy}"
    with_, without, at_least = _percentiles(figures)
    about = "more than" if "p99" in at_least else "about"
    p99 = f"P99: {_seconds(with_['p99'])}, without hedging {about} {_seconds(without['p99'])}."
    won = f"got a duplicate, which won {plural(wins, 'time')}."
    return f"{count(hedged)} {of} ({percent(hedged / requests)}) {won} {p99} {policy}"


def _percentiles(
    figures: Mapping[str, Any],
) -> tuple[Mapping[str, float | None], Mapping[str, float | None], Sequence[str]]:
    """With hedging, without, and which of the latter are only known to be no lower."""
    told = figures["latency_s"]
    at_least = told.get("without_hedging_at_least", ())
    return told["with_hedging"], told["without_hedging_estimated"], at_least


def _seconds(value: float | None) -> str:
    return NONE if value is None else latency(value)


def _latency_table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    cells = []
    for name, figures in rows.items():
        with_, without, at_least = _percentiles(figures)
        pairs = [
            Cell(_seconds(with_[p]), detail=_without(with_[p], without[p], more=p in at_least)) for p in with_
        ]
        cells.append((Cell(clip(name, MAX_WORD)), Cell(count(figures["requests"])), *pairs))
    names = [name.upper() for name in next(iter(rows.values()))["latency_s"]["with_hedging"]]
    return Table(
        caption="Latency",
        heads=("system", "requests", *names),
        rows=tuple(cells),
        numeric=frozenset(range(1, len(names) + 2)),
        note=ESTIMATE,
    )


def _without(with_: float | None, without: float | None, *, more: bool) -> str:
    if with_ is None or without is None:
        return ""
    sign = "> " if more else ""
    times = f" · {sign}{without / with_:.1f} ×" if with_ > 0 and without / with_ >= 1.05 else ""
    return f"{sign}{latency(without)}{times}"


def _price_table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    heads = (
        "system", "hedged", "won", "extra requests", "refused", "cancelled", "clones", "extra tokens",
        "extra cost",
    )  # fmt: skip
    cells = tuple(
        (
            Cell(clip(name, MAX_WORD)),
            Cell(count(figures["hedged"]), detail=_share(figures["hedge_rate"])),
            Cell(count(figures["wins"]), detail=_share(figures["win_rate"])),
            Cell(count(figures["extra_requests"]), detail=_share(_part(figures["extra_requests_percent"]))),
            Cell(count(figures["refused"])),
            Cell(count(figures["cancelled"])),
            Cell(count(figures["clones"])),
            Cell(count(figures["extra_tokens"])),
            Cell(_money(figures["extra_cost_usd"])),
        )
        for name, figures in rows.items()
    )
    return Table("Duplicates and their price", heads, cells, frozenset(range(1, len(heads))), note=PRICE)


def _part(value: float | None) -> float | None:
    return None if value is None else value / 100


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)


def _money(value: float | None) -> str:
    return "unknown" if value is None else f"${figure(value)}"


def slowest_section(report: RunReport) -> Section | None:
    """The slowest requests and what happened to each."""
    if not report.slowest:
        return None
    rows = tuple(
        (
            Cell(latency(each.latency_s)),
            Cell(clip(each.example_id, MAX_ID)),
            Cell(clip(each.system, MAX_WORD), detail=f"for {each.ensemble}" if each.ensemble else ""),
            Cell(told(each)),
            Cell(clip(each.race.reason if each.race else "", MAX_REASON)),
        )
        for each in report.slowest
    )
    heads = ("took", "row", "system", "what happened", "what the policy said")
    return Section(
        key="slowest",
        title="Slowest requests",
        lead="Of the rows that were measured. Times count from when the first attempt was sent.",
        tables=(
            Table(
                caption=f"The slowest {len(rows)} requests",
                heads=heads,
                rows=rows,
                numeric=frozenset({0, 1}),
                prose=frozenset({3, 4}),
            ),
        ),
        figures=("slowest",) if any(each.race and each.race.attempts for each in report.slowest) else (),
    )


def told(request: SlowRequest) -> str:
    """One line: each attempt, when it was sent and how it ended."""
    race = request.race
    if race is None or not race.attempts:
        tries = f"{request.attempts} attempt{'s' if request.attempts > 1 else ''}"
        return f"{tries}; failed: {clip(request.error, MAX_REASON)}" if request.error else tries
    steps = "; ".join(_step(attempt, many=len(race.attempts) > 1) for attempt in race.attempts)
    if race.winner is None:
        return f"{steps}; no answer"
    return steps if len(race.attempts) == 1 else f"{steps}. The {race.winner} won."


def _step(attempt: Attempt, *, many: bool) -> str:
    sent = f" sent at {latency(attempt.started_s)}," if many else ""
    error = f" ({clip(attempt.error, MAX_WORD)})" if attempt.error else ""
    return f"{attempt.kind}{sent} {ENDED[attempt.outcome]} {latency(attempt.ended_s)}{error}"
