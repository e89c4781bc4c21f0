"""Do the spans of a trace fit together? Every parent there, no cycle, every part inside its whole.

Reads the trace twice and keeps about 26 bytes for each span. A part may end after its whole when it was
cancelled, which takes a moment, or when it lost a race and was let run; it then has the attribute ``loser``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...messages.trace import Span
from .columns import Column, Ids
from .stored import StoredTrace

__all__ = ["Relations", "check_relations"]

TOLERANCE_S = 0.001
LISTED = 100
NOBODY = -1
ABSENT = -2


@dataclass(slots=True)
class Relations:
    """What was found."""

    spans: int = 0
    problems: list[str] = field(default_factory=list)
    """The first hundred."""
    count: int = 0
    """All problems."""
    lost_parents: int = 0
    """Spans whose parent was still open when the run was killed; only in a trace that is cut off."""
    cut_off: bool = False

    def add(self, problem: str) -> None:
        """One more."""
        self.count += 1
        if len(self.problems) < LISTED:
            self.problems.append(problem)


class _Tree:
    def __init__(self) -> None:
        self.parent = Column("q", ABSENT)
        self.start = Column("d", 0.0)
        self.end = Column("d", 0.0)
        self.open = Column("b", 0)
        self.roots = 0

    def add(self, span: Span) -> None:
        self.parent[span.id] = NOBODY if span.parent_id is None else span.parent_id
        self.start[span.id], self.end[span.id] = span.start_s, span.end_s
        self.open[span.id] = span.status == "open"
        self.roots += span.parent_id is None

    def cyclic(self) -> set[int]:
        """The spans that are their own ancestors."""
        unseen, on_path, done = 0, 1, 2
        state, found = Column("b", unseen), set[int]()
        for number in range(len(self.parent)):
            path, here = [], number
            while here >= 0 and self.parent[here] != ABSENT and state[here] == unseen:
                state[here] = on_path
                path.append(here)
                here = int(self.parent[here])
            if here >= 0 and state[here] == on_path:
                found.update(path[path.index(here) :])
            for each in path:
                state[each] = done
        return found


def check_relations(trace: StoredTrace) -> Relations:
    """Look at every span. Raises DatasetError for a file that is no trace."""
    found, tree, ids = Relations(), _Tree(), Ids(str(trace.path))
    for span in trace.spans():
        found.spans += 1
        if tree.parent[ids.check(span.id)] != ABSENT:
            found.add(f"{_named(span)}: another span has its id")
        tree.add(span)
    found.cut_off = trace.cut_off
    if tree.roots != 1 and not (trace.cut_off and not tree.roots):
        found.add(f"{tree.roots} spans have no parent: expected one, the run")
    cyclic = tree.cyclic()
    for span in trace.spans():
        _check(span, tree, cyclic, found)
    return found


def _check(span: Span, tree: _Tree, cyclic: set[int], found: Relations) -> None:
    if span.end_s < span.start_s:
        found.add(f"{_named(span)}: ends before it begins")
    if span.id in cyclic:
        found.add(f"{_named(span)}: is its own ancestor")
        return
    parent = span.parent_id
    if parent is None:
        return
    if tree.parent[parent] == ABSENT:
        if found.cut_off:
            found.lost_parents += 1
        else:
            found.add(f"{_named(span)}: its parent {parent} is not in the trace")
        return
    early = tree.start[parent] - span.start_s
    if early > TOLERANCE_S:
        found.add(f"{_named(span)}: begins {early:.3g} s before its parent {parent}")
    late = span.end_s - tree.end[parent]
    outlives = span.status == "cancelled" or bool(span.attributes.get("loser")) or bool(tree.open[parent])
    if late > TOLERANCE_S and not outlives:
        found.add(f"{_named(span)}: ends {late:.3g} s after its parent {parent}")


def _named(span: Span) -> str:
    return f"span {span.id} ({span.kind} {span.name!r})"
