from __future__ import annotations

import math

import numpy as np
import pytest

from crucible.adapters.topology.robustness import Robustness, noise_sensitivity, removal_sensitivity

CIRCLE = np.array([(math.cos(k * math.pi / 8), math.sin(k * math.pi / 8)) for k in range(16)])
SIDE, GAP = (2 * math.sin(k * math.pi / 16) for k in (1, 2))


def test_a_point_taken_out_of_a_circle_widens_one_gap() -> None:
    found = removal_sensitivity(CIRCLE, "euclidean")
    # the loop is born at the wider gap; a lost piece at most costs half its side, which is less
    assert found.status == "ok"
    assert found.moved == pytest.approx([GAP - SIDE] * 16, abs=1e-6)
    assert found.worst == pytest.approx(found.mean)


def test_the_outlier_is_the_most_critical_point() -> None:
    points = np.vstack([np.random.default_rng(0).normal(size=(12, 2)), [[30.0, 0.0]]])
    found = removal_sensitivity(points, "euclidean")
    assert found.critical(1) == [12]
    assert len(found.critical()) == 5
    assert found.worst == found.moved[12] > 10.0


def test_a_point_with_a_twin_moves_nothing() -> None:
    found = removal_sensitivity(np.vstack([CIRCLE, CIRCLE[:1]]), "euclidean")
    assert found.moved[0] == found.moved[16] == 0.0
    assert min(found.moved[1:16]) > 0.0


def test_noise_moves_the_diagram_by_at_most_twice_the_largest_step_and_the_seed_decides() -> None:
    found = noise_sensitivity(CIRCLE, 0.01, seed=3, trials=6, metric="euclidean")
    steps = [0.01 * np.random.default_rng(3).standard_normal((6, 16, 2))]
    furthest = np.linalg.norm(steps[0], axis=2).max(axis=1)
    assert len(found.moved) == 6
    assert all(0.0 < moved <= 2 * far + 1e-6 for moved, far in zip(found.moved, furthest, strict=True))
    assert found == noise_sensitivity(CIRCLE, 0.01, seed=3, trials=6, metric="euclidean")
    assert found != noise_sensitivity(CIRCLE, 0.01, seed=4, trials=6, metric="euclidean")


@pytest.mark.parametrize(
    ("points", "status"),
    [
        (np.zeros((0, 2)), "too_few_points"),
        (np.zeros((1, 2)), "too_few_points"),
        (CIRCLE[:2], "too_few_points"),
        (np.ones((9, 2)), "too_few_points"),
        (np.array([[math.nan, 0.0], [1.0, 0.0], [2.0, 0.0]]), "not_finite"),
    ],
)
def test_clouds_without_a_shape_have_a_status_and_no_figure(points: object, status: str) -> None:
    for found in (removal_sensitivity(points), noise_sensitivity(points, 0.1, seed=0)):
        assert found == Robustness(status)
        assert (found.worst, found.mean, found.critical()) == (None, None, [])
