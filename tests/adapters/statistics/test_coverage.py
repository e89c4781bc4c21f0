"""Simulated samples: 95 % intervals hold the truth in 94 to 96 % of them; tests alarm as promised."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from crucible.adapters.statistics import rates
from crucible.adapters.statistics.dominance import cliffs_delta, matched_rank_biserial
from crucible.adapters.statistics.effect_sizes import cohens_d, d_z, glass_delta, hedges_g
from crucible.adapters.statistics.explained_variance import eta_squared, rank_epsilon_squared
from crucible.adapters.statistics.intervals import (
    estimate_mean,
    mean_interval,
    student_interval,
    wilson_interval,
)
from crucible.adapters.statistics.odds import odds_ratio
from crucible.adapters.statistics.pairs import pair_up
from crucible.adapters.statistics.permutation import permutation
from crucible.adapters.statistics.ranking import rank_systems
from crucible.adapters.statistics.rates import clustered_wilson, newcombe, newcombe_paired
from crucible.adapters.statistics.resampling import bootstrap_difference, bootstrap_interval
from crucible.adapters.statistics.sequential import BettingTest, confidence_sequence
from crucible.adapters.statistics.t_tests import welch_t
from crucible.messages.findings import Interval

RNG = np.random.Generator
Draw = Callable[[RNG], tuple[Interval | None, float]]


def normal(rng: RNG, n: int, mean: float = 0.0, sd: float = 1.0) -> list[float]:
    found: list[float] = rng.normal(mean, sd, n).tolist()
    return found


def welch(rng: RNG) -> tuple[Interval | None, float]:
    return welch_t(normal(rng, 10, 1, 3), normal(rng, 30)).interval, 1.0


def clustered(rng: RNG) -> tuple[Interval | None, float]:
    shared = np.repeat(rng.normal(0, math.sqrt(0.2), 25), 8)
    values = shared + rng.normal(0, math.sqrt(0.8), 200)
    return student_interval(estimate_mean(values.tolist(), [i // 8 for i in range(200)]), 0.95), 0.0


def d(rng: RNG) -> tuple[Interval | None, float]:
    return cohens_d(normal(rng, 15, 0.5), normal(rng, 25)).interval, 0.5


def g(rng: RNG) -> tuple[Interval | None, float]:
    return hedges_g(normal(rng, 8, 1.0), normal(rng, 8)).interval, 1.0


def glass(rng: RNG) -> tuple[Interval | None, float]:
    return glass_delta(normal(rng, 30, 0.8, 2), normal(rng, 30)).interval, 0.8


def paired_d(rng: RNG) -> tuple[Interval | None, float]:
    return d_z(normal(rng, 12, 0.6), [0.0] * 12).interval, 0.6


def cliff(rng: RNG) -> tuple[Interval | None, float]:
    # P(x > y) - P(x < y) of normals .8 apart is 2 Phi(.8 / sqrt 2) - 1
    return cliffs_delta(normal(rng, 40, 0.8), normal(rng, 40)).interval, math.erf(0.4)


def matched(rng: RNG) -> tuple[Interval | None, float]:
    # P(d1 + d2 > 0) - P(d1 + d2 < 0) at mean .4 is 2 Phi(.4 sqrt 2) - 1
    return matched_rank_biserial(normal(rng, 40, 0.4), [0.0] * 40).interval, math.erf(0.4)


def eta(rng: RNG) -> tuple[Interval | None, float]:
    groups = [normal(rng, 20, mean) for mean in (-0.3 * math.sqrt(1.5), 0.0, 0.3 * math.sqrt(1.5))]
    return eta_squared(groups).interval, 0.09 / 1.09


def no_rank_effect(rng: RNG) -> tuple[Interval | None, float]:
    """Of a share of 0: the percentile bootstrap never holds it."""
    return rank_epsilon_squared([normal(rng, 20) for _ in range(3)]).interval, 0.0


def woolf(rng: RNG) -> tuple[Interval | None, float]:
    won, lost = int(rng.binomial(100, 0.3)), int(rng.binomial(100, 0.5))
    return odds_ratio([[won, 100 - won], [lost, 100 - lost]]).interval, 3 / 7


def wilson(rng: RNG) -> tuple[Interval | None, float]:
    rate = float(rng.uniform(0.05, 0.95))
    return wilson_interval(int(rng.binomial(60, rate)), 60, 0.95), rate


def two_rates(rng: RNG) -> tuple[Interval | None, float]:
    p, q = rng.uniform(0.05, 0.95, 2)
    return newcombe(int(rng.binomial(60, p)), 60, int(rng.binomial(40, q)), 40, 0.95), float(p - q)


def paired_rates(rng: RNG) -> tuple[Interval | None, float]:
    cells = rng.dirichlet([2, 1, 1, 2])
    both, gained, lost, neither = rng.multinomial(60, cells).tolist()
    return newcombe_paired(both, gained, lost, neither, 0.95), float(cells[1] - cells[2])


def percentile(rng: RNG) -> tuple[Interval | None, float]:
    return bootstrap_interval(normal(rng, 100), bca=False, iterations=600).interval, 0.0


def bca(rng: RNG) -> tuple[Interval | None, float]:
    x, y = normal(rng, 80), normal(rng, 80)
    return bootstrap_difference(x, y, iterations=600).interval, 0.0


def strength(rng: RNG) -> tuple[Interval | None, float]:
    # Gumbel noise makes P(i beats j) exactly logistic in the difference of the means
    true = {"a": 0.5, "b": 0.0, "c": -0.5}
    columns = {name: (rng.gumbel(mean, 1, 80)).tolist() for name, mean in true.items()}
    ranking = rank_systems("f1", columns)
    return next(s.interval for s in ranking.systems if s.system == "a"), 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "trials"),
    [
        (welch, 4000),
        (clustered, 3000),
        (d, 2000),
        (g, 2000),
        (glass, 2000),
        (paired_d, 2000),
        (cliff, 2000),
        (matched, 3000),
        (eta, 2000),
        (woolf, 8000),
        (wilson, 20000),
        (two_rates, 20000),
        (paired_rates, 20000),
        (percentile, 3000),
        (bca, 2000),
        (strength, 1000),
    ],
)
def test_intervals_cover_what_they_say(draw: Draw, trials: int) -> None:
    rng = np.random.default_rng(20)
    held = 0
    for _ in range(trials):
        interval, truth = draw(rng)
        held += interval is not None and interval.low <= truth <= interval.high
    assert 0.94 <= held / trials <= 0.96


def rates_in_clusters(rng: RNG) -> tuple[Interval | None, float]:
    """30 clusters of 4 with a correlation of .2 and a rate of .95."""
    chances = rng.beta(0.95 * 4, 0.05 * 4, 30)
    values = (rng.random(120) < np.repeat(chances, 4)).astype(float)
    return clustered_wilson(estimate_mean(values.tolist(), [i // 4 for i in range(120)]), 0.95), 0.95


def two_rates_in_clusters(rng: RNG) -> tuple[Interval | None, float]:
    """The same for two systems that mostly err together."""
    easy, same = np.repeat(rng.beta(3.8, 0.2, 25), 4), rng.random(100) < 0.7
    luck = rng.random(100)
    other = np.where(same, luck, rng.random(100))
    x, y = (luck < easy).astype(float), (other < easy * 0.9).astype(float)
    pairs = pair_up(x.tolist(), y.tolist(), [i // 4 for i in range(100)])
    return rates.paired_rates(pairs, 0.95), 0.95 * 0.1


def few_pairs_that_differ(rng: RNG) -> tuple[Interval | None, float]:
    both, gained, lost, neither = rng.multinomial(50, [0.9, 0.04, 0.02, 0.04]).tolist()
    x = [1.0] * (both + gained) + [0.0] * (lost + neither)
    y = [1.0] * both + [0.0] * gained + [1.0] * lost + [0.0] * neither
    return rates.paired_rates(pair_up(x, y, None), 0.95), 0.02


def skewed(rng: RNG) -> tuple[Interval | None, float]:
    """24 scores, most of them 1: the t interval covers in 86 %."""
    values = np.where(rng.random(24) < 0.8, 1.0, rng.beta(4, 2, 24))
    return mean_interval(estimate_mean(values.tolist(), None), 0.95, unit=True), 0.8 + 0.2 * 2 / 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [no_rank_effect, rates_in_clusters, two_rates_in_clusters, few_pairs_that_differ, skewed],
    ids=lambda d: d.__name__,
)
def test_intervals_for_hard_cases_cover_at_least_what_they_say(draw: Draw) -> None:
    rng, held = np.random.default_rng(21), 0
    for _ in range(2000):
        interval, truth = draw(rng)
        held += interval is not None and interval.low <= truth <= interval.high
    assert held / 2000 >= 0.94


@pytest.mark.slow
def test_the_studentised_permutation_keeps_its_level_when_variances_and_sizes_differ() -> None:
    rng, alarms = np.random.default_rng(3), {True: 0, False: 0}
    for trial in range(400):
        x, y = normal(rng, 10, 0, 3), normal(rng, 40)
        for studentised in alarms:
            found = permutation(x, y, studentised=studentised, iterations=500, seed=trial)
            assert found.p_value is not None
            alarms[studentised] += found.p_value <= 0.05
    assert alarms[True] <= 30  # 7.5 %
    assert alarms[False] > 60  # 15 %: the plain one takes the spread for a difference


def looks(rng: RNG, mean: float, n: int) -> bool:
    """Whether the betting test ever rejects while it is looked at after each of ``n`` 0/1 differences."""
    test = BettingTest()
    for value in rng.choice([-1.0, 0.0, 1.0], n, p=[0.25 - mean / 2, 0.5, 0.25 + mean / 2]).tolist():
        test.update(value)
        if test.rejected:
            return True
    return False


@pytest.mark.slow
def test_looking_after_every_example_raises_no_more_false_alarms_than_alpha() -> None:
    rng = np.random.default_rng(5)
    assert sum(looks(rng, 0.0, 300) for _ in range(600)) <= 30


def test_a_real_difference_is_found_while_looking() -> None:
    rng = np.random.default_rng(5)
    assert sum(looks(rng, 0.25, 400) for _ in range(50)) >= 40


@pytest.mark.slow
def test_a_confidence_sequence_holds_the_mean_at_all_times() -> None:
    rng, missed = np.random.default_rng(6), 0
    for _ in range(200):
        interval = confidence_sequence(rng.beta(2, 3, 150).tolist(), low=0.0, high=1.0).interval
        assert interval is not None
        missed += not interval.low <= 0.4 <= interval.high  # a running intersection: ever missed
    assert missed <= 10


@pytest.mark.slow
def test_equal_systems_seldom_have_a_best() -> None:
    rng, crowned = np.random.default_rng(7), 0
    for _ in range(400):
        crowned += rank_systems("f1", {s: normal(rng, 60) for s in "abcd"}).best is not None
    assert crowned <= 20
