from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from crucible.adapters.topology.distances import distance_matrix
from crucible.adapters.topology.graphs import (
    Invariants,
    epsilon_graph,
    gabriel_graph,
    invariants,
    knn_graph,
)
from crucible.adapters.topology.persistence import persistence
from crucible.messages.errors import InputError

LINE = distance_matrix(np.array([[0.0], [1.0], [3.0], [7.0]]), "euclidean")
NOTHING = np.zeros((0, 0))


@pytest.mark.parametrize(
    ("vertices", "edges", "expected"),
    [
        (3, [(0, 1), (1, 2), (2, 0)], Invariants(3, 3, 1, 1, 1)),
        (3, [(0, 1), (1, 2), (0, 2)], Invariants(3, 3, 1, 1, 0)),
        (4, [*combinations(range(4), 2)], Invariants(4, 6, 1, 3, 0)),
        (5, [*combinations(range(5), 2)], Invariants(5, 10, 1, 6, 0)),
        (4, [(0, 1), (0, 2), (0, 3)], Invariants(4, 3, 1, 0, 0)),
        (4, [(0, 1), (0, 2), (1, 3), (2, 3)], Invariants(4, 4, 1, 1, 0)),  # a diamond: a loop, no cycle
        (3, [(0, 1), (1, 0), (2, 2), (0, 1)], Invariants(3, 1, 2, 0, 2)),
        (0, [], Invariants(0, 0, 0, 0, 0)),
    ],
)
def test_invariants_of_known_graphs(
    vertices: int, edges: list[tuple[int, int]], expected: Invariants
) -> None:
    assert invariants(vertices, edges) == expected


def test_edges_to_vertices_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="ends from 0 to 1"):
        invariants(2, [(0, 2)])


def test_the_nearest_neighbours_of_points_on_a_line() -> None:
    assert knn_graph(LINE, 1) == [(0, 1), (1, 2), (2, 3)]
    assert knn_graph(LINE, 1, mutual=True) == [(0, 1)]
    assert knn_graph(LINE[::-1, ::-1], 1, mutual=True) == [(2, 3)]
    assert knn_graph(LINE, 9) == [*combinations(range(4), 2)]
    assert knn_graph(LINE[:1, :1], 3) == knn_graph(NOTHING, 3) == []


def test_a_point_is_not_its_own_neighbour_but_its_twin_is() -> None:
    distances = distance_matrix(np.array([[0.0], [0.0], [5.0]]), "euclidean")
    assert knn_graph(distances, 1) == [(0, 1), (0, 2)]


def test_nearest_neighbours_equal_those_of_a_tree() -> None:
    from scipy.spatial import cKDTree

    points = np.random.default_rng(0).normal(size=(50, 3))
    _, near = cKDTree(points).query(points, k=5)
    expected = {(min(i, j), max(i, j)) for i, row in enumerate(near.tolist()) for j in row[1:]}
    assert set(knn_graph(distance_matrix(points, "euclidean"), 4)) == expected


def test_the_epsilon_graph_is_the_skeleton_of_the_filtration() -> None:
    assert epsilon_graph(LINE, 2.0) == [(0, 1), (1, 2)]
    points = np.random.default_rng(1).normal(size=(40, 2))
    distances = distance_matrix(points, "euclidean")
    for epsilon in (0.2, 0.5, 1.0):
        found = invariants(40, epsilon_graph(distances, epsilon))
        bars = persistence(points, metric="euclidean", engine="ripser").bars
        alive = [bar for bar in bars if bar.dimension == 0 and (bar.death is None or bar.death > epsilon)]
        assert found.beta0 == len(alive)


def test_the_gabriel_graph_is_between_the_spanning_tree_and_the_delaunay_triangulation() -> None:
    points = np.random.default_rng(2).normal(size=(40, 2))
    distances = distance_matrix(points, "euclidean")
    found = set(gabriel_graph(distances))
    triangles = Delaunay(points).simplices.tolist()
    assert found <= {(min(e), max(e)) for triangle in triangles for e in combinations(triangle, 2)}
    assert invariants(40, found).beta0 == 1
    for i, j in combinations(range(40), 2):
        middle, radius = (points[i] + points[j]) / 2, distances[i, j] / 2
        inside = np.linalg.norm(np.delete(points, [i, j], axis=0) - middle, axis=1) < radius
        assert ((i, j) in found) == (not inside.any())


def test_the_gabriel_graph_of_a_square_has_its_sides_and_both_diagonals() -> None:
    square = distance_matrix(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), "euclidean")
    assert gabriel_graph(square) == [*combinations(range(4), 2)]
    assert gabriel_graph(NOTHING) == []


def test_numbers_without_sense_are_refused() -> None:
    with pytest.raises(InputError, match="k: expected"):
        knn_graph(LINE, 0)
    for epsilon in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="epsilon: expected"):
            epsilon_graph(LINE, epsilon)
