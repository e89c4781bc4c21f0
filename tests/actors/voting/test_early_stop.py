"""Early stops."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crucible.actors.voting.ballots import Ballot, Rules, poll
from crucible.actors.voting.early_stop import certain, certain_by_log_odds, leading_probability, settled
from crucible.actors.voting.normalise import text
from crucible.actors.voting.strategies import summed, weighted


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=2, max_size=5),
    st.lists(st.sampled_from(["a", "b", "", None]), max_size=4),
    st.none() | st.integers(1, 4),
    st.sampled_from([0.0, 0.5, 0.6, 1.0]),
)
def test_the_exact_stop_changes_no_outcome_whatever_the_rest_would_say(
    weights: list[float], heard: list[str | None], quorum: int | None, agreement: float
) -> None:
    assume(len(heard) < len(weights))
    rules = Rules(quorum=quorum, min_agreement=agreement)
    by_member = {f"m{i}": weight for i, weight in enumerate(weights)}

    def ballots(answers: tuple[str | None, ...]) -> list[Ballot]:
        return [
            Ballot(member=f"m{i}", error="failed") if answer is None else Ballot(member=f"m{i}", text=answer)
            for i, answer in enumerate(answers)
        ]

    now = poll(ballots(tuple(heard)), text)
    scores = summed(now.votes, lambda vote: by_member[vote.member])
    stop = settled(scores, weights[len(heard) :], len(now.votes), len(weights), rules)
    if stop.stop:
        outcomes = {
            (result.status, result.key)
            for rest in itertools.product(["a", "b", "c", "", None], repeat=len(weights) - len(heard))
            for result in [weighted(poll(ballots((*heard, *rest)), text), by_member, rules)]
        }
        assert len(outcomes) == 1


def test_three_of_five_equal_votes_settle_a_majority_and_two_do_not() -> None:
    assert settled({"a": 3.0}, [1.0, 1.0], cast=3, members=5, rules=Rules()).stop
    assert not settled({"a": 2.0}, [1.0, 1.0, 1.0], cast=2, members=5, rules=Rules()).stop
    assert not settled({"a": 2.0, "b": 1.0}, [1.0], cast=3, members=4, rules=Rules()).stop  # could tie


def test_two_different_votes_settle_that_there_is_no_unanimity() -> None:
    stop = settled({"a": 1.0, "b": 1.0}, [1.0] * 3, cast=2, members=5, rules=Rules(min_agreement=1.0))
    assert stop == (True, "the agreement needed can no longer be reached", 0.0)


def test_the_leading_probability_is_the_integral_over_the_beta_posterior() -> None:
    # One rival seen and one unseen: P(Beta(4, 2) < 1/2) = 6/32, P(Beta(4, 1) < 1/2) = 2/32.
    assert leading_probability({"a": 3, "b": 1}) == pytest.approx(1 - 6 / 32 - 2 / 32)
    assert leading_probability({}) == 0.0
    assert leading_probability({"a": 1_000}) == pytest.approx(1.0)


def test_four_equal_samples_are_certain_at_five_percent_and_three_are_not() -> None:
    assert certain({"a": 4}, 0.05).stop
    assert not certain({"a": 3}, 0.05).stop


def samples(rng: random.Random, question: int) -> list[str]:
    """Forty samples: the right answer has a chance of 0.2 to 1, one wrong answer half of the rest."""
    easy = 0.2 + 0.8 * rng.betavariate(2, 1)
    wrong = ["wrong 0"] * 5 + [f"wrong {i}" for i in range(1, 6)]
    return ["right" if rng.random() < easy else rng.choice(wrong) for _ in range(40)]


def test_the_statistical_stop_asks_far_less_often_and_hardly_ever_differs() -> None:
    rng = random.Random(8)
    asked = agreed = bound = 0.0
    for question in range(1_000):
        answers = samples(rng, question)
        full = max(dict.fromkeys(answers), key=answers.count)
        counts: dict[str, int] = {}
        for n, answer in enumerate(answers, start=1):
            counts[answer] = counts.get(answer, 0) + 1
            stop = certain(counts, 0.05)
            if stop.stop or n == 40:
                asked += n
                agreed += max(counts, key=lambda key: counts[key]) == full
                bound += stop.error_bound
                break
    assert asked < 40 * 1_000 / 2.5
    assert agreed >= 990
    assert 1_000 - agreed <= bound  # no more errors than were announced


def test_log_odds_scores_give_the_posterior_of_independent_members() -> None:
    # Two say a (p = 0.9 and 0.6), one says b (p = 0.8): odds 9 x 1.5 : 4.
    stop = certain_by_log_odds({"a": math.log(9 * 1.5), "b": math.log(4)}, answers=2, epsilon=0.25)
    assert stop.stop
    assert stop.error_bound == pytest.approx(4 / 17.5)
    assert not certain_by_log_odds({"a": math.log(9)}, answers=2, epsilon=0.05).stop
    assert not certain_by_log_odds({}, answers=2, epsilon=0.5).stop
