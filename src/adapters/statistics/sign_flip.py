"""The sign-flip test of paired differences: under the null each difference could as well have the other sign.

Whole clusters flip together. The p value is exact wherever that is affordable: by convolution when the
differences lie on a grid of halves (0/1 scores, where it equals McNemar's exact test, and signed ranks, where
it equals Wilcoxon's), by enumeration up to 2^16 flips otherwise, else by seeded Monte Carlo with
p = (b + 1) / (B + 1), which is never zero (Phipson & Smyth 2010). Rejected: b / B, which claims p = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pairs import Floats

__all__ = ["SignFlip", "sign_flip"]

MAX_ENUMERATED = 16
MAX_CONVOLUTION_STEPS = 50_000_000
CHUNK_CELLS = 2_000_000
TIE = 1e-12


@dataclass(frozen=True)
class SignFlip:
    """Two-sided p value and how it was found."""

    p_value: float
    exact: bool
    notes: str


def sign_flip(values: Floats, *, iterations: int, rng: np.random.Generator) -> SignFlip:
    """Two-sided test that the sum of ``values`` (one per pair or per cluster) is symmetric about 0."""
    moving = values[values != 0.0]
    if len(moving) == 0:
        return SignFlip(p_value=1.0, exact=True, notes="exact: no pair differs")
    grid = _on_grid(moving)
    if grid is not None:
        return SignFlip(p_value=_convolve(grid), exact=True, notes=f"exact over all 2^{len(grid)} sign flips")
    if len(moving) <= MAX_ENUMERATED:
        notes = f"exact over all 2^{len(moving)} sign flips"
        return SignFlip(p_value=_enumerate(moving), exact=True, notes=notes)
    notes = f"Monte Carlo, {iterations} sign flips of {len(moving)}, p = (b+1)/(B+1)"
    return SignFlip(p_value=_monte_carlo(moving, iterations, rng), exact=False, notes=notes)


def _on_grid(values: Floats) -> NDArray[np.int64] | None:
    """The values as integers over their common step, when that makes the convolution affordable."""
    doubled = 2 * values
    whole = np.rint(doubled)
    if np.any(np.abs(doubled - whole) > TIE) or np.abs(whole).sum() > MAX_CONVOLUTION_STEPS:
        return None
    steps = whole.astype(np.int64)
    if not steps.all():
        return None
    steps //= np.gcd.reduce(steps)
    return steps if len(steps) * int(np.abs(steps).sum()) <= MAX_CONVOLUTION_STEPS else None


def _convolve(steps: NDArray[np.int64]) -> float:
    """P(|T| >= |observed|) from the distribution of the sum of the values that stay positive."""
    sizes = np.abs(steps)
    total, observed = int(sizes.sum()), abs(int(steps.sum()))
    share = np.zeros(total + 1)
    share[0] = 1.0
    top = 0
    for size in sizes.tolist():
        share[: top + 1] *= 0.5
        share[size : top + size + 1] += share[: top + 1].copy()
        top += size
    sums = 2 * np.arange(total + 1) - total
    return min(1.0, float(share[np.abs(sums) >= observed].sum()))


def _enumerate(values: Floats) -> float:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(_as_extreme(sums, values)))


def _as_extreme(sums: Floats, values: Floats) -> NDArray[np.bool_]:
    tolerance = TIE * float(np.abs(values).sum())
    return np.abs(sums) >= abs(float(values.sum())) - tolerance


def _monte_carlo(values: Floats, iterations: int, rng: np.random.Generator) -> float:
    count, done = 0, 0
    rows = max(1, CHUNK_CELLS // len(values))
    while done < iterations:
        size = min(rows, iterations - done)
        signs = rng.integers(0, 2, size=(size, len(values)), dtype=np.int8)
        sums = 2.0 * (signs @ values) - values.sum()
        count += int(_as_extreme(sums, values).sum())
        done += size
    return (count + 1) / (iterations + 1)
