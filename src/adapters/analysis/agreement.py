"""Whether the cheap surrogates say what the exact figures say, over the answers of one system.

Made by the TDA adapter; the stage hands it each answer's surrogates with its persistence. Pairs: β₁ of the
claim graph with the lasting loops of the claim cloud, fragility with the mean life of the bars that die.
The gate of the CNS literature asks for a correlation of β₁ above 0.35; here it must be significant as well.
"""

from __future__ import annotations

import random
from typing import Any

from ...messages.findings import PersistenceResult, SurrogateScore
from ..statistics.rank_correlation import correlate

__all__ = ["SurrogateAgreement"]

GATE = 0.35
ALPHA = 0.05
MAX_PAIRS = 10_000
"""Answers kept; of more, a uniform sample (reservoir sampling, Vitter 1985)."""

Pair = tuple[float, float]


class SurrogateAgreement:
    """Implements ``ports.Summary`` for pairs of SurrogateScore and PersistenceResult of one answer."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._beta1, self._fragility = Kept(seed), Kept(seed + 1)

    def add(self, score: tuple[SurrogateScore, PersistenceResult]) -> None:
        """Take one answer in; what is not defined on both sides is left out."""
        surrogate, exact = score
        if exact.status != "ok":
            return
        if surrogate.beta1_surrogate is not None and "1" in exact.betti:
            self._beta1.add((float(surrogate.beta1_surrogate), float(exact.betti["1"])))
        lives = [bar.death - bar.birth for bar in exact.bars if bar.death is not None]
        if surrogate.fragility_score is not None and lives:
            self._fragility.add((surrogate.fragility_score, sum(lives) / len(lives)))

    def result(self) -> dict[str, Any]:
        """Correlations with their p-values, and the gate: passed, missed, or None where none is defined."""
        beta1 = self._figures(self._beta1)
        r, p = beta1["pearson"], beta1["pearson_p"]
        passes = None if r is None else r > GATE and p < ALPHA
        return {
            "beta1": beta1,
            "fragility": self._figures(self._fragility),
            "gate1": {"passes": passes, "threshold": GATE, "alpha": ALPHA},
        }

    def _figures(self, kept: Kept) -> dict[str, Any]:
        left, right = [pair[0] for pair in kept.pairs], [pair[1] for pair in kept.pairs]
        figures: dict[str, Any] = {"n": kept.seen, "n_used": len(kept.pairs)}
        for kind in ("pearson", "spearman"):
            found = correlate(left, right, kind, seed=self._seed)
            figures |= {"status": found.status, kind: found.value, f"{kind}_p": found.p_value}
            figures["p_method"] = found.method or None
        return figures


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
