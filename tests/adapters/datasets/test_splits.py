"""Grouped splits: what always holds, over generated groups."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.datasets.grouping import Grouping
from crucible.adapters.datasets.splits import deal_groups, split_targets

SHARES = (0.8, 0.1, 0.1)
shares = st.sampled_from([SHARES, (0.5, 0.25, 0.25), (0.9, 0.0, 0.1), (1.0, 0.0, 0.0), (1 / 3, 1 / 3, 1 / 3)])
rows_with_values = st.lists(st.lists(st.integers(0, 40).map(str), max_size=3), min_size=1, max_size=120)


def roots_of(rows: list[list[str]]) -> list[int]:
    grouping = Grouping()
    for values in rows:
        grouping.add(values)
    return list(grouping.roots())


@given(rows_with_values, shares, st.integers(0, 2**32 - 1))
def test_rows_that_share_a_value_never_stand_in_two_splits(
    rows: list[list[str]], shares: tuple[float, ...], seed: int
) -> None:
    splits = deal_groups(roots_of(rows), shares, seed)
    split_of_value: dict[str, int] = {}
    for values, split in zip(rows, splits, strict=True):
        for value in values:
            assert split_of_value.setdefault(value, split) == split


@given(rows_with_values, shares, st.integers(0, 2**32 - 1))
def test_every_split_is_less_than_one_group_from_its_target(
    rows: list[list[str]], shares: tuple[float, ...], seed: int
) -> None:
    roots = roots_of(rows)
    sizes = Counter(deal_groups(roots, shares, seed))
    largest_group = max(Counter(roots).values())
    for split, target in enumerate(split_targets(len(rows), shares)):
        assert abs(sizes[split] - target) < largest_group


@given(rows_with_values, st.integers(0, 2**32 - 1))
def test_the_same_seed_deals_the_same(rows: list[list[str]], seed: int) -> None:
    roots = roots_of(rows)
    assert deal_groups(roots, SHARES, seed) == deal_groups(roots, SHARES, seed)


@given(rows_with_values)
def test_groups_are_the_connected_components(rows: list[list[str]]) -> None:
    expected = list(range(len(rows)))
    for _ in rows:  # spread the smallest row number until nothing moves
        for i, a in enumerate(rows):
            for j, b in enumerate(rows):
                if set(a) & set(b):
                    expected[i] = expected[j] = min(expected[i], expected[j])
    assert roots_of(rows) == expected


@given(st.integers(0, 10_000), shares)
def test_targets_add_up_and_are_less_than_one_row_off(n: int, shares: tuple[float, ...]) -> None:
    targets = split_targets(n, shares)
    assert sum(targets) == n
    assert all(abs(target - n * share) < 1 for target, share in zip(targets, shares, strict=True))


def test_without_groups_the_shares_are_exact() -> None:
    assert Counter(deal_groups(range(505), SHARES, 3)) == {0: 404, 1: 51, 2: 50}


def test_a_group_larger_than_the_small_splits_goes_to_the_large_one() -> None:
    roots = [0] * 60 + list(range(60, 100))
    for seed in range(20):
        assert Counter(deal_groups(roots, SHARES, seed)) == {0: 80, 1: 10, 2: 10}


@pytest.mark.parametrize("seed", range(5))
def test_small_and_large_groups_both_reach_the_test_split(seed: int) -> None:
    roots = [i // 5 * 5 for i in range(500)] + list(range(500, 1000))
    splits = deal_groups(roots, SHARES, seed)
    assert set(splits[:500]) == set(splits[500:]) == {0, 1, 2}


def test_a_seed_deals_the_same_in_every_version_of_python() -> None:
    roots = [0, 0, 0, 3, 4, 5, 6, 6, 8, 9, 10, 11]
    assert list(deal_groups(roots, (0.5, 0.25, 0.25), 17)) == [2, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1]
