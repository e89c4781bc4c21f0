"""The strategies."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.voting.ballots import Ballot, Poll, Rules, VoteResult, poll
from crucible.actors.voting.normalise import text
from crucible.actors.voting.strategies import (
    best_confidence,
    custom,
    log_odds_weights,
    majority,
    unanimous,
    weighted,
)

from .polls import ballots, votes

WEIGHTS = {f"m{i}": 1.0 + i % 3 for i in range(16)}
ANY_QUORUM = Rules(quorum=1)
STRATEGIES: dict[str, Callable[[Poll, Rules], VoteResult]] = {
    "majority": majority,
    "weighted": lambda sorted_out, rules: weighted(sorted_out, WEIGHTS, rules),
    "best_confidence": best_confidence,
    "unanimous": unanimous,
}


def test_the_most_votes_win_and_the_answer_is_a_members_own_text() -> None:
    result = majority(votes("  Paris ", "paris", "Rome", confidences=(0.2, 0.9, 1.0)))
    assert (result.status, result.key, result.support, result.consensus) == ("decided", "paris", 2, 2 / 3)
    assert (result.answer, result.winner_member) == ("paris", "m1")
    assert result.scores == {"paris": 2.0, "rome": 1.0}
    assert not result.tie


def test_a_plurality_decides_unless_an_agreement_is_asked_for() -> None:
    split = votes("a", "a", "b", "c", "d")
    assert majority(split).key == "a"
    refused = majority(split, Rules(min_agreement=0.5))
    assert (refused.status, refused.answer, refused.winner_member) == ("no_consensus", None, None)
    assert refused.reason == "the leading answer with 0.4 of the score, needs 0.5"


def test_a_tie_goes_to_the_larger_summed_confidence() -> None:
    result = majority(votes("a", "b", "a", "b", confidences=(0.4, 0.5, 0.4, 0.5)))
    assert (result.key, result.tie, result.tie_rule) == ("b", True, "summed confidence")
    assert result.reason == "2 of 4 votes, score 2 of 4; tie broken by summed confidence"


def test_a_tie_without_confidences_goes_to_the_first_member() -> None:
    result = majority(votes("b", "a"))
    assert (result.key, result.tie_rule) == ("b", "member order")


def test_failures_and_abstentions_are_kept_with_their_reasons_and_never_win() -> None:
    result = majority(votes(None, "", None, "a", "", "a"), ANY_QUORUM)
    assert result.key == "a"
    assert [(silent.member, silent.reason) for silent in result.failed] == [
        ("m0", "timed out"),
        ("m2", "timed out"),
    ]
    assert [(silent.member, silent.reason) for silent in result.abstained] == [
        ("m1", "empty answer"),
        ("m4", "empty answer"),
    ]


def test_below_the_quorum_there_is_no_consensus() -> None:
    result = majority(votes("a", None, ""))
    assert result.status == "no_consensus"
    assert result.reason == "1 of 3 members voted, the quorum is 2"


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_without_a_vote_there_is_no_answer(strategy: str) -> None:
    result = STRATEGIES[strategy](votes(None, ""), Rules())
    assert (result.status, result.answer, result.reason) == (
        "no_answers",
        None,
        "no votes: 1 failed, 1 abstained",
    )


def test_weights_can_overrule_the_majority() -> None:
    result = weighted(votes("a", "b", "b"), {"m0": 3.0, "m1": 1.0, "m2": 1.0})
    assert (result.key, result.consensus, result.support) == ("a", 0.6, 1)


@pytest.mark.parametrize("bad", [{"m0": 1.0}, {"m0": 1.0, "m1": -1.0}, {"m0": 1.0, "m1": math.nan}])
def test_weights_that_do_not_fit_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weight of member 'm1': expected a number >= 0"):
        weighted(votes("a", "b"), bad)


def test_weights_of_nothing_decide_nothing() -> None:
    assert weighted(votes("a", "b"), {"m0": 0.0, "m1": 0.0}).reason == "every score is 0"


def test_the_most_confident_member_wins() -> None:
    result = best_confidence(votes("a", "b", "a", confidences=(0.6, 0.8, None)))
    assert (result.key, result.consensus, result.winner_member) == ("b", 0.8, "m1")


def test_best_confidence_without_confidences_is_no_consensus() -> None:
    result = best_confidence(votes("a", "b"))
    assert (result.status, result.reason) == ("no_consensus", "no member gave a confidence")


def test_unanimity_is_broken_by_one_vote_but_not_by_silence() -> None:
    assert unanimous(votes("a", "A", None)).key == "a"
    broken = unanimous(votes("a", "a", "b"))
    assert broken.status == "no_consensus"
    assert broken.scores == {"a": 2.0, "b": 1.0}


def test_a_custom_strategy_scores_the_answers_that_were_given() -> None:
    longest = custom(votes("a", "abc", "a"), lambda given: {vote.key: len(vote.key) for vote in given})
    assert longest.key == "abc"
    with pytest.raises(ValueError, match="scored 'z', which no member answered"):
        custom(votes("a"), lambda _: {"z": 1.0})
    with pytest.raises(ValueError, match="score of 'a': expected a number >= 0"):
        custom(votes("a"), lambda _: {"a": math.inf})


def test_a_member_has_one_ballot() -> None:
    with pytest.raises(ValueError, match="member 'x' voted twice"):
        poll([Ballot(member="x", text="a"), Ballot(member="x", text="b")], text)


@given(ballots(), st.sampled_from(sorted(STRATEGIES)), st.randoms(use_true_random=False))
def test_the_order_of_members_decides_nothing_but_a_tie(
    given_: list[Ballot], strategy: str, shuffler: random.Random
) -> None:
    shuffled = list(given_)
    shuffler.shuffle(shuffled)
    one = STRATEGIES[strategy](poll(given_, text), ANY_QUORUM)
    two = STRATEGIES[strategy](poll(shuffled, text), ANY_QUORUM)
    assert (one.status, one.scores, one.tie, one.tie_rule) == (two.status, two.scores, two.tie, two.tie_rule)
    assert one.consensus == pytest.approx(two.consensus)
    if one.tie_rule != "member order":
        assert one.key == two.key


@given(ballots(), st.sampled_from(sorted(STRATEGIES)))
def test_the_answer_is_always_the_text_of_a_member_with_the_winning_key(
    given_: list[Ballot], strategy: str
) -> None:
    result = STRATEGIES[strategy](poll(given_, text), Rules())
    assert (result.status == "decided") == (result.answer is not None)
    if result.answer is not None:
        winner = next(ballot for ballot in given_ if ballot.member == result.winner_member)
        assert winner.text == result.answer
        assert winner.error is None
        assert text(winner.text).key == result.key
        assert result.scores[result.key or ""] == max(result.scores.values())


@given(ballots())
def test_doubling_every_member_changes_no_majority(given_: list[Ballot]) -> None:
    twins = [
        Ballot(member=ballot.member + "'", text=ballot.text, confidence=ballot.confidence, error=ballot.error)
        for ballot in given_
    ]
    one, two = majority(poll(given_, text)), majority(poll(given_ + twins, text))
    assert (one.status, one.key, one.consensus, one.tie_rule) == (
        two.status,
        two.key,
        two.consensus,
        two.tie_rule,
    )


@given(ballots())
def test_a_failure_more_changes_no_winner(given_: list[Ballot]) -> None:
    more = [*given_, Ballot(member="late", error="timed out")]
    assert majority(poll(given_, text), ANY_QUORUM).key == majority(poll(more, text), ANY_QUORUM).key


def test_log_odds_weights_are_those_worked_by_hand() -> None:
    weights = log_odds_weights({"a": (90, 100), "b": (60, 100)}, strength=1e-9)
    assert weights == pytest.approx({"a": math.log(9), "b": math.log(1.5)})
    shrunk = log_odds_weights({"a": (9, 10), "b": (6, 10)}, strength=10)
    pooled = 16 / 22
    assert shrunk["a"] == pytest.approx(math.log((9 + 10 * pooled) / (1 + 10 * (1 - pooled))))


def test_a_member_that_is_worse_than_guessing_weighs_nothing() -> None:
    weights = log_odds_weights({"a": (80, 100), "b": (10, 100)})
    assert weights["b"] == 0.0
    assert log_odds_weights({"a": (1, 10), "b": (2, 10)}) == {"a": 1.0, "b": 1.0}
    with pytest.raises(ValueError, match="member 'a': 3 right of 2"):
        log_odds_weights({"a": (3, 2)})


def test_log_odds_weights_beat_equal_ones_when_reliabilities_differ() -> None:
    rng = random.Random(1)
    chances = {"m0": 0.95, "m1": 0.6, "m2": 0.6, "m3": 0.6, "m4": 0.55}
    tallies = {member: (sum(rng.random() < p for _ in range(100)), 100) for member, p in chances.items()}
    learned = log_odds_weights(tallies)
    right = {"majority": 0, "weighted": 0}
    for _ in range(2_000):
        cast = votes(*("true" if rng.random() < p else "false" for p in chances.values()))
        right["majority"] += majority(cast).key == "true"
        right["weighted"] += weighted(cast, learned).key == "true"
    assert right["weighted"] > right["majority"] + 200
