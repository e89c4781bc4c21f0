"""Votes over structured answers, with the claim grammar's merge."""

from __future__ import annotations

import pytest

from crucible.actors.voting.ballots import Ballot, Rules
from crucible.actors.voting.claims import vote_claims
from crucible.adapters.cns.merge import merge_claims

GOOD = "CLAIM[c1]: Aspirin reduces pain.\nCLAIM[c2] (Document 1): Pain fell.\nRELATION: c2 supports c1"
ALONE = "CLAIM[c1]: Aspirin reduces pain."


def ballots(*answers: str | None) -> list[Ballot]:
    return [
        Ballot(member=f"m{i}", error="timed out") if answer is None else Ballot(member=f"m{i}", text=answer)
        for i, answer in enumerate(answers)
    ]


def test_the_parts_with_a_majority_make_the_answer() -> None:
    result, merged = vote_claims(ballots(GOOD, GOOD, ALONE), merge_claims)
    assert (result.status, result.answer, result.winner_member) == ("decided", GOOD, None)
    assert result.scores == {"c1": 3.0, "c2": 2.0}
    assert result.consensus == pytest.approx((1 + 2 / 3) / 2)
    assert merged is not None


def test_weights_move_the_majority() -> None:
    result, _ = vote_claims(ballots(GOOD, ALONE, ALONE), merge_claims, {"m0": 3.0, "m1": 1.0, "m2": 1.0})
    assert result.answer == GOOD


def test_without_a_common_hypothesis_there_is_no_consensus() -> None:
    result, _ = vote_claims(ballots(GOOD, "CLAIM[c1]: Cats purr."), merge_claims)
    assert (result.status, result.reason) == ("no_consensus", "no hypothesis has more than 1 votes")


def test_a_failed_member_counts_for_the_quorum_only() -> None:
    below, merged = vote_claims(ballots(GOOD, None, "", None), merge_claims)
    assert (below.status, merged) == ("no_consensus", None)
    one, _ = vote_claims(ballots(GOOD, None, "", None), merge_claims, rules=Rules(quorum=1))
    assert one.answer == GOOD
    assert vote_claims(ballots(None), merge_claims)[0].status == "no_answers"
