"""A trace as a Mermaid flowchart: which sort of span begins which, how often, and what was decided there.

Spans of one stage, kind and name are one box. Reads the trace twice; keeps 12 bytes for each span, and at
most ``MAX_BOXES`` boxes are drawn, the most numerous ones.
"""

from __future__ import annotations

from collections import Counter

from .columns import Column, Ids
from .mermaid_text import inert_label
from .query import Query
from .stored import StoredTrace
from .summary import CHOICES, Group, Sort, quantile, sort_of
from .wording import time_text, titled

__all__ = ["flowchart"]

MAX_BOXES = 150
TOLD_CHOICES = 3
NOWHERE = -1


def flowchart(trace: StoredTrace, query: Query) -> str:
    """The diagram of the spans that are meant."""
    groups: dict[Sort, Group] = {}
    choices: dict[tuple[Sort, str], Counter[str]] = {}
    box_of, ids = Column("i", NOWHERE), Ids(str(trace.path))
    numbers: dict[Sort, int] = {}
    for span in query.select(trace.spans()):
        sort = sort_of(span)
        groups.setdefault(sort, Group()).add(span)
        box_of[ids.check(span.id)] = numbers.setdefault(sort, len(numbers))
        for decision in span.decisions:
            counts = choices.setdefault((sort, decision.kind), Counter())
            counts[decision.chosen if len(counts) < CHOICES else "others"] += 1
    shown = sorted(groups, key=lambda sort: -len(groups[sort].seconds))[:MAX_BOXES]
    drawn = {numbers[sort] for sort in shown}
    arrows: Counter[tuple[int, int]] = Counter()
    for span in query.select(trace.spans()):
        if span.parent_id is not None:
            ends = int(box_of[span.parent_id]), numbers[sort_of(span)]
            if drawn.issuperset(ends):
                arrows[ends] += 1
    lines = ["flowchart LR"]
    for sort in sorted(shown, key=lambda sort: numbers[sort]):
        lines.append(f'    n{numbers[sort]}["{_box(sort, groups[sort])}"]')
        if groups[sort].statuses["error"]:
            lines.append(f"    class n{numbers[sort]} failed")
    lines += [f"    n{parent} -->|{count}| n{child}" for (parent, child), count in sorted(arrows.items())]
    for number, ((sort, kind), counts) in enumerate(choices.items()):
        if numbers[sort] in drawn:
            lines.append(f'    d{number}{{{{"{_choice(kind, counts)}"}}}}')
            lines.append(f"    n{numbers[sort]} -.- d{number}")
    if len(groups) > len(shown):
        lines.append(f'    more["{len(groups) - len(shown)} more sorts of spans are left out"]')
    lines.append("    classDef failed stroke:#b3261e,stroke-width:2px")
    return "\n".join(lines) + "\n"


def _box(sort: Sort, group: Group) -> str:
    count = len(group.seconds)
    told = [inert_label(titled(sort.kind, sort.name))]
    if count > 1:
        told.append(f"{count} spans, median {time_text(quantile(sorted(group.seconds), 0.5))}")
    else:
        told.append(time_text(group.seconds[0]))
    told += [
        f"{group.statuses[each]} {each}" for each in ("error", "cancelled", "open") if group.statuses[each]
    ]
    return "<br/>".join(told)


def _choice(kind: str, counts: Counter[str]) -> str:
    told = [inert_label(kind)]
    told += [f"{count} x {inert_label(chosen, 40)}" for chosen, count in counts.most_common(TOLD_CHOICES)]
    if len(counts) > TOLD_CHOICES:
        told.append(f"{len(counts) - TOLD_CHOICES} other choices")
    return "<br/>".join(told)
