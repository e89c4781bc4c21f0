"""Members' reliabilities and the right answers together, without knowing either (Dawid and Skene 1979).

Called with the polls of a whole batch. Expectation maximisation in log space, started from the shares of
the votes (a majority vote), until the posteriors move by less than ``TOLERANCE`` on average over the items.
With most members wrong on most questions the start is on the wrong side, and so is the end: no method
without known answers can tell.

Two models, and the result says which was used. ``confusion``: one table per member, P(says l | truth k),
for questions that share a few answers (classes); Dawid and Skene's own. ``one_coin``: one number per
member, the chance to be right, and one for all, the chance that two wrong votes agree (estimated too: among
open answers it is small, and then two that agree are believed); for answers that are different for each
question, and for few votes. The truth is taken to be among the answers given. ``auto`` takes the tables
when each of their cells has ``MIN_PER_CELL`` votes on average.

Counts are smoothed (a Dirichlet or Beta prior): a member that was never wrong is not infallible. Members
are taken to err independently given the truth, see ``agreement`` for how far they do.

Rejected: a dense array over members, truths and votes (most of it is empty when members are many).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from .ballots import Poll, Rules, VoteResult
from .strategies import decide

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["MIN_PER_CELL", "TOLERANCE", "DawidSkene", "dawid_skene", "fit_dawid_skene"]

MIN_PER_CELL = 5.0
TOLERANCE = 1e-5
_SMOOTHING = 0.01
_ROUNDS = 200

Model = Literal["auto", "confusion", "one_coin"]


class DawidSkene(NamedTuple):
    """A fit. ``posteriors[i]`` are the probabilities of the answers given to item i."""

    model: Literal["confusion", "one_coin"]
    posteriors: list[dict[str, float]]
    reliability: dict[str, float]
    """The estimated share of each member's votes that are right."""
    confusion: dict[str, dict[str, dict[str, float]]]
    """member -> truth -> said -> probability; empty with ``one_coin``."""
    rounds: int
    converged: bool


def dawid_skene(
    polls: Sequence[Poll], rules: Rules | None = None, model: Model = "auto"
) -> tuple[list[VoteResult], DawidSkene]:
    """Decide every poll by the posterior of its answers."""
    votes = [(i, vote.member, vote.key) for i, poll in enumerate(polls) for vote in poll.votes]
    fit = fit_dawid_skene(votes, len(polls), model)
    results = []
    for poll, posterior in zip(polls, fit.posteriors, strict=True):
        given = {vote.key for vote in poll.votes}
        scores = {key: value for key, value in posterior.items() if key in given}
        results.append(decide(poll, scores, "dawid_skene", rules or Rules()))
    return results, fit


def fit_dawid_skene(
    votes: Iterable[tuple[int, str, str]], items: int, model: Model = "auto", smoothing: float = _SMOOTHING
) -> DawidSkene:
    """Fit (item, member, answer) votes; items are numbered from 0 to ``items - 1``.

    ``smoothing`` is what is added to each cell of a table (one_coin: to right and to wrong).
    """
    import numpy as np

    rows = list(votes)
    members = list(dict.fromkeys(member for _, member, _ in rows))
    labels = list(dict.fromkeys(label for _, _, label in rows))
    if not rows:
        return DawidSkene("one_coin", [{} for _ in range(items)], {}, {}, 0, converged=True)
    member_of = {member: i for i, member in enumerate(members)}
    label_of = {label: i for i, label in enumerate(labels)}
    item = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    member = np.fromiter((member_of[row[1]] for row in rows), np.int64, len(rows))
    label = np.fromiter((label_of[row[2]] for row in rows), np.int64, len(rows))
    if model == "auto":
        per_cell = len(rows) / (len(members) * len(labels) ** 2)
        model = "confusion" if per_cell >= MIN_PER_CELL else "one_coin"
    if model == "confusion":
        return _confusion(item, member, label, items, members, labels, smoothing)
    return _one_coin(item, member, label, items, members, labels, smoothing)


def _confusion(
    item: Integers,
    member: Integers,
    label: Integers,
    items: int,
    members: list[str],
    labels: list[str],
    smoothing: float,
) -> DawidSkene:
    import numpy as np

    said, classes = member * len(labels) + label, len(labels)
    cells = len(members) * classes
    given = np.bincount(item * classes + label, minlength=items * classes).reshape(items, classes)
    posterior: Floats = _normal(given.astype(np.float64))
    rounds, converged = 0, False
    table = np.zeros((classes, len(members), classes))
    while rounds < _ROUNDS and not converged:
        rounds += 1
        votes_for = posterior[item]
        counts: Floats = np.stack(
            [np.bincount(said, votes_for[:, k], minlength=cells) for k in range(classes)]
        )
        table = _normal(counts.reshape(classes, len(members), classes) + max(smoothing, 1e-10))
        logs = np.log(table).reshape(classes, cells)
        prior = _normal(posterior.sum(axis=0) + max(smoothing, 1e-10))
        scores = np.stack([np.bincount(item, logs[k][said], minlength=items) for k in range(classes)], axis=1)
        scores += np.log(prior)
        scores -= scores.max(axis=1, keepdims=True)
        new = _normal(np.exp(scores))
        converged = float(np.abs(new - posterior).sum()) <= TOLERANCE * items
        posterior = new
    right = np.bincount(member, posterior[item, label], minlength=len(members)) / np.bincount(member)
    confusion = {
        name: {truth: dict(zip(labels, table[k, m].tolist(), strict=True)) for k, truth in enumerate(labels)}
        for m, name in enumerate(members)
    }
    return DawidSkene(
        "confusion",
        [dict(zip(labels, row, strict=True)) for row in posterior.tolist()],
        dict(zip(members, right.tolist(), strict=True)),
        confusion,
        rounds,
        converged,
    )


def _one_coin(
    item: Integers,
    member: Integers,
    label: Integers,
    items: int,
    members: list[str],
    labels: list[str],
    smoothing: float,
) -> DawidSkene:
    import numpy as np

    cell_names, cell = np.unique(item * len(labels) + label, return_inverse=True)
    cell_item = cell_names // len(labels)
    asked = np.bincount(member)
    votes_in = np.bincount(cell).astype(np.float64)
    others = np.bincount(item, minlength=items)[cell_item] - votes_in
    posterior: Floats = votes_in / (votes_in + others)
    right: Floats = np.zeros(len(members))
    rounds, converged = 0, False
    while rounds < _ROUNDS and not converged:
        rounds += 1
        right = np.asarray(np.bincount(member, posterior[cell], minlength=len(members)), np.float64)
        # Pairs of wrong votes that agree, and all pairs of wrong votes; one agreeing pair is presumed.
        same = float((1 - posterior) @ (votes_in * (votes_in - 1))) + 1
        pairs = float(posterior @ (others * (others - 1))) + 1
        chance = (right + max(smoothing, 1e-10)) / (asked + 2 * max(smoothing, 1e-10))
        odds = np.log(chance) - np.log1p(-chance)
        scores = np.bincount(cell, odds[member] + max(0.0, float(np.log(pairs / same))))
        highest = np.full(items, -np.inf)
        np.maximum.at(highest, cell_item, scores)
        weights = np.exp(scores - highest[cell_item])
        new = weights / np.bincount(cell_item, weights, minlength=items)[cell_item]
        converged = float(np.abs(new - posterior).sum()) <= TOLERANCE * items
        posterior = new
    posteriors: list[dict[str, float]] = [{} for _ in range(items)]
    for name, value in zip(cell_names.tolist(), posterior.tolist(), strict=True):
        posteriors[name // len(labels)][labels[name % len(labels)]] = value
    reliability = dict(zip(members, (right / asked).tolist(), strict=True))
    return DawidSkene("one_coin", posteriors, reliability, {}, rounds, converged)


def _normal(table: Floats) -> Floats:
    """Rows that sum to 1; an empty row is uniform."""
    import numpy as np

    total = table.sum(axis=-1, keepdims=True)
    return np.where(total > 0, table / np.where(total > 0, total, 1.0), 1.0 / table.shape[-1])
