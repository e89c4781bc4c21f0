"""Deals groups of rows to train, validation and test. Pure and seeded; called when a data set is opened.

Groups are taken in a seeded random order and each goes to the split that is emptiest relative to its target
among those that it still fits in. When it fits in none it goes to the one with most room, so every split ends
less than one (largest) group away from its target. Groups that are larger than the smallest target go first:
they could not stand there anyway, and the small ones then even the sizes out. Rejected: dealing all groups
by size, which gives slightly better sizes but a training set of large groups and a test set of small ones.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence

__all__ = ["SPLITS", "deal_groups", "split_targets"]

SPLITS = ("train", "validation", "test")


def split_targets(n: int, shares: Sequence[float]) -> list[int]:
    """``n`` rows dealt by ``shares`` (which add up to 1): largest remainder, ties to the earlier split."""
    exact = [n * share for share in shares]
    targets = [int(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (-round(exact[i] - targets[i], 9), i))
    for i in by_remainder[: n - sum(targets)]:
        targets[i] += 1
    return targets


def deal_groups(roots: Sequence[int], shares: Sequence[float], seed: int) -> bytearray:
    """The split number of each row, given the first row of each row's group (``Grouping.roots``).

    Rows with equal roots get equal splits. ``shares`` add up to 1; a split with share 0 gets no rows.
    """
    sizes = array("I", [0]) * len(roots)
    for root in roots:
        sizes[root] += 1
    room = split_targets(len(roots), shares)
    targets = list(room)
    split_of_root = bytearray(len(roots))
    for root in _deal_order(sizes, min((target for target in targets if target), default=0), seed):
        size = sizes[root]
        split = _choose(room, targets, size)
        room[split] -= size
        split_of_root[root] = split
    return bytearray(split_of_root[root] for root in roots)


def _deal_order(sizes: array[int], smallest_target: int, seed: int) -> Iterator[int]:
    """The roots in random order, those of groups larger than ``smallest_target`` before the others."""
    order = array("I", (row for row, size in enumerate(sizes) if size))
    random.Random(f"crucible.split:{seed}").shuffle(order)
    yield from (root for root in order if sizes[root] > smallest_target)
    yield from (root for root in order if sizes[root] <= smallest_target)


def _choose(room: list[int], targets: list[int], size: int) -> int:
    fitting = [split for split, free in enumerate(room) if free >= size]
    if fitting:
        return max(fitting, key=lambda split: room[split] / targets[split])
    return max((split for split, target in enumerate(targets) if target), key=room.__getitem__)
