"""Dawid and Skene's model."""

from __future__ import annotations

import random

import pytest

from crucible.actors.voting.ballots import Poll
from crucible.actors.voting.dawid_skene import dawid_skene, fit_dawid_skene
from crucible.actors.voting.strategies import majority

from .polls import votes


def test_the_first_round_is_the_one_worked_by_hand() -> None:
    """Two items, members x and y agree on a, then disagree; one round of EM without smoothing.

    Start: item 0 is a; item 1 is a or b with 1/2 each. M: prior a = 3/4, b = 1/4. x says a, a: always a under
    both truths. y says a, b: under truth a 2/3 and 1/3 (weights 1 and 1/2), under truth b always b.
    E: item 0: a for 3/4 x 1 x 2/3, b for 0, so a. Item 1: a for 3/4 x 1/3 = 1/4, b for 1/4 x 1 x 1: 1/2 each.
    """
    fit = fit_dawid_skene([0, 0, 1, 1], ["x", "y", "x", "y"], list("aaab"), 2, "confusion", smoothing=0.0)
    assert (fit.rounds, fit.converged) == (1, True)  # the start is a fixed point
    assert fit.posteriors[0] == pytest.approx({"a": 1.0, "b": 0.0}, abs=1e-8)
    assert fit.posteriors[1] == pytest.approx({"a": 0.5, "b": 0.5})
    assert fit.confusion["y"]["a"] == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert fit.confusion["y"]["b"] == pytest.approx({"a": 0.0, "b": 1.0}, abs=1e-8)
    assert fit.reliability == pytest.approx({"x": 0.75, "y": 0.75})


def simulated(
    rng: random.Random, chances: list[float], items: int, answers: int
) -> tuple[list[str], list[Poll]]:
    truths, polls = [], []
    for item in range(items):
        truth = rng.randrange(answers)
        given = [
            truth if rng.random() < p else (truth + rng.randrange(1, answers)) % answers for p in chances
        ]
        open_ = f"{item}:" if answers > 5 else ""
        truths.append(f"{open_}{truth}")
        polls.append(votes(*(f"{open_}{answer}" for answer in given)))
    return truths, polls


@pytest.mark.parametrize(
    ("answers", "model", "gain"), [(3, "confusion", 50), (7, "one_coin", 5), (50, "one_coin", -5)]
)
def test_it_beats_the_majority_when_wrong_answers_agree_and_matches_it_when_they_cannot(
    answers: int, model: str, gain: int
) -> None:
    chances = [0.95, 0.9, 0.4, 0.4, 0.4]
    truths, polls = simulated(random.Random(3), chances, 800, answers)
    results, fit = dawid_skene(polls)
    assert fit.model == model
    assert fit.converged
    right = sum(result.key == truth for result, truth in zip(results, truths, strict=True))
    plain = sum(majority(cast).key == truth for cast, truth in zip(polls, truths, strict=True))
    assert right >= plain + gain
    assert list(fit.reliability.values()) == pytest.approx(chances, abs=0.06)


def test_a_member_that_swaps_two_answers_is_understood() -> None:
    rng = random.Random(4)
    truths, polls = [], []
    for _ in range(600):
        truth = rng.choice("ab")
        wrong = "b" if truth == "a" else "a"
        truths.append(truth)
        polls.append(votes(*(truth if rng.random() < 0.75 else wrong for _ in range(4)), wrong))
    results, _ = dawid_skene(polls, model="confusion")
    plain = sum(majority(cast).key == truth for cast, truth in zip(polls, truths, strict=True))
    assert plain < 480
    assert sum(result.key == truth for result, truth in zip(results, truths, strict=True)) > 570


def test_questions_without_votes_stay_without_an_answer() -> None:
    results, _ = dawid_skene([votes("a", "a"), votes(None, ""), votes("a", "b", "a")])
    assert [result.status for result in results] == ["decided", "no_answers", "decided"]
    assert dawid_skene([votes(None)])[0][0].status == "no_answers"


def test_the_order_of_members_does_not_matter() -> None:
    _, polls = simulated(random.Random(5), [0.9, 0.6, 0.5], 60, 3)
    turned = [Poll(cast.votes[::-1], (), ()) for cast in polls]
    one, two = dawid_skene(polls)[1], dawid_skene(turned)[1]
    for left, right in zip(one.posteriors, two.posteriors, strict=True):
        assert left == pytest.approx(right, abs=1e-6)


def test_items_with_equal_votes_are_counted_as_often_as_they_occur() -> None:
    """Members beyond what a pattern's number can hold are fitted item by item, and to the same end."""
    _, polls = simulated(random.Random(6), [0.9, 0.6, 0.5], 200, 3)
    plain = dawid_skene(polls, model="confusion")[1]
    silent = Poll(votes(*("0" for _ in range(40))).votes[3:], (), ())
    crowded = dawid_skene([*polls, silent], model="confusion")[1]
    for name in ("m0", "m1", "m2"):
        assert crowded.reliability[name] == pytest.approx(plain.reliability[name], abs=0.01)


def test_two_votes_of_one_member_on_one_item_are_refused() -> None:
    with pytest.raises(ValueError, match="voted twice on one item"):
        fit_dawid_skene([0, 0], ["x", "x"], ["a", "b"], 1)
    with pytest.raises(ValueError, match="as many items, members and labels"):
        fit_dawid_skene([0], ["x", "y"], ["a"], 1)
