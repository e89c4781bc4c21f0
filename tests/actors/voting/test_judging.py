"""Who was right, over whole answers and over claims."""

from __future__ import annotations

import pytest

from crucible.actors.voting.claims import poll_claims, vote_claims
from crucible.actors.voting.judging import judge_answer, judge_claims
from crucible.actors.voting.strategies import majority
from crucible.adapters.cns.merge import check_claims, merge_claims

from .claim_texts import ballots, text
from .polls import votes

DOSE, TIME, PLACE = "The dose was ten milligrams.", "It took nine long weeks.", "All lived in Oslo then."
REFERENCE = text(DOSE, TIME)


def test_a_whole_answer_is_judged_by_its_key_and_silence_is_not() -> None:
    poll = votes("yes", "YES", "no", None)
    judged = judge_answer(poll, majority(poll), "yes", 0.7)
    assert judged.right == {"m0": True, "m1": True, "m2": False}
    assert (judged.ensemble, judged.confidence, judged.holds) == (True, 0.7, True)


def test_an_ensemble_without_an_answer_is_neither_right_nor_wrong() -> None:
    poll = votes("yes", None, None, None)
    judged = judge_answer(poll, majority(poll), "yes", 0.7)
    assert (judged.ensemble, judged.confidence) == (None, None)


def test_over_claims_each_claim_is_a_question() -> None:
    given = ballots(text(DOSE, PLACE), text(DOSE), text(PLACE))
    result, _ = vote_claims(given, merge_claims)
    judged = judge_claims(poll_claims(given), result, REFERENCE, check_claims, [1.0] * 3, 0.5)
    dose, place, time = judged
    assert dose.right == {"m0": True, "m1": True, "m2": False}
    assert (dose.ensemble, dose.holds) == (True, True)
    assert dose.confidence == pytest.approx(2 / 3)
    assert (place.right, place.ensemble, place.holds) == ({}, None, False)  # not of the reference
    assert (place.made, place.made_by_ensemble) == (("m0", "m2"), True)
    assert time.right == {"m0": False, "m1": False, "m2": False}  # nobody saw it
    assert (time.ensemble, time.confidence, time.holds) == (False, None, True)


def test_weights_are_the_shares_behind_a_claim() -> None:
    given = ballots(text(DOSE), text(PLACE))
    result, _ = vote_claims(given, merge_claims, {"m0": 3.0, "m1": 1.0})
    dose, place, _ = judge_claims(poll_claims(given), result, REFERENCE, check_claims, [3.0, 1.0], 0.5)
    assert (dose.confidence, dose.ensemble) == (0.75, True)
    assert (place.confidence, place.made_by_ensemble) == (0.25, False)
