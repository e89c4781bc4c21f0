from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.cns import parse_claims
from crucible.adapters.cns.graph import beta1, claim_graph, components, cycle_count, polarity_conflict

TRIANGLE = [(0, 1), (1, 2), (2, 0)]


def complete(size: int) -> list[tuple[int, int]]:
    return list(combinations(range(size), 2))


@pytest.mark.parametrize(
    ("vertices", "edges", "loops"),
    [
        (0, [], 0),
        (3, [], 0),
        (3, TRIANGLE, 1),
        (4, complete(4), 3),
        (5, complete(5), 6),
        (4, [(0, 1), (1, 2), (1, 3)], 0),
        (6, [*TRIANGLE, (3, 4), (4, 5), (5, 3)], 2),
        (4, [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)], 2),
        (2, [(0, 1), (1, 0)], 0),
        (1, [(0, 0)], 0),
    ],
)
def test_beta1_of_known_graphs(vertices: int, edges: list[tuple[int, int]], loops: int) -> None:
    assert beta1(vertices, edges) == loops


@pytest.mark.parametrize(
    ("vertices", "edges", "cycles"),
    [
        (3, TRIANGLE, 1),
        (4, [(0, 1), (0, 2), (1, 3), (2, 3)], 0),
        (2, [(0, 1), (1, 0)], 1),
        (2, [(0, 0)], 1),
        (6, [*TRIANGLE, (2, 3), (3, 4), (4, 5), (5, 3)], 2),
        (0, [], 0),
    ],
)
def test_directed_cycles_of_known_graphs(vertices: int, edges: list[tuple[int, int]], cycles: int) -> None:
    assert cycle_count(vertices, edges) == cycles


def test_a_long_cycle_does_not_exhaust_the_stack() -> None:
    size = 20_000
    assert cycle_count(size, [(i, (i + 1) % size) for i in range(size)]) == 1


EDGES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20)


@given(EDGES)
def test_cycle_count_agrees_with_reachability(edges: list[tuple[int, int]]) -> None:
    reach = [[(i, j) in edges for j in range(7)] for i in range(7)]
    for k in range(7):
        for i in range(7):
            for j in range(7):
                reach[i][j] = reach[i][j] or (reach[i][k] and reach[k][j])
    on_cycle = [i for i in range(7) if reach[i][i]]
    groups = {frozenset(j for j in on_cycle if reach[i][j] and reach[j][i]) for i in on_cycle}
    assert cycle_count(7, edges) == len(groups)


@given(EDGES)
def test_beta1_is_not_negative_and_ignores_direction_and_repetition(edges: list[tuple[int, int]]) -> None:
    value = beta1(7, edges)
    assert value >= 0
    assert value == beta1(7, [(b, a) for a, b in edges] + edges)


def test_components_count_lone_vertices() -> None:
    assert components(4, [(0, 1)]) == 3


def test_the_claim_graph_takes_each_claim_once_and_drops_dangling_relations() -> None:
    text = "CLAIM[c1]: a\nCLAIM[c2]: b\nCLAIM[c2]: c\nRELATION: c2 supports c1\nRELATION: c2 refutes c9"
    graph = claim_graph(parse_claims(text))
    assert graph.ids == ("c1", "c2")
    assert graph.edges == ((1, 0),)


@pytest.mark.parametrize(
    ("labels", "conflict"), [((), None), (("supports",), False), (("supports", "refutes"), True)]
)
def test_polarity_conflict_is_both_labels_at_c1(labels: tuple[str, ...], conflict: bool | None) -> None:
    lines = ["CLAIM[c1]: a", "CLAIM[c2]: b"] + [f"RELATION: c2 {label} c1" for label in labels]
    assert polarity_conflict(parse_claims("\n".join(lines))) is conflict
