from __future__ import annotations

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.adapters.topology.diagrams import diagram_of
from crucible.adapters.topology.distances import MetricName, cross_distances, distance_matrix, unit_rows
from crucible.adapters.topology.matching import bottleneck
from crucible.adapters.topology.persistence import persistence
from crucible.messages.errors import InputError
from crucible.messages.findings import PersistenceResult

Points = NDArray[np.float64]


def circle(size: int, centre: tuple[float, float] = (0.0, 0.0)) -> Points:
    angles = np.linspace(0.0, 2.0 * np.pi, size, endpoint=False)
    points: Points = np.column_stack([np.cos(angles), np.sin(angles)]) + np.array(centre)
    return points


def torus(size: int) -> Points:
    """The flat torus in four dimensions, on a grid of size × size."""
    steps = circle(size)
    return np.array([[*left, *right] for left in steps for right in steps])


def sphere(size: int) -> Points:
    """A Fibonacci lattice."""
    index = np.arange(size) + 0.5
    height = 1.0 - 2.0 * index / size
    angle = np.pi * (1.0 + 5.0**0.5) * index
    radius = np.sqrt(1.0 - height**2)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])


def of(points: object, dimension: int = 1, threshold: float = 0.0) -> PersistenceResult:
    return persistence(points, metric="euclidean", max_dimension=dimension, persistence_threshold=threshold)


def bars(result: PersistenceResult, dimension: int) -> list[tuple[float, float | None]]:
    return [(bar.birth, bar.death) for bar in result.bars if bar.dimension == dimension]


def test_two_points_have_no_loop() -> None:
    result = of([[0.0, 0.0], [3.0, 4.0]])
    assert result.status == "ok"
    assert bars(result, 0) == [(0.0, 5.0), (0.0, None)]
    assert bars(result, 1) == []


def test_a_circle_of_eight_has_the_one_loop_known_for_it() -> None:
    ((birth, death),) = bars(of(circle(8)), 1)
    assert birth == pytest.approx(2 * math.sin(math.pi / 8))
    assert death == pytest.approx(2 * math.sin(3 * math.pi / 8))


def test_points_on_a_line_have_no_loop_and_a_square_has_one() -> None:
    assert bars(of([[float(i), 0.0] for i in range(6)]), 1) == []
    square = [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]
    assert bars(of(square), 1) == [(1.0, float(np.float32(math.sqrt(2))))]


def test_two_circles_have_two_loops_and_two_pieces() -> None:
    result = of(np.vstack([circle(16), circle(16, (10.0, 0.0))]), threshold=0.5)
    assert result.betti == {"0": 2, "1": 2}


def test_a_figure_eight_has_two_loops() -> None:
    assert of(np.vstack([circle(20), circle(20, (2.0, 0.0))]), threshold=0.5).betti["1"] == 2


def test_a_torus_has_betti_numbers_one_two_one() -> None:
    assert of(torus(8), dimension=2, threshold=0.8).betti == {"0": 1, "1": 2, "2": 1}


def test_a_sphere_has_betti_numbers_one_zero_one() -> None:
    assert of(sphere(60), dimension=2, threshold=0.5).betti == {"0": 1, "1": 0, "2": 1}


def test_the_engine_is_named_and_importing_it_loads_no_heavy_library() -> None:
    code = (
        "import sys, numpy as np; from crucible.adapters.topology.persistence import persistence;"
        "print(persistence(np.eye(3)).method);"
        "print([m for m in ('ripser', 'sklearn', 'scipy', 'matplotlib', 'persim') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    method, loaded = done.stdout.splitlines()
    assert method.startswith(("vietoris_rips Z/2, cosine, ripser ", "vietoris_rips Z/2, cosine, gudhi "))
    assert method.endswith(" core")
    assert loaded == "[]"


@pytest.mark.parametrize("size", [0, 1])
def test_a_cloud_of_less_than_two_points_has_too_few(size: int) -> None:
    result = of(np.zeros((size, 3)))
    assert (result.status, result.n_points, result.bars, result.betti) == ("too_few_points", size, (), {})


def test_repeated_points_are_taken_once_and_said_so() -> None:
    twice, once = of(np.vstack([circle(8), circle(8)])), of(circle(8))
    assert twice.bars == once.bars
    assert twice.n_points == 16
    assert "8 repeated point(s)" in twice.notes


def test_a_cloud_of_one_repeated_point_is_one_piece_and_called_identical() -> None:
    for dimension in (0, 1):
        result = of(np.zeros((3, 2)), dimension)
        assert result.status == "identical_points"
        assert bars(result, 0) == [(0.0, None)]
        assert result.betti == {"0": 1, "1": 0} if dimension else {"0": 1}


def test_parallel_vectors_coincide_under_the_cosine() -> None:
    random = np.random.default_rng(0).normal(size=(1, 40))
    assert persistence(np.vstack([random, 3 * random, random / 7])).status == "identical_points"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_a_status(bad: float) -> None:
    result = of([[0.0, 1.0], [bad, 1.0], [bad, bad]])
    assert (result.status, result.bars, result.betti) == ("not_finite", (), {})
    assert result.notes == "2 of 3 points hold NaN or infinity"


def test_a_cloud_whose_worst_case_would_not_fit_is_not_begun() -> None:
    points = np.random.default_rng(0).normal(size=(300, 3))
    result = persistence(points, metric="euclidean", max_dimension=2, max_memory_mb=100)
    assert (result.status, result.method) == ("too_large", "none")
    assert "300 points in dimension 2 may take" in result.notes
    fewer = persistence(points, metric="euclidean", max_dimension=2, max_memory_mb=100, landmarks=40)
    assert fewer.status == "ok"


def test_landmarks_stand_for_the_cloud_within_the_error_that_they_state() -> None:
    points = np.random.default_rng(5).normal(size=(120, 2))
    whole, few = of(points), persistence(points, metric="euclidean", landmarks=30)
    assert "30 landmarks of 120 points by farthest-point sampling, covering radius" in few.notes
    bound = float(few.notes.rsplit(" ", 1)[1])
    for dimension in (0, 1):
        moved = bottleneck(diagram_of(whole, dimension), diagram_of(few, dimension))
        assert 0.0 < moved <= bound
    assert len(bars(few, 0)) == 30
    assert persistence(points, metric="euclidean", landmarks=120).bars == whole.bars


def test_landmarks_under_the_cosine_promise_no_bound() -> None:
    result = persistence(np.random.default_rng(5).normal(size=(20, 4)), landmarks=10)
    assert "covering radius" in result.notes
    assert "off by" not in result.notes


def test_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        of([1.0, 2.0])


def test_a_maximal_distance_truncates_and_says_so() -> None:
    result = persistence(circle(8), metric="euclidean", max_distance=1.0)
    assert [death for _, death in bars(result, 1)] == [None]
    assert "truncated" in result.notes


def test_sums_maxima_and_entropy_are_over_finite_bars() -> None:
    result = of([[0.0], [1.0], [4.0]])
    assert result.total_persistence == {"0": 4.0, "1": 0.0}
    assert result.max_persistence == {"0": 3.0, "1": 0.0}
    assert result.entropy["0"] == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))


def test_unit_rows_leaves_zero_rows_alone() -> None:
    assert unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0.0, 0.0]]


def test_cosine_distance_ignores_length_and_zero_rows_are_at_one() -> None:
    distances = distance_matrix(
        np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, 0.0]]), "cosine"
    )
    assert distances[0].tolist() == pytest.approx([0.0, 0.0, 1.0, 2.0, 1.0])


@pytest.mark.parametrize("dimensions", [3, 40])
def test_euclidean_distances_are_symmetric_and_right_far_from_the_origin(dimensions: int) -> None:
    points = np.random.default_rng(0).normal(size=(20, dimensions)) + 1e6
    distances = distance_matrix(points, "euclidean")
    exact = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert np.array_equal(distances, distances.T)
    assert distances == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "order"), [("manhattan", 1.0), ("chebyshev", math.inf), ("euclidean", 2.0)]
)
@pytest.mark.parametrize("dimensions", [2, 40])
def test_distances_are_those_of_the_norm(metric: MetricName, order: float, dimensions: int) -> None:
    points = np.random.default_rng(1).normal(size=(12, dimensions))
    exact = np.linalg.norm(points[:, None] - points[None], ord=order, axis=2)
    assert distance_matrix(points, metric) == pytest.approx(exact, abs=1e-7)
    assert cross_distances(points[:3], points, metric) == pytest.approx(exact[:3], abs=1e-7)


def test_the_angular_distance_is_the_angle_and_obeys_the_triangle_inequality() -> None:
    points = np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    right = math.pi / 2
    expected = [0.0, right, math.pi, math.pi / 4, right]
    assert distance_matrix(points, "angular")[0].tolist() == pytest.approx(expected)
    distances = distance_matrix(np.random.default_rng(2).normal(size=(15, 4)), "angular")
    detours = (distances[:, :, None] + distances[None, :, :]).min(axis=1)
    assert (distances <= detours + 1e-12).all()


def test_a_result_survives_pickling() -> None:
    result = of(circle(5))
    assert pickle.loads(pickle.dumps(result)) == result
