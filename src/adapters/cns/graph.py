"""The claim graph of one answer: what relates to what.

Called by the metrics and the surrogate adapter. Relations whose ends are not both claims are left out (the
parser has reported them). Rejected: counting β₁ on directed edges, which takes a pair of opposite relations
for a loop and so depends on the direction in which a relation happens to be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...messages.claims import ClaimDocument

__all__ = [
    "ClaimGraph",
    "beta1",
    "claim_graph",
    "claims_on_cycles",
    "components",
    "cycle_count",
    "polarity_conflict",
]

Edge = tuple[int, int]


class ClaimGraph(NamedTuple):
    """Vertices are positions in ``ids``; ``edges`` are directed, in order, without repetitions."""

    ids: tuple[str, ...]
    edges: tuple[Edge, ...]


def claim_graph(document: ClaimDocument) -> ClaimGraph:
    """Claims (each id once) and the relations between them, from source to target."""
    position: dict[str, int] = {}
    for claim in document.claims:
        position.setdefault(claim.id, len(position))
    edges = {
        (position[relation.source], position[relation.target]): None
        for relation in document.relations
        if relation.source in position and relation.target in position
    }
    return ClaimGraph(tuple(position), tuple(edges))


def components(vertices: int, edges: Iterable[Edge]) -> int:
    """Connected components of the undirected graph, by union and find with path halving."""
    parent = list(range(vertices))
    count = vertices
    for left, right in edges:
        roots = []
        for node in (left, right):
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]  # noqa: PLW2901
            roots.append(node)
        if roots[0] != roots[1]:
            parent[roots[0]] = roots[1]
            count -= 1
    return count


def beta1(vertices: int, edges: Iterable[Edge]) -> int:
    """β₁ = E − V + C of the undirected simple graph: its independent loops.

    Directions, repeated edges and self-loops do not count.
    """
    simple = {(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]}
    return len(simple) - vertices + components(vertices, simple)


def cycle_count(vertices: int, edges: Sequence[Edge]) -> int:
    """Strongly connected components that hold a directed cycle (several vertices, or a self-loop)."""
    return sum(1 for _ in _cyclic_components(vertices, edges))


def claims_on_cycles(vertices: int, edges: Sequence[Edge]) -> int:
    """How many vertices lie on a directed cycle."""
    return sum(len(component) for component in _cyclic_components(vertices, edges))


def _cyclic_components(vertices: int, edges: Sequence[Edge]) -> Iterator[list[int]]:
    successors: list[list[int]] = [[] for _ in range(vertices)]
    loops = set()
    for source, target in edges:
        successors[source].append(target)
        if source == target:
            loops.add(source)
    for component in _strong_components(vertices, successors):
        if len(component) > 1 or component[0] in loops:
            yield component


def _strong_components(vertices: int, successors: list[list[int]]) -> Iterable[list[int]]:
    """Tarjan (1972), with its recursion unrolled so that a long chain does not exhaust the stack."""
    order = [-1] * vertices
    low = [0] * vertices
    on_stack = [False] * vertices
    stack: list[int] = []
    counter = 0
    for root in range(vertices):
        if order[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, step = work.pop()
            if step == 0:
                order[node] = low[node] = counter
                counter += 1
                stack.append(node)
                on_stack[node] = True
            else:
                low[node] = min(low[node], low[successors[node][step - 1]])
            for index in range(step, len(successors[node])):
                after = successors[node][index]
                if order[after] < 0:
                    work += [(node, index + 1), (after, 0)]
                    break
                if on_stack[after]:
                    low[node] = min(low[node], order[after])
            else:
                if low[node] == order[node]:
                    cut = stack.index(node)
                    component, stack[cut:] = stack[cut:], []
                    for member in component:
                        on_stack[member] = False
                    yield component


def polarity_conflict(document: ClaimDocument, target: str = "c1") -> bool | None:
    """Whether ``target`` is both supported and refuted; None when nothing relates to it."""
    known = {claim.id for claim in document.claims}
    labels = {r.label for r in document.relations if r.target == target and r.source in known}
    return len(labels) > 1 if labels else None
