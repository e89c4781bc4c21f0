from __future__ import annotations

import math

import numpy as np
import pytest

from crucible.adapters.backends.extractive.head import Head
from crucible.adapters.backends.extractive.matrix import Floats, Matrix, dense_only, with_words


def words_matrix() -> Matrix:
    dense = np.array([[1.0, 0.5], [1.0, -2.0], [1.0, 0.0]])
    return with_words(dense, [["a", "b"], ["b", "c", "d"], ["a"]], ["x", "a"], 256)


LABELS = np.array([1.0, 0.0, 1.0])


def numeric_gradient(head: Head, matrix: Matrix, weights: Floats) -> Floats:
    out = np.zeros_like(weights)
    for place in range(len(weights)):
        losses = []
        for shift in (1e-5, -1e-5):
            weights[place] += shift
            losses.append(head.loss(matrix, LABELS, gather=False))
            weights[place] -= shift
        out[place] = (losses[0] - losses[1]) / 2e-5
    return out


def stepped(head: Head, matrix: Matrix, *, l2: float = 0.0, learning_rate: float = 0.1) -> Head:
    head.loss(matrix, LABELS, gather=True)
    head.step(learning_rate, l2, 1)
    return head


def test_the_gradient_is_that_of_the_loss() -> None:
    matrix = words_matrix()
    head = Head(256, np.array([0.3, -0.2]))
    head.sparse[:] = np.linspace(-1, 1, 256)
    numeric = np.concatenate(
        [numeric_gradient(head, matrix, head.sparse), numeric_gradient(head, matrix, head.dense)]
    )
    stepped(head, matrix)
    mean_gradient = head.moments[0] / (1 - 0.9)  # the first moment after one step is a tenth of the gradient
    assert mean_gradient * 3 == pytest.approx(numeric, abs=1e-7)


def test_the_loss_is_the_negative_log_likelihood() -> None:
    head = Head(0, np.array([1.0]))
    loss = head.loss(dense_only(np.array([[0.0], [2.0]])), np.array([1.0, 0.0]), gather=False)
    assert loss == pytest.approx(math.log(2) - math.log(1 - 1 / (1 + math.exp(-2.0))))


def test_the_loss_stays_finite_far_out() -> None:
    head = Head(0, np.array([1.0]))
    loss = head.loss(dense_only(np.array([[1e4], [-1e4]])), np.array([0.0, 1.0]), gather=False)
    assert loss == pytest.approx(2e4)


def test_the_first_step_of_adam_moves_each_weight_by_the_learning_rate() -> None:
    head = stepped(Head(0, np.zeros(2)), dense_only(np.array([[1.0, -9.0], [1.0, 9.0], [1.0, 0.0]])))
    assert head.dense == pytest.approx(np.array([0.1, -0.1]))


def test_l2_pulls_towards_the_starting_weights() -> None:
    head = Head(0, np.array([5.0]))
    head.dense[:] = 7.0
    head.step(0.1, 0.01, 1)
    assert head.dense[0] == pytest.approx(6.9)
    fresh = Head(0, np.array([5.0]))
    fresh.step(0.1, 0.01, 1)
    assert fresh.dense[0] == 5.0


def test_gradients_add_up_until_the_step() -> None:
    matrix = words_matrix()
    together, apart = Head(256, np.zeros(2)), Head(256, np.zeros(2))
    stepped(together, matrix)
    for place in range(3):
        apart.loss(matrix.take([place]), LABELS[[place]], gather=True)
    assert apart.gathered == 3
    apart.step(0.1, 0.0, 1)
    assert apart.sparse == pytest.approx(together.sparse)
    assert apart.dense == pytest.approx(together.dense)
