"""Races over tiers."""

from __future__ import annotations

from crucible.actors.hedging.options import TieredOptions, TierOptions
from crucible.actors.hedging.tiered import TieredRace

OPTIONS = TieredOptions(
    tiers=(
        TierOptions(name="small", delay_ms=100.0, min_quality=0.8),
        TierOptions(name="medium", delay_ms=200.0, min_quality=0.5),
        TierOptions(name="large", delay_ms=0.0),
    ),
    timeout_ms=1_000.0,
)


def begun() -> TieredRace:
    race = TieredRace(OPTIONS, now=0.0)
    first = race.begin(0.0)
    assert (first.start, first.wake_at) == (0, 0.1)
    return race


def test_a_good_answer_of_the_first_tier_ends_the_race() -> None:
    done = begun().answered(0.05, 0, 0.9)
    assert (done.verdict, done.accept, done.cancel) == ("accepted", 0, ())


def test_a_slow_tier_starts_the_next_and_keeps_running() -> None:
    race = begun()
    assert race.tick(0.1).start == 1
    done = race.answered(0.15, 0, 0.9)
    assert (done.verdict, done.accept, done.cancel) == ("accepted", 0, (1,))


def test_waking_early_starts_nothing() -> None:
    assert begun().tick(0.05).start is None


def test_a_failure_or_a_poor_answer_starts_the_next_tier_at_once() -> None:
    race = begun()
    assert race.failed(0.01, 0, "connection refused").start == 1
    poor = race.answered(0.02, 1, 0.4)
    assert poor.start == 2
    assert poor.reason == "tier medium: confidence 0.4, needs 0.5"


def test_an_answer_without_confidence_does_not_pass_a_threshold() -> None:
    assert begun().answered(0.01, 0, None).start == 1


def test_a_slow_last_tier_has_until_the_deadline() -> None:
    race = begun()
    wake = race.tick(0.1).wake_at
    assert wake is not None
    assert race.tick(wake).start == 2
    assert race.tick(0.9).verdict == "running"
    done = race.answered(0.95, 2, None)
    assert (done.verdict, done.accept, done.cancel) == ("accepted", 2, (0, 1))


def test_at_the_end_the_best_poor_answer_is_taken_and_the_verdict_says_so() -> None:
    race = begun()
    race.answered(0.01, 0, 0.3)
    race.answered(0.02, 1, 0.4)
    done = race.failed(0.03, 2, "overloaded")
    assert (done.verdict, done.accept) == ("below_threshold", 1)
    assert "overloaded" in done.reason


def test_when_all_fail_the_reason_names_every_tier() -> None:
    race = begun()
    race.failed(0.01, 0, "401")
    race.failed(0.02, 1, "500")
    done = race.tick(1.0)
    assert done.verdict == "failed"
    assert done.cancel == (2,)
    assert done.reason == "tier small: 401; tier medium: 500; tier large: no answer"


def test_what_comes_after_the_end_changes_nothing() -> None:
    race = begun()
    race.tick(0.1)
    race.answered(0.15, 0, 1.0)
    assert race.answered(0.2, 1, 1.0).accept is None
    assert race.tick(5.0).start is None
