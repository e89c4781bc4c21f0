"""Persistence diagrams as numbers of fixed size: entropy, Betti curve, landscape, image.

For users who want diagrams as features or to average them. All are over the bars that die, except the Betti
curve, which counts the others as well. Pure functions of a diagram, checked as ``diagrams.split`` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import InputError
from .diagrams import Floats, split
from .matching import Pairs

__all__ = ["betti_curve", "entropy", "landscape", "persistence_image"]


def entropy(lengths: Sequence[float]) -> float:
    """Persistent entropy −Σ p ln p with p = length / sum of lengths, in nats (Chintakunta et al. 2015)."""
    total = math.fsum(lengths)
    if total <= 0.0:
        return 0.0
    shares = (length / total for length in lengths if length > 0.0)
    return max(0.0, -math.fsum(share * math.log(share) for share in shares))


def betti_curve(diagram: Pairs, grid: Sequence[float] | Floats) -> NDArray[np.int64]:
    """How many classes are alive at each value of ``grid``: birth <= t < death. Shape of the grid."""
    finite, births = split(diagram)
    at = np.asarray(grid, dtype=np.float64)
    born = np.searchsorted(np.sort(np.concatenate([finite[:, 0], births])), at, side="right")
    died = np.searchsorted(np.sort(finite[:, 1]), at, side="right")
    return np.asarray(born - died, dtype=np.int64)


def landscape(diagram: Pairs, grid: Sequence[float] | Floats, levels: int = 1) -> Floats:
    """Persistence landscape (Bubenik 2015), shape (levels, len(grid)).

    λ_k(t) is the k-th largest over the bars of max(0, min(t − birth, death − t)).
    """
    if levels < 1:
        raise InputError(f"levels: expected a whole number >= 1, got {levels}")
    finite = split(diagram).finite
    at = np.asarray(grid, dtype=np.float64)
    tents = np.minimum(at - finite[:, :1], finite[:, 1:] - at).clip(min=0.0)
    tents[::-1].sort(axis=0)
    return np.concatenate([tents[:levels], np.zeros((max(0, levels - len(tents)), len(at)))])


def persistence_image(
    diagram: Pairs,
    birth_edges: Sequence[float] | Floats,
    length_edges: Sequence[float] | Floats,
    sigma: float,
    power: float = 1.0,
) -> Floats:
    """Persistence image (Adams et al. 2017), shape (births, lengths), one less than the edges each.

    Each bar is a Gaussian of standard deviation ``sigma`` at (birth, length), weighted by length ** power,
    and integrated exactly over each pixel.
    """
    if not (sigma > 0.0 and math.isfinite(sigma)):
        raise InputError(f"sigma: expected a finite number > 0, got {sigma}")
    finite = split(diagram).finite
    lengths = finite[:, 1] - finite[:, 0]
    across = _mass(np.asarray(birth_edges, dtype=np.float64), finite[:, 0], sigma)
    along = _mass(np.asarray(length_edges, dtype=np.float64), lengths, sigma)
    image: Floats = (across * lengths**power) @ along.T
    return image


def _mass(edges: Floats, centres: Floats, sigma: float) -> Floats:
    """Share of each Gaussian between neighbouring edges, shape (edges − 1, centres)."""
    from scipy.special import ndtr

    if len(edges) < 2 or (np.diff(edges) <= 0.0).any():
        raise InputError("edges: expected at least two numbers, ascending")
    below = ndtr(np.subtract.outer(edges, centres) / sigma)
    mass: Floats = below[1:] - below[:-1]
    return mass
