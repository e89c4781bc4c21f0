"""The sign-flip test of paired differences: under the null each difference could as well have the other sign.

Whole clusters flip together. The p value is exact wherever that is affordable: by convolution when the
differences lie on a grid of halves (0/1 scores, where it equals McNemar's exact test, and signed ranks, where
it equals Wilcoxon's), by enumeration up to 2^16 flips otherwise, else by seeded Monte Carlo with
p = (b + 1) / (B + 1), which is never zero (Phipson & Smyth 2010). Rejected: b / B, which claims p = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .pairs import Floats

__all__ = ["Alternative", "SignFlip", "binomial_p", "exact_sign_flip", "sign_flip"]

MAX_ENUMERATED = 16
MAX_CONVOLUTION_STEPS = 50_000_000
MAX_GRID = 2**52
CHUNK_CELLS = 2_000_000
TIE = 1e-12

Alternative = Literal["two-sided", "less", "greater"]
"""What the first sample (the sum of the values) is thought to be: different, smaller or larger."""


@dataclass(frozen=True)
class SignFlip:
    """A p value and how it was found."""

    p_value: float
    exact: bool
    notes: str


def sign_flip(
    values: Floats, *, iterations: int, rng: np.random.Generator, side: Alternative = "two-sided"
) -> SignFlip:
    """Test that the sum of ``values`` (one per pair or per cluster) is symmetric about 0."""
    exact = exact_sign_flip(values, side)
    if exact is not None:
        return exact
    moving = values[values != 0.0]
    notes = f"Monte Carlo, {iterations} sign flips of {len(moving)}, p = (b+1)/(B+1)"
    return SignFlip(p_value=_monte_carlo(moving, iterations, rng, side), exact=False, notes=notes)


def exact_sign_flip(values: Floats, side: Alternative = "two-sided") -> SignFlip | None:
    """The exact test, None where it would cost too much."""
    moving = values[values != 0.0]
    if len(moving) == 0:
        return SignFlip(p_value=1.0, exact=True, notes="exact: no pair differs")
    notes = f"exact over all 2^{len(moving)} sign flips"
    steps = _on_grid(moving)
    if steps is not None and np.all(np.abs(steps) == 1):
        gained = int(np.sum(steps > 0))
        return SignFlip(p_value=binomial_p(gained, len(steps) - gained, side), exact=True, notes=notes)
    if steps is not None and len(steps) * int(np.abs(steps).sum()) <= MAX_CONVOLUTION_STEPS:
        return SignFlip(p_value=_convolve(steps, side), exact=True, notes=notes)
    if len(moving) <= MAX_ENUMERATED:
        return SignFlip(p_value=_enumerate(moving, side), exact=True, notes=notes)
    return None


def binomial_p(gained: int, lost: int, side: Alternative = "two-sided") -> float:
    """Exact p of ``gained`` against ``lost`` under even odds (McNemar's exact test)."""
    from scipy.special import bdtr

    if side != "two-sided":
        return float(bdtr(gained if side == "less" else lost, gained + lost, 0.5)) if gained + lost else 1.0
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5))) if gained + lost else 1.0


def _on_grid(values: Floats) -> NDArray[np.int64] | None:
    """The values as integers over their common step; None when they do not lie on a grid of halves."""
    doubled = 2 * values
    whole = np.rint(doubled)
    if np.any(np.abs(doubled - whole) > TIE) or not whole.all() or np.abs(whole).sum() > MAX_GRID:
        return None
    steps = whole.astype(np.int64)
    reduced: NDArray[np.int64] = steps // np.gcd.reduce(steps)
    return reduced


def _convolve(steps: NDArray[np.int64], side: Alternative) -> float:
    """P(T as extreme as observed) from the distribution of the sum of the values that stay positive."""
    sizes = np.abs(steps)
    total, observed = int(sizes.sum()), int(steps.sum())
    share = np.zeros(total + 1)
    share[0] = 1.0
    top = 0
    for size in sizes.tolist():
        share[: top + 1] *= 0.5
        share[size : top + size + 1] += share[: top + 1].copy()
        top += size
    sums = 2 * np.arange(total + 1) - total
    return min(1.0, float(share[_beyond(sums, observed, side)].sum()))


def _beyond(sums: NDArray[np.int64], observed: int, side: Alternative) -> NDArray[np.bool_]:
    if side == "two-sided":
        sums, observed = np.abs(sums), abs(observed)
    extreme: NDArray[np.bool_] = sums <= observed if side == "less" else sums >= observed
    return extreme


def _enumerate(values: Floats, side: Alternative) -> float:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(_as_extreme(sums, values, side)))


def _as_extreme(sums: Floats, values: Floats, side: Alternative) -> NDArray[np.bool_]:
    tolerance, observed = TIE * float(np.abs(values).sum()), float(values.sum())
    if side == "two-sided":
        return np.abs(sums) >= abs(observed) - tolerance
    return sums <= observed + tolerance if side == "less" else sums >= observed - tolerance


def _monte_carlo(values: Floats, iterations: int, rng: np.random.Generator, side: Alternative) -> float:
    """One random byte flips eight values: their 256 signed sums are looked up, not added again."""
    eights = np.pad(values, (0, -len(values) % 8)).reshape(-1, 8)
    signs = 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) - 1.0
    table = eights @ signs.T
    places = np.arange(len(eights))
    rows = max(1, CHUNK_CELLS // len(eights))
    count = 0
    for start in range(0, iterations, rows):
        size = (min(rows, iterations - start), len(eights))
        sums = table[places, rng.integers(0, 256, size=size, dtype=np.uint8)].sum(axis=1)
        count += int(_as_extreme(sums, values, side).sum())
    return (count + 1) / (iterations + 1)
