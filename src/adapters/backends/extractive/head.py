"""One logistic regression over hashed and dense features, with its gathered gradient and its optimiser.

The loss is the negative log-likelihood in nats. A step takes the mean gradient g of the gathered labels plus
the L2 pull towards the starting weights and moves by Adam (Kingma and Ba 2015). The problem is convex and
starts from fixed weights, so nothing here is random.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .matrix import Floats, Matrix

__all__ = ["Head", "Weights"]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Weights(NamedTuple):
    """Weights of one head: hashed (dimension,) and dense (names,)."""

    sparse: Floats
    dense: Floats

    def logits(self, matrix: Matrix) -> Floats:
        """Log-odds of each row."""
        entries = matrix.values * self.sparse[matrix.columns]
        sparse = np.bincount(matrix.rows, weights=entries, minlength=len(matrix.dense))
        return np.asarray(sparse + matrix.dense @ self.dense, dtype=np.float64)

    def probabilities(self, matrix: Matrix) -> Floats:
        """Probability of each row."""
        return _sigmoid(self.logits(matrix))


class Head:
    """A regression in training."""

    def __init__(self, dimension: int, prior: Floats) -> None:
        self.prior = prior
        self.sparse = np.zeros(dimension)
        self.dense = prior.copy()
        self.moments = np.zeros((2, dimension + len(prior)))
        self.gathered = 0
        """Labels whose gradient waits for a step."""
        self._gradient = np.zeros(dimension + len(prior))

    @property
    def weights(self) -> Weights:
        """A copy of the weights."""
        return Weights(self.sparse.copy(), self.dense.copy())

    def loss(self, matrix: Matrix, labels: Floats, *, gather: bool) -> float:
        """Summed loss of labels of shape (rows,); with ``gather`` its gradient waits for a step."""
        if not len(labels):
            return 0.0
        logits = Weights(self.sparse, self.dense).logits(matrix)
        if gather:
            self._gather(matrix, _sigmoid(logits) - labels)
        return float(np.sum(np.logaddexp(0.0, logits) - labels * logits))

    def step(self, learning_rate: float, l2: float, number: int) -> None:
        """Move once; ``number`` counts the steps from 1."""
        n = len(self.sparse)
        gradient = self._gradient / max(self.gathered, 1)
        gradient[:n] += l2 * self.sparse
        gradient[n:] += l2 * (self.dense - self.prior)
        first, second = self.moments
        first += (1 - BETA_1) * (gradient - first)
        second += (1 - BETA_2) * (gradient**2 - second)
        scale = np.sqrt(second / (1 - BETA_2**number)) + EPSILON
        move = learning_rate / (1 - BETA_1**number) * first / scale
        self.sparse -= move[:n]
        self.dense -= move[n:]
        self._gradient[:] = 0.0
        self.gathered = 0

    def _gather(self, matrix: Matrix, error: Floats) -> None:
        n = len(self.sparse)
        if n:
            entries = matrix.values * error[matrix.rows]
            self._gradient[:n] += np.bincount(matrix.columns, weights=entries, minlength=n)
        self._gradient[n:] += error @ matrix.dense
        self.gathered += len(error)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float64)
