import math

import pytest

from crucible.adapters.http.dashboard.drawing import chart, claim_graph, dots, ticks


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (0.3, 0.3, [0.3]),
        (0.0, 100.0, [0.0, 25.0, 50.0, 75.0, 100.0]),
        (-1.0, 1.0, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (3.0, 2447.0, [1000.0, 2000.0]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, found: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(found)


def test_a_chart_puts_low_values_low_and_later_ones_right() -> None:
    drawn = chart({"a": [(0, 0.0), (10, 1.0)]}, x_label="step", bounds=(0.0, 1.0))
    assert drawn is not None
    [line] = drawn.lines
    (x0, y0), (x1, y1) = (tuple(map(float, each.split())) for each in line.path[1:].split("L"))
    assert x0 < x1
    assert y0 > y1
    assert line.last == (x1, y1)
    assert drawn.description == "a: last 1"


def test_a_chart_leaves_out_what_is_no_number_and_says_what_it_did_not_draw() -> None:
    assert chart({"a": [(0, math.nan), (1, math.inf)], "b": []}, x_label="x") is None
    drawn = chart({f"m{number}": [(0, 1.0)] for number in range(9)}, x_label="x")
    assert drawn is not None
    assert (len(drawn.lines), drawn.left_out) == (6, 3)


def test_claims_stand_in_rows_by_their_distance() -> None:
    graph = claim_graph(
        [("c1", "main"), ("c2", "first"), ("c3", "second")],
        [("c2", "supports", "c1"), ("c3", "refutes", "c2"), ("c3", "supports", "c9")],
    )
    assert graph is not None
    heights = {node.id: node.y for node in graph.nodes}
    assert heights["c1"] < heights["c2"] < heights["c3"]
    assert [edge.title for edge in graph.edges] == ["c2 supports c1", "c3 refutes c2"]


def test_cycles_and_claims_about_themselves_are_drawn() -> None:
    graph = claim_graph(
        [("a", ""), ("b", "")], [("a", "supports", "b"), ("b", "supports", "a"), ("a", "refutes", "a")]
    )
    assert graph is not None
    assert len(graph.edges) == 3
    assert all(node.x >= 0 and node.x + graph.node_width <= graph.width for node in graph.nodes)


def test_many_claims_wrap_and_the_rest_is_counted() -> None:
    graph = claim_graph([(f"c{n}", "x") for n in range(10_000)], [])
    assert graph is not None
    assert (len(graph.nodes), graph.left_out) == (40, 9_960)
    assert graph.width < 1000
    assert claim_graph([], []) is None


def test_differences_lie_on_one_scale_that_holds_zero() -> None:
    drawn = dots([("f1 · lead", "better", 0.2, 0.1, 0.3), ("rel · lead", "undecided", 0.25, 0.05, 0.5)])
    assert drawn is not None
    first, second = drawn.dots
    assert drawn.zero < first.low < first.x < first.high < second.high
    assert first.y < second.y
    assert dots([]) is None
