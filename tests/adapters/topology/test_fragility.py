from __future__ import annotations

import numpy as np
import pytest

from crucible.adapters.topology.fragility import fragility, squash


def test_the_squashing_function_at_a_known_point() -> None:
    assert squash(0.4) == pytest.approx(0.5)
    assert squash(0.0) == 0.0


@pytest.mark.parametrize("size", [0, 1])
def test_fewer_than_two_points_have_no_fragility(size: int) -> None:
    assert fragility(np.ones((size, 4))) is None


def test_equal_points_are_not_fragile_and_opposite_ones_are() -> None:
    assert fragility(np.ones((3, 4))) == pytest.approx(0.0, abs=1e-12)
    assert fragility([[1.0, 0.0], [-1.0, 0.0]]) == pytest.approx(5.0 / 6.0)


def test_the_formula_on_points_of_a_line() -> None:
    # rows of sorted distances: 0: 1 3; 1: 1 2; 3: 2 3
    rows = np.array([[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]])
    spread = rows.var(axis=1).mean() + rows.mean()
    assert fragility([[0.0], [1.0], [3.0]], "euclidean") == pytest.approx(2.5 * spread / (2.5 * spread + 1))


def test_only_the_five_nearest_neighbours_count() -> None:
    near = np.arange(6.0)[:, None]
    spread = [np.sort(np.abs(near[:, 0] - x))[1:6] for x in near[:, 0]]
    x = np.var(spread, axis=1).mean() + np.mean(spread)
    assert fragility(near, "euclidean") == pytest.approx(2.5 * x / (2.5 * x + 1))
    far = np.concatenate([near, near + 1e6])
    assert fragility(far, "euclidean") == fragility(near, "euclidean")
