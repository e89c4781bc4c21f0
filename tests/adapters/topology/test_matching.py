from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.adapters.topology.diagrams import diagram_of
from crucible.adapters.topology.matching import Ground, bottleneck, wasserstein
from crucible.adapters.topology.persistence import persistence
from crucible.messages.errors import InputError

Floats = NDArray[np.float64]
INFINITE = math.inf

# By gudhi 3.13.0: bottleneck_distance(a, b, 0), then hera.wasserstein_distance(a, b, order, internal_p)
# for (1, inf), (2, inf), (2, 2) and (1, 2).
GUDHI = {
    (1, 5, 2, 7): (
        0.2771991228329092, 1.2126008566205926, 0.47354285437299076, 0.6401741692991934, 1.5430407647036826,
    ),
    (3, 30, 4, 20): (
        0.7697795199904482, 4.4295863071653425, 1.141473202736864, 1.2530237299426146, 5.092735989142133,
    ),
    (5, 1, 6, 12): (
        0.47503946835992183, 1.5500994395444447, 0.6812317384540767, 0.9412579343442263, 2.160003453124826,
    ),
    (7, 60, 8, 60): (
        0.41336622440499005, 5.827781667629503, 0.9717347722573327, 1.1807590860210957, 7.192104211651671,
    ),
}  # fmt: skip
KINDS: tuple[tuple[float, Ground], ...] = (
    (1.0, "max"),
    (2.0, "max"),
    (2.0, "euclidean"),
    (1.0, "euclidean"),
)


def diagram(seed: int, size: int) -> Floats:
    random = np.random.default_rng(seed)
    births = random.uniform(0.0, 1.0, size)
    return np.column_stack([births, births + random.exponential(0.3, size)])


def brute_force(left: Floats, right: Floats, order: float, ground: Ground) -> float:
    """The least over all matchings; order infinity is the bottleneck distance."""

    def apart(a: Any, b: Any) -> float:
        steps = abs(a[0] - b[0]), abs(a[1] - b[1])
        return max(steps) if ground == "max" else math.hypot(*steps)

    def to_diagonal(a: Any) -> float:
        return apart(a, ((a[0] + a[1]) / 2, (a[0] + a[1]) / 2))

    def total(costs: list[float]) -> float:
        return max(costs, default=0.0) if order == INFINITE else sum(c**order for c in costs) ** (1 / order)

    found = INFINITE
    partners = [*range(len(right)), *[None] * len(left)]
    for chosen in set(itertools.permutations(partners, len(left))):
        costs = [
            to_diagonal(a) if j is None else apart(a, right[j]) for a, j in zip(left, chosen, strict=True)
        ]
        costs += [to_diagonal(b) for j, b in enumerate(right) if j not in chosen]
        found = min(found, total(costs))
    return found


@pytest.mark.parametrize("key", GUDHI)
def test_distances_equal_those_of_gudhi(key: tuple[int, int, int, int]) -> None:
    left, right = diagram(*key[:2]), diagram(*key[2:])
    expected, *sums = GUDHI[key]
    assert bottleneck(left, right) == pytest.approx(expected, rel=1e-12)
    for (order, ground), value in zip(KINDS, sums, strict=True):
        assert wasserstein(left, right, order, ground) == pytest.approx(value, rel=1e-9)


@pytest.mark.slow
def test_distances_equal_those_of_persim() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import persim

        for seed in range(10):
            left, right = diagram(seed, 1 + 3 * seed), diagram(seed + 100, 20)
            assert bottleneck(left, right) == pytest.approx(persim.bottleneck(left, right), rel=1e-9)
            mine = wasserstein(left, right, 1.0, "euclidean")
            assert mine == pytest.approx(persim.wasserstein(left, right), rel=1e-9)


def test_distances_are_the_least_over_all_matchings() -> None:
    for seed in range(30):
        left, right = diagram(seed, seed % 4), diagram(seed + 50, (seed // 4) % 4)
        if seed % 3 == 0:  # ties: bars on a grid
            left, right = np.round(left, 1), np.round(right, 1)
            left, right = left[left[:, 1] > left[:, 0]], right[right[:, 1] > right[:, 0]]
        assert bottleneck(left, right) == pytest.approx(brute_force(left, right, INFINITE, "max"))
        for order, ground in KINDS:
            expected = brute_force(left, right, order, ground)
            assert wasserstein(left, right, order, ground) == pytest.approx(expected)


def test_a_diagram_is_at_distance_zero_from_itself_in_any_order() -> None:
    bars = [*map(tuple, diagram(1, 40).tolist()), (0.0, INFINITE), (0.2, INFINITE)]
    for other in (bars, bars[::-1]):
        assert bottleneck(bars, other) == 0.0
        assert wasserstein(bars, other) == wasserstein(bars, other, 1.0, "euclidean") == 0.0


def test_distances_are_symmetric_and_obey_the_triangle_inequality() -> None:
    a, b, c = diagram(1, 15), diagram(2, 25), diagram(3, 10)
    for distance in (bottleneck, wasserstein):
        assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-12)
        assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12


def test_a_bar_against_nothing_costs_half_its_length() -> None:
    assert bottleneck([(1.0, 3.0)], []) == wasserstein([(1.0, 3.0)], []) == 1.0
    assert wasserstein([(1.0, 3.0)], [], 2.0, "euclidean") == pytest.approx(math.sqrt(2.0))
    assert bottleneck([], []) == wasserstein([], []) == 0.0
    assert bottleneck([(1.0, 1.0)], []) == 0.0


def test_endless_bars_are_matched_by_birth_and_must_be_as_many() -> None:
    assert bottleneck([(0.0, INFINITE), (2.0, INFINITE)], [(2.5, INFINITE), (0.1, INFINITE)]) == 0.5
    assert wasserstein([(0.0, INFINITE)], [(3.0, INFINITE)]) == 3.0
    assert bottleneck([(0.0, INFINITE)], []) == wasserstein([(0.0, INFINITE)], [(0.0, 9.0)]) == INFINITE


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (0.0, math.nan), (-INFINITE, 0.0), (1.0, 0.5)])
def test_what_is_no_bar_is_refused(bad: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="diagram"):
        bottleneck([bad], [])


@pytest.mark.parametrize("order", [0.5, math.nan, INFINITE])
def test_an_order_below_one_or_infinite_is_refused(order: float) -> None:
    with pytest.raises(InputError, match="order"):
        wasserstein([], [], order)


def test_moving_the_points_moves_the_diagram_by_at_most_twice_as_much() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(25, 2))
    shift = random.normal(size=points.shape)
    shift *= 0.05 / np.linalg.norm(shift, axis=1, keepdims=True)
    one, two = (persistence(p, metric="euclidean") for p in (points, points + shift))
    for dimension in (0, 1):
        moved = bottleneck(diagram_of(one, dimension), diagram_of(two, dimension))
        assert 0.0 < moved <= 0.1
