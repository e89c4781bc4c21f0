"""Bradley-Terry strengths: which of several systems wins how often against which (Bradley & Terry 1952).

P(i beats j) = 1 / (1 + exp(s_j - s_i)); a tie is half a win for each. Strengths have mean 0. Maximum
likelihood by Newton; it exists when every system has won, directly or by way of others, against every other
one (Ford 1957), otherwise the status is ``separated``. ``fit_wins`` takes counts of independent games and
the Fisher information. ``fit_scores`` takes the scores of all systems on the same examples: there the games
of one example (or of one cluster) depend on each other, so the covariance is the sandwich over examples or
clusters with C/(C - 1), and quantiles are of t(C - 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .answers import UnfitError
from .pairs import Floats

__all__ = ["Fit", "fit_scores", "fit_wins"]

MAX_NEWTON = 100
CONVERGED = 1e-12


@dataclass(frozen=True)
class Fit:
    """Log strengths, their covariance, wins (ties half), and degrees of freedom (None: normal)."""

    strengths: Floats
    covariance: Floats
    wins: Floats
    df: int | None

    def error(self, first: int, second: int) -> float:
        """Standard error of the difference of two strengths."""
        c = self.covariance
        return float(np.sqrt(max(0.0, c[first, first] + c[second, second] - 2 * c[first, second])))


def fit_wins(wins: Sequence[Sequence[float]]) -> Fit:
    """From ``wins[i][j]``, how often i beat j in independent games. Raises UnfitError."""
    table = np.asarray(wins, dtype=float)
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise UnfitError("unequal_lengths", "wins are not a square table")
    if len(table) < 2:
        raise UnfitError("one_group", "a ranking needs two systems")
    if not np.isfinite(table).all():
        raise UnfitError("not_a_number", "a count of wins is not finite")
    if (table < 0).any():
        raise UnfitError("out_of_range", "a count of wins is negative")
    strengths = _newton(table)
    return Fit(strengths=strengths, covariance=_inverse(_information(table, strengths)), wins=table, df=None)


def fit_scores(scores: Floats, cluster: Sequence[int] | None) -> Fit:
    """From scores (examples x systems), larger is better; a NaN plays no game. Raises UnfitError."""
    table = _wins(scores)
    strengths = _newton(table)
    units = _units(scores, strengths, cluster)
    count = len(units)
    if count < 2:
        raise UnfitError("too_few", f"{count} of the 2 examples or clusters that are needed")
    bread = _inverse(_information(table, strengths))
    covariance = bread @ (units.T @ units) @ bread * (count / (count - 1))
    return Fit(strengths=strengths, covariance=covariance, wins=table, df=count - 1)


def _results(scores: Floats, i: int, j: int) -> Floats:
    """1, 1/2 or 0 for system i against j on each example; NaN without a game."""
    return np.where(
        np.isnan(scores[:, i]) | np.isnan(scores[:, j]),
        np.nan,
        (np.sign(scores[:, i] - scores[:, j]) + 1) / 2,
    )


def _wins(scores: Floats) -> Floats:
    k = scores.shape[1]
    if k < 2:
        raise UnfitError("one_group", "a ranking needs two systems")
    if np.isinf(scores).any():
        raise UnfitError("infinite", "a score is infinite")
    table = np.zeros((k, k))
    for i in range(k):
        for j in range(k):
            if i != j:
                table[i, j] = np.nansum(_results(scores, i, j))
    return table


def _units(scores: Floats, strengths: Floats, cluster: Sequence[int] | None) -> Floats:
    """Score vectors of the likelihood, one row per example or cluster that played."""
    rows = np.zeros_like(scores)
    played = np.zeros(len(scores), dtype=bool)
    chance = _chances(strengths)
    for i in range(len(strengths)):
        for j in range(len(strengths)):
            if i != j:
                results = _results(scores, i, j)
                played |= ~np.isnan(results)
                rows[:, i] += np.where(np.isnan(results), 0.0, results - chance[i, j])
    rows = rows[played]
    if cluster is None:
        return rows
    _, codes = np.unique(np.asarray(cluster)[played], return_inverse=True)
    return np.stack([np.bincount(codes, weights=column) for column in rows.T], axis=1)


def _chances(strengths: Floats) -> Floats:
    chances: Floats = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
    return chances


def _information(wins: Floats, strengths: Floats) -> Floats:
    chance = _chances(strengths)
    weight = (wins + wins.T) * chance * (1 - chance)
    np.fill_diagonal(weight, 0.0)
    information: Floats = np.diag(weight.sum(axis=1)) - weight
    return information


def _inverse(information: Floats) -> Floats:
    """Covariance of the strengths with mean 0: the information is singular along their sum."""
    return np.asarray(np.linalg.pinv(information), dtype=float)


def _newton(wins: Floats) -> Floats:
    _check_graph(wins)
    games = wins + wins.T
    np.fill_diagonal(games, 0.0)
    own = wins.sum(axis=1) - np.diag(wins)
    strengths = np.zeros(len(wins))
    for _ in range(MAX_NEWTON):
        gradient = own - (games * _chances(strengths)).sum(axis=1)
        step = np.linalg.lstsq(_information(wins, strengths), gradient, rcond=None)[0]
        largest = float(np.abs(step).max())
        strengths = strengths + step / max(1.0, largest)  # a longer step may overshoot
        strengths = strengths - strengths.mean()
        if largest < CONVERGED:
            break
    return strengths


def _check_graph(wins: Floats) -> None:
    beaten = wins > 0
    if not _reach(beaten | beaten.T).all():
        raise UnfitError("not_connected", "some systems never met, directly or by way of others")
    if not _reach(beaten).all():
        reason = "some systems never lost an example to some others: their strength has no bound"
        raise UnfitError("separated", reason)


def _reach(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which system reaches which by any number of edges."""
    reached = edges | np.eye(len(edges), dtype=bool)
    for _ in range(len(edges).bit_length()):
        reached = (reached.astype(int) @ reached.astype(int)) > 0
    return reached
