from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.backends.extractive.decision import expected_f1, select

probability = st.floats(0.01, 0.99)


def brute_force(probabilities: list[float], chosen: set[int], *, given_any: bool = False) -> float:
    """Expected F1 by listing every truth."""
    total = mass = 0.0
    for truth in product((0, 1), repeat=len(probabilities)):
        if given_any and not any(truth):
            continue
        weight = 1.0
        for value, each in zip(truth, probabilities, strict=True):
            weight *= each if value else 1 - each
        hits = sum(truth[place] for place in chosen)
        size = len(chosen) + sum(truth)
        total += weight * (2 * hits / size if size else 1.0)
        mass += weight
    return total / mass


def subsets(n: int) -> list[set[int]]:
    return [{i for i in range(n) if mask >> i & 1} for mask in range(2**n)]


@given(st.lists(probability, min_size=1, max_size=6))
def test_expected_f1_equals_the_sum_over_all_truths(probabilities: list[float]) -> None:
    ranked = sorted(probabilities, reverse=True)
    exact = [brute_force(ranked, set(range(k))) for k in range(len(ranked) + 1)]
    assert expected_f1(np.array(ranked), len(ranked)) == pytest.approx(np.array(exact))


@given(st.lists(probability, min_size=1, max_size=5))
def test_no_subset_expects_a_higher_f1_than_the_one_selected(probabilities: list[float]) -> None:
    best = max(brute_force(probabilities, chosen) for chosen in subsets(len(probabilities)))
    selection = select(np.array(probabilities))
    assert selection.expected_f1 == pytest.approx(best)
    assert brute_force(probabilities, set(selection.chosen)) == pytest.approx(best)


@given(st.lists(probability, min_size=1, max_size=5), st.floats(0, 1))
def test_a_known_presence_conditions_the_law(probabilities: list[float], presence: float) -> None:
    given_any = max(
        brute_force(probabilities, chosen, given_any=True) for chosen in subsets(len(probabilities)) if chosen
    )
    selection = select(np.array(probabilities), presence=presence)
    assert selection.expected_f1 == pytest.approx(max(1 - presence, presence * given_any))


def test_nothing_is_selected_when_evidence_is_unlikely() -> None:
    assert select(np.array([0.3, 0.2]), presence=0.05).chosen == ()


def test_the_minimum_and_the_maximum_hold() -> None:
    assert select(np.array([0.01, 0.02]), minimum=1).chosen == (1,)
    assert select(np.full(9, 0.9), maximum=4).chosen == (0, 1, 2, 3)


def test_the_selection_is_in_passage_order() -> None:
    assert select(np.array([0.8, 0.1, 0.95])).chosen == (0, 2)
