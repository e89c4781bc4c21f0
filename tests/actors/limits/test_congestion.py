"""The congestion window: shrinks by how much of a round was refused, and comes back."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.limits.congestion import CongestionWindow


def one_round(window: CongestionWindow, capacity: int, count: int | None = None) -> int:
    """Fill the window; a server takes ``capacity`` at once and refuses the others. How many were sent."""
    epochs = list[int]()
    while window.has_room() and len(epochs) < (count or 1_000):
        epochs.append(window.sent())
    for number, epoch in enumerate(epochs):
        window.ended(epoch, overloaded=number >= capacity)
    return len(epochs)


def test_a_storm_halves_the_window_each_round_down_to_one() -> None:
    window, sizes = CongestionWindow(64), []
    for _ in range(8):
        one_round(window, capacity=0, count=64)
        sizes.append(window.size)
    assert sizes == [32, 16, 8, 4, 2, 1, 1, 1]


def test_it_settles_near_what_the_server_takes() -> None:
    window = CongestionWindow(500)
    sent = [one_round(window, capacity=20, count=500) for _ in range(60)]
    assert all(15 <= count <= 23 for count in sent[20:])


def test_it_recovers_to_its_ceiling_and_then_limits_nothing() -> None:
    window = CongestionWindow(8)
    for _ in range(3):
        one_round(window, capacity=0, count=8)
    assert window.size < 8
    for _ in range(8):
        one_round(window, capacity=1_000, count=8)
    assert (window.size, window.smallest, window.cuts) == (8, 1, 3)
    assert one_round(window, capacity=1_000, count=50) == 50  # duplicates too


def test_a_rare_failure_by_chance_costs_little() -> None:
    window, rng, sizes = CongestionWindow(64), random.Random(3), []
    for _ in range(400):
        epochs = [window.sent() for _ in range(min(64, window.size))]
        for epoch in epochs:
            window.ended(epoch, overloaded=rng.random() < 0.01)
        sizes.append(window.size)
    assert sum(sizes) / len(sizes) > 50  # Reno would keep 14


def test_the_cut_starts_from_what_was_in_flight_and_not_from_the_ceiling() -> None:
    window = CongestionWindow(10_000)
    one_round(window, capacity=0, count=10)
    assert window.size == 5


def test_what_was_sent_before_a_cut_does_not_cut_again() -> None:
    window = CongestionWindow(4)
    epochs = [window.sent() for _ in range(4)]
    for epoch in epochs:
        window.ended(epoch, overloaded=True)
    late = [window.sent() for _ in range(2)]
    assert window.size == 2
    for _ in range(10):
        window.sent()
        window.ended(epochs[0], overloaded=True)
    assert window.size == 2
    window.ended(late[0], overloaded=True)
    window.ended(late[1], overloaded=True)
    assert window.size == 1


def test_a_request_that_was_given_up_says_nothing() -> None:
    window = CongestionWindow(2)
    for _ in range(10):
        window.ended(window.sent(), overloaded=None)
    assert (window.size, window.in_flight, window.cuts) == (2, 0, 0)


@given(
    st.integers(1, 50),
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([True, False, None]), st.integers(0, 99)), max_size=300
    ),
)
def test_it_stays_within_one_and_its_ceiling_and_counts_what_is_in_flight(
    ceiling: int, events: list[tuple[bool, bool | None, int]]
) -> None:
    window, open_ = CongestionWindow(ceiling), list[int]()
    for send, outcome, which in events:
        if send and window.has_room():
            open_.append(window.sent())
        elif open_:
            window.ended(open_.pop(which % len(open_)), overloaded=outcome)
        assert 1 <= window.size <= ceiling
        assert window.in_flight == len(open_)
