"""A trace as lines of text: figures, spans that were asked for, problems, differences between two runs.

Names and answers in a trace are foreign: every one of them goes through ``visible``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...messages.trace import Decision, Span
from ..reports.text import visible
from .diff import Change, Pace, TraceDiff
from .query import example_of, stage_of
from .relations import Relations
from .summary import TraceSummary, quantile
from .wording import time_text, titled

__all__ = ["diff_lines", "relation_lines", "span_lines", "summary_lines"]

CUT_OFF = "the trace is cut off: the run was killed or still works"
TOLD_CHOICES = 5
LONGEST = 100
CHANGES = {
    "new": "only in the second",
    "missing": "only in the first",
    "status": "ended otherwise",
    "decision": "decided otherwise",
    "slower": "slower",
}


def summary_lines(summary: TraceSummary, *, cut_off: bool) -> Iterator[str]:
    """Counts and times by sort of span, decisions, tokens and cost."""
    named = (
        "trace" if summary.run is None else _flat(str(summary.run.attributes.get("run", summary.run.name)))
    )
    yield f"{named}: {summary.spans} spans in {time_text(summary.end_s)}"
    if cut_off:
        yield CUT_OFF
    rows: list[tuple[str, ...]] = [("stage", "kind", "name", "spans", "failed", "median", "p99", "longest")]
    for sort, group in summary.ordered():
        ascending = sorted(group.seconds)
        times = (quantile(ascending, 0.5), quantile(ascending, 0.99), ascending[-1])
        failed = len(ascending) - group.statuses["ok"]
        counts = (str(len(ascending)), str(failed or "-"), *map(time_text, times))
        rows.append((_flat(sort.stage) or "-", sort.kind, _flat(sort.name), *counts))
    yield ""
    yield from _table(rows, left=3)
    for kind, chosen in sorted(summary.decisions.items()):
        yield ""
        yield f"{_flat(kind)}: {_counted(chosen.total(), 'decision')}"
        for choice, count in chosen.most_common(TOLD_CHOICES):
            yield f"  {count} x {_flat(choice)}"
        if len(chosen) > TOLD_CHOICES:
            yield f"  and {len(chosen) - TOLD_CHOICES} other choices"
    if summary.input_tokens or summary.output_tokens:
        yield ""
        cost = f", {summary.cost_usd:.6g} USD" if summary.cost_usd else ""
        yield f"calls: {summary.input_tokens} input tokens, {summary.output_tokens} output tokens{cost}"


def span_lines(span: Span) -> Iterator[str]:
    """A span on a line, and its decisions below it."""
    took = time_text(span.end_s - span.start_s)
    about = example_of(span)
    where = f"{_flat(stage_of(span)) or '-'} {titled(span.kind, _flat(span.name))}"
    error = span.attributes.get("error")
    parts = [f"{span.start_s:10.4f} s {took:>10}  #{span.id} {where}"]
    parts += [_flat(about)] if about else []
    parts += [span.status] if span.status != "ok" else []
    parts += [_flat(str(error))] if error else []
    yield "  ".join(parts)
    for decision in span.decisions:
        yield f"{'':26}{_decision(decision)}"


def _decision(decision: Decision) -> str:
    told = f"{_flat(decision.kind)}: {_flat(decision.chosen)}"
    told += f" for {_flat(decision.subject)}" if decision.subject else ""
    told += f", because {_flat(decision.why)}" if decision.why else ""
    if decision.alternatives:
        told += f"; instead of {', '.join(map(_flat, decision.alternatives[:TOLD_CHOICES]))}"
    if decision.confidence is not None:
        told += f"; confidence {decision.confidence:.3g}"
    return told


def relation_lines(path: Path, found: Relations) -> Iterator[str]:
    """The problems, and how much was looked at."""
    for problem in found.problems:
        yield visible(f"{path}: {problem}")
    if found.count > len(found.problems):
        yield f"{path}: {found.count - len(found.problems)} more problems"
    if found.cut_off:
        yield f"{path}: {CUT_OFF}"
    if found.lost_parents:
        yield f"{path}: {found.lost_parents} spans belong to work that was under way then"
    yield f"{path}: {_counted(found.spans, 'span')}, {_counted(found.count, 'problem')}"


def diff_lines(found: TraceDiff) -> Iterator[str]:
    """Times of each sort of span side by side, then the changes."""
    rows: list[tuple[str, ...]] = [("stage", "kind", "name", "spans", "", "median", "", "p99", "")]
    rows += [_pace(pace) for pace in found.paces]
    yield from _table(rows, left=3)
    yield ""
    counts = ", ".join(f"{found.counts[what]} {told}" for what, told in CHANGES.items() if found.counts[what])
    yield f"{_counted(found.same, 'span')} in both; {counts or 'no differences'}"
    for what, told in CHANGES.items():
        changes = found.listed.get(what, [])
        if changes:
            yield ""
            yield f"{told}:"
        yield from map(_change, changes)
        if found.counts[what] > len(changes):
            yield f"  and {found.counts[what] - len(changes)} more"


def _change(change: Change) -> str:
    sort = change.sort
    named = f"{_flat(sort.stage) or '-'} {titled(sort.kind, _flat(sort.name))}"
    about = f" {_flat(change.example)}" if change.example else ""
    values = [_flat(each) for each in (change.before, change.after) if each]
    return f"  {named}{about}: {' -> '.join(values)}"


def _pace(pace: Pace) -> tuple[str, ...]:
    sort, (count, *times), (count_now, *times_now) = pace.sort, pace.before, pace.after
    cells = [str(count), f"-> {count_now}"]
    for was, now in zip(times, times_now, strict=True):
        cells += [time_text(was) if count else "-", f"-> {time_text(now)}" if count_now else "-> -"]
    return (_flat(sort.stage) or "-", sort.kind, _flat(sort.name), *cells)


def _table(rows: list[tuple[str, ...]], *, left: int) -> Iterator[str]:
    """Columns; the first ``left`` are text, the others numbers."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < left or cell.startswith("->") else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _flat(text: str) -> str:
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
