"""Two score columns lined up: what every paired test works on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .intervals import is_binary

__all__ = ["Floats", "Pairs", "pair_up", "stream"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Scores of both systems on the n examples where both are defined."""

    system: Floats
    baseline: Floats
    cluster: NDArray[np.intp] | None
    """Cluster number 0 .. C-1 of each pair; None when pairs count as independent."""

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.system)

    @property
    def n_clusters(self) -> int | None:
        """Number of clusters, None without."""
        return None if self.cluster is None else int(self.cluster.max()) + 1

    @cached_property
    def difference(self) -> Floats:
        """System minus baseline, rounded to 12 digits of the largest, so that equal differences tie.

        0.8 - 0.7 and 0.7 - 0.6 differ in the last bit; without rounding they would get different ranks.
        """
        raw = self.system - self.baseline
        scale = float(np.abs(raw).max(initial=0.0))
        return raw if scale == 0.0 else np.round(raw / scale, 12) * scale

    @cached_property
    def binary(self) -> bool:
        """Whether both columns hold only 0 and 1."""
        return is_binary(self.system.tolist()) and is_binary(self.baseline.tolist())

    def per_cluster(self, values: Floats) -> Floats:
        """``values`` summed within clusters; as they are without clusters."""
        if self.cluster is None:
            return values
        return np.bincount(self.cluster, weights=values).astype(np.float64)


def pair_up(system: Sequence[float], baseline: Sequence[float], clusters: Sequence[int] | None) -> Pairs:
    """Keep the pairs without NaN. Raises ValueError for columns of unequal length and for infinities."""
    first, second = np.asarray(system, dtype=float), np.asarray(baseline, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"columns differ in length: {first.size} and {second.size}")
    if np.isinf(first).any() or np.isinf(second).any():
        raise ValueError("a score is infinite")
    both = ~(np.isnan(first) | np.isnan(second))
    return Pairs(system=first[both], baseline=second[both], cluster=_renumber(clusters, both))


def _renumber(clusters: Sequence[int] | None, keep: NDArray[np.bool_]) -> NDArray[np.intp] | None:
    if clusters is None or not keep.any():
        return None
    if len(clusters) != len(keep):
        raise ValueError(f"{len(clusters)} cluster numbers for {len(keep)} scores")
    labels, codes = np.unique(np.asarray(clusters)[keep], return_inverse=True)
    return None if len(labels) == len(codes) else codes.astype(np.intp)


def stream(seed: int, *names: str) -> np.random.Generator:
    """A random stream of its own for each name, the same for the same seed on every machine."""
    digest = zlib.crc32("\x1f".join(names).encode())
    return np.random.Generator(np.random.PCG64([seed, digest]))
