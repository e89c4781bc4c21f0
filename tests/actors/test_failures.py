"""When failed requests end a stage."""

from __future__ import annotations

from typing import Any

import pytest

from crucible.actors.failures import Failures, lost_vote
from crucible.messages.errors import StageError
from crucible.messages.records import Ballots, Output


def output(system: str, error: str | None = None, **fields: Any) -> Output:
    return Output(example_id="e", system=system, backend="b", error=error, **fields)


def ballots(
    votes: int, *failed: str, status: Any = "no_consensus", cancelled: tuple[str, ...] = ()
) -> Ballots:
    return Ballots(
        status=status,
        strategy="majority",
        reason="",
        members=tuple(output(name, "down") for name in failed),
        votes=votes,
        failed=dict.fromkeys(failed, "down"),
        cancelled=cancelled,
    )


def test_a_stage_ends_as_soon_as_the_rest_cannot_make_up_for_the_failures() -> None:
    failures = Failures(0.2)
    failures.total = 10
    failures.add(output("model", "first"))
    failures.add(output("model"))
    failures.add(output("model", "second"))
    with pytest.raises(StageError) as caught:
        failures.add(output("model", "third"))
    assert caught.value.reason == ("model: first (3 of 10 requests failed, more than max_failed = 0.2)")


def test_while_the_number_of_rows_is_unknown_the_end_decides() -> None:
    failures = Failures(0.5)
    failures.add(output("model", "down"))
    failures.check(2)
    with pytest.raises(StageError, match="1 of 1 requests failed"):
        failures.check(1)


def test_every_system_counts_by_itself() -> None:
    failures = Failures(0.1)
    failures.total = 10
    failures.add(output("model", "down"))
    failures.add(output("base", "down"))
    with pytest.raises(StageError, match=r"base: down \(2 of 10 requests failed"):
        failures.add(output("base", "down"))


def test_a_member_that_fails_is_noted_and_does_not_end_the_stage() -> None:
    failures = Failures(0.1, quorum=2)
    failures.total = 3
    for _ in range(3):
        failures.add(output("jury", ballots=ballots(2, "c", status="decided")))
    failures.check(3)
    assert failures.note(3) == ("member c: down (3 of 3 requests failed, more than max_failed = 0.1)")


def test_without_failed_members_there_is_no_note() -> None:
    failures = Failures(0.1)
    failures.add(output("jury", ballots=ballots(3, status="decided")))
    assert failures.note(1) is None


def test_a_vote_lost_to_failed_members_is_a_failure_of_the_ensemble() -> None:
    failures = Failures(0.0, quorum=2)
    failures.total = 5
    with pytest.raises(
        StageError, match=r"jury: 1 votes, the quorum is 2: b: down.* \(1 of 5 requests failed"
    ):
        failures.add(output("jury", ballots=ballots(1, "b", "c")))


@pytest.mark.parametrize(
    ("vote", "quorum"),
    [
        (ballots(2, "c", status="decided"), 2),
        (ballots(3), 2),
        (ballots(2, "c"), 2),
        (ballots(1), 2),
        (ballots(0, "c"), 2),
    ],
    ids=["decided", "no majority", "enough votes", "nobody failed", "would not have been enough"],
)
def test_a_vote_is_not_lost_to_failures_otherwise(vote: Ballots, quorum: int) -> None:
    assert lost_vote(vote, quorum) is None


def test_members_that_were_not_waited_for_count_as_votes_that_might_have_been() -> None:
    assert lost_vote(ballots(0, "a", "b", cancelled=("c",)), 3) is not None
