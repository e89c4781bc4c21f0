"""The money: never more than the limit is spent or set aside, under any order of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.limits.money import Money, nano


@given(
    st.floats(1e-6, 10),
    st.lists(
        st.tuples(st.floats(0, 2), st.one_of(st.none(), st.floats(0, 1)), st.booleans(), st.integers(0, 99)),
        max_size=100,
    ),
)
def test_spent_and_set_aside_never_exceed_the_limit(
    limit: float, events: list[tuple[float, float | None, bool, int]]
) -> None:
    money, open_, real_usd = Money(limit), list[int](), 0.0
    for usd, share, send, which in events:
        most = nano(usd)
        if send:
            if money.fits(most):
                money.reserve(most)
                open_.append(most)
        elif open_:
            reserved = open_.pop(which % len(open_))
            real = None if share is None else int(share * reserved)
            money.settle(reserved, real)
            real_usd += (reserved if real is None else real) / 1e9
        assert (money.spent + money.set_aside) / 1e9 <= limit + 1e-12
        assert money.set_aside == sum(open_)
        assert money.spent / 1e9 == pytest.approx(real_usd)


def test_a_request_that_does_not_fit_is_hopeless_only_when_nothing_is_open() -> None:
    money = Money(1.0)
    money.reserve(nano(0.7))
    assert not money.fits(nano(0.5))
    assert not money.hopeless(nano(0.5))
    money.settle(nano(0.7), nano(0.6))
    assert money.hopeless(nano(0.5))
    assert money.fits(nano(0.4))


def test_what_nobody_knows_counts_as_spent_to_the_most() -> None:
    money = Money(1.0)
    money.reserve(nano(0.25))
    money.settle(nano(0.25), None)
    assert (money.spent, money.unknown, money.set_aside) == (nano(0.25), nano(0.25), 0)


def test_an_answer_that_costs_more_than_it_could_is_counted_as_overrun() -> None:
    money = Money(1.0)
    money.reserve(nano(0.25))
    money.settle(nano(0.25), nano(0.75))
    assert (money.spent, money.overrun) == (nano(0.75), nano(0.5))


def test_once_stopped_nothing_fits() -> None:
    money = Money(1.0)
    money.stop(nano(2))
    assert not money.fits(0)
    assert money.stopped == (
        "the money budget of $1 is used up: up to $0 is spent, and the next request may cost up to $2"
    )
