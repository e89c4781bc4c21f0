from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.adapters.topology.contraction import contractible_from
from crucible.adapters.topology.distances import distance_matrix
from crucible.adapters.topology.rips import Diagram, gudhi_engine, ripser_engine

Floats = NDArray[np.float64]


def single(points: NDArray[np.float64]) -> Floats:
    """Distances as the engines see them, rounded to single precision."""
    return distance_matrix(points, "euclidean").astype(np.float32).astype(np.float64)


def circle(size: int, noise: float = 0.0) -> NDArray[np.float64]:
    random = np.random.default_rng(size)
    angles = random.uniform(0.0, 2.0 * np.pi, size)
    return np.column_stack([np.cos(angles), np.sin(angles)]) + noise * random.normal(size=(size, 2))


def torus(size: int) -> NDArray[np.float64]:
    u, v = np.random.default_rng(size).uniform(0.0, 2.0 * np.pi, (2, size))
    return np.column_stack([(2 + np.cos(v)) * np.cos(u), (2 + np.cos(v)) * np.sin(u), np.sin(v)])


def cloud(seed: int) -> NDArray[np.float64]:
    """Random, all ties, nearly on a line, a loop, two loops far apart."""
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 26))
    kinds = [
        random.normal(size=(size, 3)),
        np.unique(random.integers(0, 4, size=(size, 2)).astype(np.float64), axis=0),
        random.normal(size=(size, 1)) * np.ones((1, 3)) + 1e-6 * random.normal(size=(size, 3)),
        circle(size, 0.05),
        np.vstack([circle(size), circle(size) + 9.0]),
    ]
    return kinds[seed % len(kinds)]


def finite_deaths(diagrams: list[Diagram]) -> list[float]:
    return [death for diagram in diagrams for _, death in diagram if death != math.inf]


def enclosing(distances: Floats) -> float:
    return float(distances.max(axis=1).min())


@pytest.mark.parametrize("seed", range(60))
def test_beyond_the_scale_there_is_one_piece_and_nothing_else(seed: int) -> None:
    distances = single(cloud(seed))
    scale = contractible_from(distances)
    diagrams = ripser_engine()[1](distances, 3, math.inf)
    assert scale <= enclosing(distances)
    assert max(finite_deaths(diagrams), default=0.0) <= scale
    assert all(birth < scale or death == birth for diagram in diagrams[1:] for birth, death in diagram)
    assert [bar for bar in diagrams[0] if bar[1] == math.inf] == [(0.0, math.inf)]


@pytest.mark.parametrize("seed", range(30))
def test_a_filtration_that_is_cut_there_has_the_same_bars_to_the_bit(seed: int) -> None:
    distances = single(cloud(seed))
    compute = ripser_engine()[1]
    scale = contractible_from(distances)
    if scale > 0:  # a threshold of 0 leaves the core no edge at all
        assert compute(distances, 2, scale) == compute(distances, 2, math.inf)


def test_shapes_are_contractible_well_before_the_enclosing_radius() -> None:
    for points, share in ((circle(120, 0.05), 0.97), (torus(120), 0.85)):
        distances = single(points)
        assert contractible_from(distances) < share * enclosing(distances)


def test_a_circle_is_not_called_contractible_while_its_loop_lives() -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    distances = single(np.column_stack([np.cos(angles), np.sin(angles)]))
    loops = ripser_engine()[1](distances, 3, math.inf)
    assert contractible_from(distances) >= max(finite_deaths(loops)) > math.sqrt(3)


@pytest.mark.parametrize("points", [np.zeros((1, 2)), np.zeros((5, 2)), np.array([[0.0], [1.0]])])
def test_clouds_with_hardly_a_point_have_a_scale(points: NDArray[np.float64]) -> None:
    assert contractible_from(single(points)) <= 1.0


@pytest.mark.parametrize("size", [60, 110])
def test_gudhi_with_the_cut_gives_ripsers_bars_to_the_bit_on_shapes(size: int) -> None:
    pytest.importorskip("gudhi")
    found = gudhi_engine()
    assert found is not None
    for points in (torus(size), circle(size, 0.05)):
        distances = distance_matrix(points, "euclidean")
        for threshold in (math.inf, 1.0, 2.5):
            left = found[1](distances, 2, threshold)
            right = ripser_engine()[1](distances, 2, threshold)
            assert [sorted(diagram) for diagram in left] == [sorted(diagram) for diagram in right]
