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

from collections.abc import Sequence
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
TOLERANCE = 1e-4
_SMOOTHING = 0.01
_ROUNDS = 200

Model = Literal["auto", "confusion", "one_coin"]


class DawidSkene(NamedTuple):
    """A fit. ``posteriors[i]`` are the probabilities of item i's answers; equal votes share one."""

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
    votes = [vote for poll in polls for vote in poll.votes]
    fit = fit_dawid_skene(
        [i for i, poll in enumerate(polls) for _ in poll.votes],
        [vote.member for vote in votes],
        [vote.key for vote in votes],
        len(polls),
        model,
    )
    results = []
    for poll, posterior in zip(polls, fit.posteriors, strict=True):
        given = {vote.key for vote in poll.votes}
        scores = {key: value for key, value in posterior.items() if key in given}
        results.append(decide(poll, scores, "dawid_skene", rules or Rules()))
    return results, fit


def fit_dawid_skene(
    items: Sequence[int],
    members: Sequence[str],
    labels: Sequence[str],
    count: int,
    model: Model = "auto",
    smoothing: float = _SMOOTHING,
) -> DawidSkene:
    """Fit votes in parallel columns: vote i is that of ``members[i]`` on ``items[i]`` for ``labels[i]``.

    Items are numbered from 0 to ``count - 1``. ``smoothing`` is what is added to each cell of a table
    (one_coin: to right and to wrong).

    Raises:
        ValueError: a member voted twice on one item, or the columns differ in length.
    """
    votes_ = _arrays(items, members, labels, count)
    if votes_ is None:
        return DawidSkene("one_coin", [{} for _ in range(count)], {}, {}, 0, converged=True)
    if model == "auto":
        per_cell = len(votes_.item) / (len(votes_.members) * len(votes_.labels) ** 2)
        model = "confusion" if per_cell >= MIN_PER_CELL else "one_coin"
    smoothing = max(smoothing, 1e-10)  # a logarithm of 0 would decide everything
    return _confusion(votes_, smoothing) if model == "confusion" else _one_coin(votes_, smoothing)


class _Votes(NamedTuple):
    """Votes as parallel arrays of item, member and label numbers."""

    item: Integers
    member: Integers
    label: Integers
    items: int
    members: list[str]
    labels: list[str]


def _arrays(items: Sequence[int], who: Sequence[str], what: Sequence[str], count: int) -> _Votes | None:
    import numpy as np

    if not len(items) == len(who) == len(what):
        raise ValueError("Dawid-Skene: expected as many items, members and labels")
    if not items:
        return None
    members, labels = list(dict.fromkeys(who)), list(dict.fromkeys(what))
    member_of = {member: i for i, member in enumerate(members)}
    label_of = {label: i for i, label in enumerate(labels)}
    item = np.fromiter(items, np.int64, len(items))
    member = np.fromiter(map(member_of.__getitem__, who), np.int64, len(items))
    label = np.fromiter(map(label_of.__getitem__, what), np.int64, len(items))
    if np.bincount(item * len(members) + member).max() > 1:
        raise ValueError("Dawid-Skene: a member voted twice on one item")
    return _Votes(item, member, label, count, members, labels)


def _patterns(votes: _Votes) -> tuple[_Votes, Integers, Integers]:
    """Items with the same votes are one: they have the same posterior.

    Returns the votes of one item for each pattern, how often each pattern occurs, and each item's pattern.
    Where a pattern does not fit into the whole numbers of a float, every item is its own.
    """
    import numpy as np

    base = len(votes.labels) + 1
    if base ** len(votes.members) > 2**53:
        every = np.arange(votes.items)
        return votes, np.ones(votes.items, np.int64), every
    digits = (votes.label + 1) * float(base) ** votes.member
    codes = np.bincount(votes.item, digits, minlength=votes.items)
    _, example, pattern, count = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    chosen = np.zeros(votes.items, bool)
    chosen[example] = True
    kept = chosen[votes.item]
    few = votes._replace(
        item=pattern[votes.item[kept]], member=votes.member[kept], label=votes.label[kept], items=len(example)
    )
    return few, count, pattern


def _confusion(all_votes: _Votes, smoothing: float) -> DawidSkene:
    import numpy as np

    votes, count, pattern = _patterns(all_votes)
    item, member, label, items, members, labels = votes
    classes, cells = len(labels), len(members) * len(labels)
    said = member * classes + label
    weight = count[item].astype(np.float64)[:, None]
    given = np.bincount(item * classes + label, minlength=items * classes).reshape(items, classes)
    posterior: Floats = _normal(given.astype(np.float64))
    rounds, converged = 0, False
    table: Floats = np.zeros((classes, len(members), classes))
    while rounds < _ROUNDS and not converged:
        rounds += 1
        believed = posterior[item] * weight
        counts: Floats = np.stack(
            [np.bincount(said, believed[:, k], minlength=cells) for k in range(classes)]
        )
        table = _normal(counts.reshape(classes, len(members), classes) + smoothing)
        logs = np.log(table).reshape(classes, cells)
        prior = _normal(count @ posterior + smoothing)
        scores = np.stack([np.bincount(item, logs[k][said], minlength=items) for k in range(classes)], axis=1)
        scores += np.log(prior)
        scores -= scores.max(axis=1, keepdims=True)
        new = _normal(np.exp(scores))
        converged = float(count @ np.abs(new - posterior).sum(axis=1)) <= TOLERANCE * all_votes.items
        posterior = new
    right = np.bincount(member, posterior[item, label] * weight[:, 0], minlength=len(members))
    asked = np.bincount(member, weight[:, 0], minlength=len(members))
    named = [dict(zip(labels, row, strict=True)) for row in posterior.tolist()]
    confusion = {
        name: {truth: dict(zip(labels, table[k, m].tolist(), strict=True)) for k, truth in enumerate(labels)}
        for m, name in enumerate(members)
    }
    return DawidSkene(
        "confusion",
        [named[number] for number in pattern.tolist()],
        dict(zip(members, (right / asked).tolist(), strict=True)),
        confusion,
        rounds,
        converged,
    )


def _one_coin(votes: _Votes, smoothing: float) -> DawidSkene:
    import numpy as np

    item, member, label, items, members, labels = votes
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
        chance = (right + smoothing) / (asked + 2 * smoothing)
        odds = np.log(chance) - np.log1p(-chance)
        scores = np.bincount(cell, odds[member] + max(0.0, float(np.log(pairs / same))))
        highest = np.full(items, -np.inf)
        np.maximum.at(highest, cell_item, scores)
        shares = np.exp(scores - highest[cell_item])
        new = shares / np.bincount(cell_item, shares, minlength=items)[cell_item]
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
