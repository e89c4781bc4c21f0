"""Three or more systems ranked on the same examples: Bradley-Terry with intervals and possible places.

A system is ``best`` only if it beats every other one significantly. Differences of strengths are tested
pair by pair with Holm's correction; the places of a system are those that these tests leave open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from ...messages.findings import Interval, RankedSystem, Ranking
from .answers import UnfitError, probability
from .bradley_terry import Fit, fit_scores
from .correction import adjust
from .pairs import Floats
from .student import t_quantile
from .t_tests import t_tail

__all__ = ["rank_systems", "significant"]

FEW = 20
NOISE = 1e-9
"""A strength or an error below it is rounding: a system of which nothing but ties is known."""


def rank_systems(
    metric: str,
    columns: Mapping[str, Sequence[float]],
    *,
    clusters: Sequence[int] | None = None,
    higher_is_better: bool = True,
    level: float = 0.95,
) -> Ranking:
    """Rank the systems by who has the better score on each example; a NaN plays no game."""
    names = list(columns)
    n_clusters = None if clusters is None else len(set(clusters))
    try:
        probability(level, "the level")
        scores = _table(columns)
        fit = fit_scores(scores if higher_is_better else -scores, clusters)
        if not fit.covariance.any():
            raise UnfitError("no_difference", "on every example all systems tie")
    except UnfitError as unfit:
        n = max((len(column) for column in columns.values()), default=0)
        return Ranking(
            metric=metric,
            n=n,
            n_clusters=n_clusters,
            status=unfit.status,
            reason=unfit.reason,
            summary=f"No ranking on {metric}: {unfit.reason}.",
        )
    played = int(np.sum((~np.isnan(scores)).sum(axis=1) > 1))
    better = significant(fit, 1 - level)
    order = sorted(range(len(names)), key=lambda index: (-fit.strengths[index], names[index]))
    systems = tuple(_ranked(fit, names, index, better, level) for index in order)
    best = next((names[i] for i in order if better[i].sum() == len(names) - 1), None)
    rough = f"; rough with fewer than {FEW} of them" if (fit.df or 0) + 1 < FEW else ""
    unit = f"{played} examples" if n_clusters is None else f"{n_clusters} clusters"
    return Ranking(
        metric=metric,
        n=played,
        n_clusters=n_clusters,
        systems=systems,
        best=best,
        method=f"Bradley-Terry, sandwich over {unit}, t({fit.df}); places by pairs, Holm{rough}",
        summary=_words(metric, systems, best),
    )


def _table(columns: Mapping[str, Sequence[float]]) -> Floats:
    if len({len(column) for column in columns.values()}) != 1:
        raise UnfitError("unequal_lengths", "the systems have different numbers of scores")
    return np.stack([np.asarray(column, dtype=float) for column in columns.values()], axis=1)


def significant(fit: Fit, alpha: float) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """``[i, j]``: i is stronger than j, after Holm over all pairs."""
    k = len(fit.strengths)
    pairs = list(combinations(range(k), 2))
    p_values = []
    for i, j in pairs:
        error = fit.error(i, j)
        lead = float(fit.strengths[i] - fit.strengths[j])
        p_values.append(t_tail(lead / error, fit.df or 1) if error > NOISE else 1.0)
    found = np.zeros((k, k), dtype=bool)
    for (i, j), p_value in zip(pairs, adjust(p_values, "holm"), strict=True):
        if p_value < alpha:
            winner, loser = (i, j) if fit.strengths[i] > fit.strengths[j] else (j, i)
            found[winner, loser] = True
    return found


def _ranked(
    fit: Fit,
    names: Sequence[str],
    index: int,
    better: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
    level: float,
) -> RankedSystem:
    strength = float(fit.strengths[index]) if abs(fit.strengths[index]) > NOISE else 0.0
    error = float(np.sqrt(max(0.0, fit.covariance[index, index])))
    half = t_quantile((1 + level) / 2, fit.df or 1) * error
    interval = Interval(low=strength - half, high=strength + half, level=level, method="sandwich")
    games = float(fit.wins[index].sum() + fit.wins[:, index].sum())
    return RankedSystem(
        system=names[index],
        strength=strength,
        interval=interval if error > NOISE else None,
        share_won=float(fit.wins[index].sum()) / games,
        place=(1 + int(better[:, index].sum()), len(names) - int(better[index].sum())),
    )


def _words(metric: str, systems: Sequence[RankedSystem], best: str | None) -> str:
    order = ", ".join(f"{s.system} ({100 * s.share_won:.0f} % won)" for s in systems)
    if best is not None:
        return f"{best} is the best on {metric}: it beats every other system. Order: {order}."
    first = [s.system for s in systems if s.place[0] == 1]
    return f"No single best on {metric}: {', '.join(first)} may each be first. Order: {order}."
