"""The sliding window: exact, whatever the order of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.limits.windows import Entry, SlidingWindow

Events = list[tuple[float, int, int]]
EVENTS = st.lists(
    st.tuples(st.floats(0, 30, allow_subnormal=False), st.integers(1, 12), st.integers(0, 12)), max_size=60
)


def most_in_a_window(taken: list[Entry]) -> int:
    """The largest sum in any half-open minute: one that begins with an entry."""
    return max(
        (sum(e.amount for e in taken if first.at <= e.at and e.at < first.at + 60) for first in taken),
        default=0,
    )


@given(st.integers(1, 20), EVENTS)
def test_no_window_of_a_minute_ever_holds_more_than_the_limit(limit: int, events: Events) -> None:
    window, taken, now = SlidingWindow(limit), list[Entry](), 0.0
    for pause, amount, real in events:
        now += pause
        now = max(now, window.ready_at(now, amount))
        entry = window.take(now, amount)
        taken.append(entry)
        window.settle(entry, min(real, entry.amount))  # an answer never takes more than was set aside
        assert most_in_a_window(taken) <= limit


@given(st.integers(1, 20), EVENTS)
def test_nobody_waits_longer_than_needed(limit: int, events: Events) -> None:
    window, taken, now = SlidingWindow(limit), list[tuple[float, int]](), 0.0
    for pause, amount, _ in events:
        now += pause
        ready = window.ready_at(now, amount)
        if ready > now:
            earlier = sum(size for at, size in taken if at + 60 > ready - 1e-3)
            assert earlier + min(amount, limit) > limit
        now = max(now, ready)
        taken.append((now, window.take(now, amount).amount))


def test_the_limit_is_met_at_once_and_the_next_waits_a_minute_from_the_first() -> None:
    window = SlidingWindow(3)
    for second in range(3):
        assert window.ready_at(second) == second
        window.take(second)
    assert window.ready_at(3) == 60
    assert window.ready_at(60) == 60


def test_what_was_set_aside_too_much_is_given_back() -> None:
    window = SlidingWindow(100)
    entry = window.take(0, 100)
    assert window.ready_at(1, 50) == 60
    window.settle(entry, 40)
    assert window.ready_at(1, 50) == 1
    assert window.ready_at(1, 61) == 60


def test_an_answer_longer_than_foreseen_makes_the_next_one_wait() -> None:
    window = SlidingWindow(100)
    window.settle(window.take(0, 10), 150)
    assert window.ready_at(5, 1) == 60


def test_what_is_settled_after_its_minute_changes_nothing() -> None:
    window = SlidingWindow(100)
    entry = window.take(0, 100)
    assert window.ready_at(60, 100) == 60
    window.take(60, 100)
    window.settle(entry, 0)
    assert window.ready_at(61, 1) == 120


def test_a_request_larger_than_the_limit_has_a_minute_for_itself() -> None:
    window = SlidingWindow(10)
    window.take(0, 1)
    assert window.ready_at(5, 50) == 60
    window.take(60, 50)
    assert window.ready_at(61, 1) == 120
