"""The circuit breaker."""

from __future__ import annotations

import pytest

from crucible.actors.hedging.breaker import CircuitBreaker


def admitted(breaker: CircuitBreaker, now: float) -> int:
    ticket = breaker.admit(now)
    assert ticket is not None
    return ticket


def opened(at: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(5):
        breaker.failed(at, admitted(breaker, at))
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        breaker.failed(0.0, admitted(breaker, 0.0))
    breaker.succeeded(0.0, admitted(breaker, 0.0))
    for _ in range(4):
        breaker.failed(0.0, admitted(breaker, 0.0))
    assert breaker.state(0.0) == "closed"
    breaker.failed(0.0, admitted(breaker, 0.0))
    assert breaker.state(0.0) == "open"
    assert breaker.admit(29.9) is None
    assert breaker.retry_at() == 30.0


def test_half_open_lets_one_probe_through_at_a_time_and_two_close_it() -> None:
    breaker = opened()
    assert breaker.state(30.0) == "half_open"
    probe = admitted(breaker, 30.0)
    assert breaker.admit(30.0) is None
    breaker.succeeded(31.0, probe)
    assert breaker.state(31.0) == "half_open"
    breaker.succeeded(32.0, admitted(breaker, 31.5))
    assert breaker.state(32.0) == "closed"
    assert breaker.retry_at() is None


def test_a_failed_probe_opens_it_again_for_the_whole_time() -> None:
    breaker = opened()
    breaker.failed(31.0, admitted(breaker, 30.0))
    assert breaker.state(60.9) == "open"
    assert breaker.state(61.0) == "half_open"


def test_answers_to_requests_from_before_it_opened_change_nothing() -> None:
    breaker = CircuitBreaker()
    old = admitted(breaker, 0.0)
    for _ in range(5):
        breaker.failed(0.0, admitted(breaker, 0.0))
    breaker.succeeded(30.0, old)
    breaker.failed(30.0, old)
    assert breaker.state(30.0) == "half_open"


def test_a_cancelled_probe_frees_its_place() -> None:
    breaker = opened()
    breaker.abandoned(admitted(breaker, 30.0))
    assert breaker.admit(30.0) is not None


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="failures >= 1"):
        CircuitBreaker(failures=0)
