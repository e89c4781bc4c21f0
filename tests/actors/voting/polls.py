"""Polls for the tests of votes."""

from __future__ import annotations

from hypothesis import strategies as st

from crucible.actors.voting.ballots import Ballot, Poll, poll
from crucible.actors.voting.normalise import text


def votes(*answers: str | None, confidences: tuple[float | None, ...] = ()) -> Poll:
    """Members m0, m1, ...; None is a failure and "" an abstention."""
    sure = confidences or (None,) * len(answers)
    return poll(
        [
            Ballot(member=f"m{i}", error="timed out")
            if answer is None
            else Ballot(member=f"m{i}", text=answer, confidence=confidence)
            for i, (answer, confidence) in enumerate(zip(answers, sure, strict=True))
        ],
        text,
    )


def ballots() -> st.SearchStrategy[list[Ballot]]:
    one = st.tuples(
        st.sampled_from(["a", "A ", "b", "c", "", "d"]),
        st.none() | st.sampled_from([0.25, 0.5, 1.0]),
        st.sampled_from([None, None, None, "failed"]),
    )
    return st.lists(one, min_size=1, max_size=8).map(
        lambda rows: [
            Ballot(member=f"m{i}", text=answer, confidence=confidence, error=error)
            for i, (answer, confidence, error) in enumerate(rows)
        ]
    )
