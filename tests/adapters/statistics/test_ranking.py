import numpy as np
import pytest

from crucible.adapters.statistics.bradley_terry import Fit, fit_scores, fit_wins
from crucible.adapters.statistics.ranking import rank_systems, significant
from crucible.messages.findings import Ranking


def scores(leads: dict[str, float], n: int, seed: int = 1) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1, n)
    return {name: (hard + rng.normal(lead, 1, n)).tolist() for name, lead in leads.items()}


def places(ranking: Ranking) -> dict[str, tuple[int, int]]:
    return {system.system: system.place for system in ranking.systems}


def test_the_best_is_named_only_when_it_beats_every_other_one() -> None:
    clear = rank_systems("f1", scores({"a": 0.0, "b": 1.5, "c": 0.1}, 200))
    assert clear.best == "b"
    assert clear.systems[0].system == "b"
    assert places(clear)["b"] == (1, 1)
    assert "b is the best on f1" in clear.summary
    close = rank_systems("f1", scores({"a": 0.0, "b": 0.9, "c": 0.9}, 200))
    assert close.best is None
    assert places(close) == {"b": (1, 2), "c": (1, 2), "a": (3, 3)}
    assert "may each be first" in close.summary


def test_two_systems_have_the_log_odds_of_winning() -> None:
    fit = fit_wins([[0, 30], [10, 0]])
    assert fit.strengths[0] - fit.strengths[1] == pytest.approx(np.log(3), rel=1e-9)
    assert fit.error(0, 1) == pytest.approx(np.sqrt(1 / 30 + 1 / 10), rel=1e-9)


def test_a_tie_is_half_a_win_for_each() -> None:
    columns = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert fit_scores(columns, None).wins.tolist() == [[0.0, 2.5], [1.5, 0.0]]


def test_an_undefined_score_plays_no_game() -> None:
    columns = {"a": [1.0, 0.0, np.nan, 1.0], "b": [0.0, 1.0, 1.0, 0.0]}
    ranking = rank_systems("f1", columns)
    assert ranking.n == 3
    assert {s.system: s.share_won for s in ranking.systems}["a"] == pytest.approx(2 / 3)


def test_clusters_widen_the_intervals() -> None:
    few = scores({"a": 0.0, "b": 0.4, "c": 0.1}, 40)
    copied = {name: [value for value in column for _ in range(5)] for name, column in few.items()}
    plain, naive = rank_systems("f1", few), rank_systems("f1", copied)
    clustered = rank_systems("f1", copied, clusters=[i // 5 for i in range(200)])

    def width(ranking: Ranking) -> float:
        interval = ranking.systems[0].interval
        assert interval is not None
        return interval.high - interval.low

    assert width(naive) < 0.6 * width(plain)
    assert width(clustered) == pytest.approx(width(plain), rel=1e-9)  # copies tell nothing new
    assert clustered.n_clusters == 40


def test_a_system_that_never_loses_has_no_strength_and_says_so() -> None:
    ranking = rank_systems("f1", {"a": [1.0] * 5, "b": [0.0, 0.5] * 2 + [0.0], "c": [0.5, 0.0] * 2 + [0.0]})
    assert (ranking.systems, ranking.status) == ((), "separated")
    assert "No ranking on f1" in ranking.summary


def test_ties_alone_are_no_ranking() -> None:
    ranking = rank_systems("f1", {name: [0.5, 1.0, 0.0] for name in "abc"})
    assert (ranking.systems, ranking.status) == ((), "no_difference")


def test_a_strength_of_which_only_ties_are_known_has_no_interval() -> None:
    columns = {"a": [1.0, 0.0, 0.5], "b": [0.5, 0.5, 0.5], "c": [0.0, 1.0, 0.5]}
    columns["b"] = [float("nan"), float("nan"), 0.5]
    ranking = rank_systems("f1", columns)
    found = {system.system: system for system in ranking.systems}
    assert found["b"].strength == 0.0
    assert found["b"].interval is None
    assert found["a"].interval is not None


def test_a_ranking_of_few_examples_says_that_it_is_rough() -> None:
    leads = {"a": 0.0, "b": 0.3, "c": 0.1}
    assert "rough" in rank_systems("f1", scores(leads, 12)).method
    assert "rough" not in rank_systems("f1", scores(leads, 40)).method


def test_the_sandwich_of_two_systems_is_the_one_of_a_proportion() -> None:
    won = np.array([1, 1, 1, 0, 0.5, 1, 0, 1, 1, 0.5])
    table = np.stack([won, 1 - won], axis=1)
    n, p = len(won), won.mean()
    meat = ((won - p) ** 2).sum() * n / (n - 1)
    assert fit_scores(table, None).error(0, 1) == pytest.approx(np.sqrt(meat) / (n * p * (1 - p)), rel=1e-9)


def test_places_are_corrected_for_the_number_of_pairs() -> None:
    # a leads b and b leads c by 2.2 standard errors: p = .035 each, not significant after Holm
    covariance = np.diag([0.5, 0.5, 0.5])
    fit = Fit(strengths=np.array([2.2, 0.0, -2.2]), covariance=covariance, wins=np.zeros((3, 3)), df=40)
    assert significant(fit, 0.05).tolist() == [[False, False, True], [False] * 3, [False] * 3]
    assert significant(fit, 0.08)[0].tolist() == [False, True, True]
