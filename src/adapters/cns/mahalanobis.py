"""Mahalanobis distance of embeddings, fitted on a sample of texts, and the chirality over it.

The CNS literature calls this distance *Fisher-Rao*; it is the Mahalanobis distance √((a − b)ᵀ Σ⁻¹ (a − b))
with Σ from a sample of embeddings. It assumes that texts are spread like one Gaussian around the sample's
mean, and that the sample is large beside the dimensions; with 50 texts in 384 dimensions neither holds, so
Σ has to be regularised, and how is part of the result:

- ``diagonal`` (the reference): variances of single coordinates plus 1e-6, correlations ignored;
- ``ledoit_wolf``: the whole covariance, shrunk towards a multiple of the identity by the share that Ledoit &
  Wolf (2004), *A well-conditioned estimator for large-dimensional covariance matrices*, estimate from it.

The distance grows with the root of the dimensions, which puts d / (d + 1) at 0.95 for any two texts. Hence
``relative``: the distance over the root mean square distance of the sample's own pairs. 1 is then how far
apart two texts of the sample usually are.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chirality import chirality_score
from .scores import Score

__all__ = ["Kind", "Spread", "fit_spread", "mahalanobis_chirality"]

Kind = Literal["diagonal", "ledoit_wolf"]
Floats = NDArray[np.float64]

FLOOR = 1e-6
MINIMUM = 3
"""Texts of a sample; two are a line, along which alone they differ."""


class Spread(NamedTuple):
    """What a sample says of how texts are spread. Without ``status`` ok there is no distance."""

    status: Literal["ok", "too_few", "identical_points", "not_finite"]
    kind: Kind
    n: int
    dimensions: int
    shrinkage: float | None = None
    """Share of the identity in the covariance (Ledoit-Wolf); None for a diagonal."""
    precision: Floats | None = None
    """Inverse variances, shape (d,), or the inverse covariance, shape (d, d)."""
    usual: float = 0.0
    """Root mean square distance of two different texts of the sample."""

    @property
    def method(self) -> str:
        """For the results."""
        how = f"variances + {FLOOR:g}" if self.shrinkage is None else f"Ledoit-Wolf {self.shrinkage:.3f}"
        return f"Mahalanobis, {how}, {self.n} texts, {self.dimensions} dimensions"

    def distance(self, left: Floats, right: Floats) -> Score:
        """The distance of two points; None without a fitted spread or for a point that is no number."""
        difference = np.asarray(left, np.float64) - np.asarray(right, np.float64)
        if self.precision is None or not np.isfinite(difference).all():
            return None
        weighted = self.precision * difference if self.precision.ndim == 1 else self.precision @ difference
        return math.sqrt(max(0.0, float(difference @ weighted)))

    def relative(self, left: Floats, right: Floats) -> Score:
        """The distance in units of how far apart two texts of the sample usually are."""
        found = self.distance(left, right)
        return None if found is None else found / self.usual


def fit_spread(points: Any, kind: Kind = "ledoit_wolf") -> Spread:
    """The spread of a sample of embeddings, shape (texts, dimensions); never raises for its values."""
    sample = np.asarray(points, np.float64)
    if sample.ndim != 2:
        raise ValueError(f"expected points of shape (texts, dimensions), got {sample.shape}")
    n, dimensions = sample.shape
    if n < MINIMUM or dimensions == 0:
        return Spread("too_few", kind, n, dimensions)
    if not np.isfinite(sample).all():
        return Spread("not_finite", kind, n, dimensions)
    centred = sample - sample.mean(axis=0)
    variance: Floats = (centred * centred).mean(axis=0)
    if not variance.any():
        return Spread("identical_points", kind, n, dimensions)
    if kind == "diagonal":
        precision: Floats = 1.0 / (variance + FLOOR)
        within, shrinkage = float(precision @ variance), None
    else:
        covariance = centred.T @ centred / n
        shrinkage = _ledoit_wolf(centred, covariance)
        shrunk = (1.0 - shrinkage) * covariance
        shrunk.flat[:: dimensions + 1] += shrinkage * float(variance.mean()) + FLOOR * float(variance.max())
        precision = np.linalg.inv(shrunk)
        within = float((precision * covariance).sum())
    # The mean over pairs i != j of (a_i - a_j)' P (a_i - a_j) is 2n / (n - 1) · trace(P S).
    return Spread("ok", kind, n, dimensions, shrinkage, precision, math.sqrt(2.0 * n / (n - 1) * within))


def mahalanobis_chirality(
    left: Floats, right: Floats, spread: Spread, *, overlap: float, conflict: bool, relative: bool = True
) -> Score:
    """Chirality with this distance; None where the distance is.

    ``relative = False`` with a ``diagonal`` spread is the figure of the literature, to be compared with
    published ones and with nothing else.
    """
    distance = spread.relative(left, right) if relative else spread.distance(left, right)
    return None if distance is None else chirality_score(distance, overlap, conflict=conflict)


def _ledoit_wolf(centred: Floats, covariance: Floats) -> float:
    """The shrinkage, in [0, 1]: how much of the sample covariance's spread is noise of the sample."""
    n, dimensions = centred.shape
    scale = float(np.trace(covariance)) / dimensions
    apart = float((covariance * covariance).sum()) / dimensions - scale * scale
    squares = (centred * centred).sum(axis=1)
    noise = (float(squares @ squares) / n - float((covariance * covariance).sum())) / (n * dimensions)
    return 1.0 if apart <= 0 else min(1.0, max(0.0, noise / apart))
