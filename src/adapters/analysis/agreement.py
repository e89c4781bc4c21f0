"""Whether the cheap surrogates say what the exact figures say, over the answers of one system.

Made by the TDA adapter; the stage hands it each answer's surrogates with its persistence. Pairs: β₁ of the
claim graph with the lasting loops of the claim cloud, fragility with the mean life of the bars that die.
The gate of the CNS literature asks for a correlation of β₁ above 0.35; here it must be significant as well.
Answers of one group count as a cluster, in the intervals and in p.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from ...actors.scores import ClusterIndex
from ...messages.findings import Correlation, PersistenceResult, SurrogateScore
from ..statistics.correlation_interval import correlation_spread
from ..statistics.rank_correlation import correlate

__all__ = ["SurrogateAgreement"]

GATE = 0.35
ALPHA = 0.05
MAX_PAIRS = 10_000
"""Answers kept; of more, a uniform sample (reservoir sampling, Vitter 1985)."""

KINDS: tuple[Literal["pearson", "spearman"], ...] = ("pearson", "spearman")
REASONS = {
    "constant": "a column does not vary",
    "too_few_pairs": "fewer than three answers have both",
    "not_finite": "a figure is not finite",
}


class Pair(NamedTuple):
    """Both figures of one answer, and the group of its example."""

    surrogate: float
    exact: float
    group: str | None


class SurrogateAgreement:
    """Implements ``ports.Agreement``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._beta1, self._fragility = Kept(seed), Kept(seed + 1)

    def add(self, surrogate: SurrogateScore, exact: PersistenceResult, *, group: str | None) -> None:
        """Take one answer in; what is not defined on both sides is left out."""
        if exact.status != "ok":
            return
        if surrogate.beta1_surrogate is not None and "1" in exact.betti:
            self._beta1.add(Pair(float(surrogate.beta1_surrogate), float(exact.betti["1"]), group))
        lives = [bar.death - bar.birth for bar in exact.bars if bar.death is not None]
        if surrogate.fragility_score is not None and lives:
            self._fragility.add(Pair(surrogate.fragility_score, sum(lives) / len(lives), group))

    def correlations(self, level: float) -> tuple[Correlation, ...]:
        """Both pairs of figures by both coefficients, with interval and p."""
        both = {"beta1": self._beta1, "fragility": self._fragility}
        return tuple(
            _correlation(name, kind, kept, level, self._seed) for name, kept in both.items() for kind in KINDS
        )

    def summarize(self, correlations: Sequence[Correlation]) -> dict[str, Any]:
        """The same, JSON-ready, and the gate: passed, missed, or None where no r is defined."""
        figures: dict[str, Any] = {}
        seen = {"beta1": self._beta1.seen, "fragility": self._fragility.seen}
        for found in correlations:
            told = figures.setdefault(found.name, {"n": seen[found.name], "n_used": found.n})
            told |= {"status": found.status, found.kind: found.value, f"{found.kind}_p": found.p_value}
            told["p_method"] = found.p_method or None
        r, p = figures["beta1"]["pearson"], figures["beta1"]["pearson_p"]
        passes = None if r is None or p is None else r > GATE and p < ALPHA
        return {**figures, "gate1": {"passes": passes, "threshold": GATE, "alpha": ALPHA}}


def _correlation(
    name: str, kind: Literal["pearson", "spearman"], kept: Kept, level: float, seed: int
) -> Correlation:
    """Independent answers have the p of ``correlate``; in clusters it would alarm too often."""
    left = [pair.surrogate for pair in kept.pairs]
    right = [pair.exact for pair in kept.pairs]
    found = correlate(left, right, kind, seed=seed)
    if found.value is None:
        reason = REASONS[found.status]
        return Correlation(name=name, kind=kind, value=None, n=len(left), status=found.status, reason=reason)
    clusters = _clusters(kept.pairs)
    spread = correlation_spread(left, right, kind, clusters=clusters, level=level)
    return Correlation(
        name=name,
        kind=kind,
        value=found.value,
        n=len(left),
        n_clusters=None if clusters is None else len(set(clusters)),
        p_value=found.p_value if clusters is None else spread.clustered_p,
        p_method=found.method if clusters is None else "clustered t",
        interval=spread.interval,
        reason=spread.reason,
    )


def _clusters(pairs: Sequence[Pair]) -> list[int] | None:
    """A number for each group, of its own without one; None when no two answers share a group."""
    index = ClusterIndex()
    for pair in pairs:
        index.add(pair.group)
    found = index.clusters()
    return None if found is None else list(found)


class Kept:
    """A uniform sample of bounded size of a stream of pairs."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.pairs: list[Pair] = []
        self.seen = 0

    def add(self, pair: Pair) -> None:
        """Offer a pair."""
        self.seen += 1
        if len(self.pairs) < MAX_PAIRS:
            self.pairs.append(pair)
            return
        slot = self._random.randrange(self.seen)
        if slot < MAX_PAIRS:
            self.pairs[slot] = pair
