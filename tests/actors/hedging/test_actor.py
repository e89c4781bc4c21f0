"""Races: who wins, who is cancelled, what is paid; in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from crucible.actors.hedging.actor import CloneOldest
from crucible.actors.hedging.options import (
    AdaptiveOptions,
    BackoffOptions,
    NoOptions,
    OptimalOptions,
    PercentileOptions,
    TieredOptions,
    TierOptions,
    WorkloadOptions,
)
from crucible.actors.hedging.racing_options import RacingOptions
from crucible.messages.base import Message
from crucible.messages.errors import BackendError, ConnectionFailedError, OverloadedError, RateLimitedError
from crucible.testing import TestKit

from .track import Script, Scripted, Track


async def test_a_duplicate_that_is_faster_wins_and_the_answer_does_not_wait_for_the_slow_one() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "slow"), (0.5, "fast"))
        track = Track(kit, sampler)
        task = track.ask()
        await kit.advance(1.6)
        outcome = await task
        assert outcome.reply is not None
        assert outcome.reply.completions[0].text == "fast"
        assert outcome.latency_s == pytest.approx(1.5)
        assert (outcome.race.hedged, outcome.race.winner, outcome.attempts) == (True, "hedge", 2)


async def test_the_loser_is_cancelled_while_it_runs() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "slow"), (0.5, "fast"))
        track = Track(kit, sampler)
        outcome = await track.outcome(1.6)
        assert sampler.cancelled == [(1, 1.5)]
        assert outcome.race.cancelled == 1


async def test_a_duplicate_that_loses_is_cancelled_too() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (2.0, "slow"), (60.0, "slower"))
        outcome = await Track(kit, sampler).outcome(2.0)
        assert (outcome.race.winner, sampler.cancelled) == ("first", [(2, 2.0)])


async def test_a_fast_answer_is_not_duplicated() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.9, "a"))
        outcome = await Track(kit, sampler).outcome()
        assert (outcome.race.hedged, outcome.attempts, len(sampler.asked)) == (False, 1, 1)


async def test_of_answers_at_the_same_moment_the_first_request_has_won() -> None:
    async with TestKit() as kit:
        outcome = await Track(kit, Scripted(kit, (2.0, "a"), (1.0, "b"))).outcome()
        assert outcome.reply is not None
        assert (outcome.reply.completions[0].text, outcome.race.winner) == ("a", "first")


async def test_all_requests_of_a_race_have_one_idempotency_key_and_numbers_of_their_own() -> None:
    async with TestKit() as kit:
        gone = ConnectionFailedError("gone")
        sampler = Scripted(kit, (5.0, gone), (5.0, gone), (0.1, gone), (1.0, "a"))
        await Track(kit, sampler, max_attempts=3).outcome()
        assert {key for key, _ in sampler.asked} == {"k"}
        assert sampler.attempts == [1, 2, 3, 4]


async def test_a_duplicate_is_paid_whether_it_wins_or_loses() -> None:
    async with TestKit() as kit:
        for script in (((60.0, "a"), (0.5, "b")), ((2.0, "a"), (60.0, "b"))):
            outcome = await Track(kit, Scripted(kit, *script)).outcome()
            usage = outcome.race.extra_usage
            assert (usage.prompt_tokens, usage.completion_tokens, usage.estimated) == (10, 5, True)
            assert outcome.race.extra_cost_usd == 0.5
            assert outcome.race.duplicates == 1


async def test_a_fast_failure_of_the_first_starts_the_next_at_once() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.1, ConnectionFailedError("gone")), (0.2, "b"))
        outcome = await Track(kit, sampler, delay_ms=5000.0).outcome()
        assert [at for _, at in sampler.asked] == pytest.approx([0.0, 0.1])
        assert outcome.race.winner == "backup"
        assert not outcome.race.hedged


async def test_a_failure_does_not_win_against_a_slower_answer() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (5.0, "good"), (0.1, ConnectionFailedError("gone")))
        outcome = await Track(kit, sampler).outcome()
        assert outcome.reply is not None
        assert outcome.reply.completions[0].text == "good"
        assert outcome.latency_s == pytest.approx(5.0)


async def test_an_answer_that_says_it_is_an_error_does_not_win_against_a_slower_one() -> None:
    async with TestKit() as kit:
        slow = Scripted(kit, (5.0, "x"))
        slow._finish = "error"  # every answer of this sampler
        outcome = await Track(kit, slow, max_hedges=1).outcome()
        assert len(slow.asked) == 2
        assert outcome.latency_s == pytest.approx(6.0)  # both were waited for


async def test_when_all_fail_the_error_names_each_attempt() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (5.0, ConnectionFailedError("gone")), (5.0, OverloadedError("busy")))
        outcome = await Track(kit, sampler, max_attempts=1).outcome()
        assert outcome.error == (
            "attempt 1 (first): ConnectionFailedError: gone; attempt 2 (hedge): OverloadedError: busy"
        )


async def test_the_time_out_counts_while_the_delay_is_waited_for() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (1e6, "never"))
        outcome = await Track(
            kit, sampler, delay_ms=50_000.0, timeout_s=3.0, max_attempts=1, max_hedges=1
        ).outcome()
        assert outcome.error == "TimedOutError: no answer within 3 s"
        assert outcome.latency_s == pytest.approx(3.0)


async def test_a_machine_that_slept_as_a_request_was_sent_finds_it_too_late_and_goes_on() -> None:
    class Leaping:
        """An hour passes between any two looks at the clock."""

        def __init__(self, kit: TestKit) -> None:
            self._clock, self._ahead = kit.clock, 0.0
            self.call_later, self.sleep = kit.clock.call_later, kit.clock.sleep

        def now(self) -> float:
            self._ahead += 3600.0
            return self._clock.now() + self._ahead

    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (1.0, "never")), max_attempts=1)
        track.racer._clock = Leaping(kit)  # type: ignore[assignment]  # without what no race uses
        task = track.ask()
        await kit.advance(1.0)
        assert task.done()
        assert "no answer within 100 s" in str((await task).error)


async def test_max_hedges_duplicates_are_staggered() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, *[(0.0, "a")] * 10, (100.0, "a"), (100.0, "b"), (100.0, "c"), (0.1, "d"))
        track = Track(kit, sampler, max_hedges=3)
        for number in range(10):
            await track.outcome(0.0, key=str(number))
        sampler.asked = sampler.asked[-10:]
        begun = kit.clock.now()
        outcome = await track.outcome(key="slow")
        assert [at - begun for _, at in sampler.asked[10:]] == pytest.approx([0.0, 1.0, 2.5, 4.75])
        assert (outcome.race.duplicates, outcome.race.cancelled) == (3, 3)
        assert outcome.race.extra_usage.prompt_tokens == 30


async def test_the_budget_caps_duplicates() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (2.0, "a"))
        track = Track(kit, sampler, budget_percent=25.0)
        for number in range(40):
            await track.outcome(5.0, key=str(number))
        told = await track.figures()
        assert (told["requests"], told["hedged"], told["refused"]) == (40, 10, 30)
        assert told["extra_requests_percent"] == 25.0


async def test_races_that_start_in_one_burst_share_one_budget_whatever_they_ask_for() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (50.0, "a"))
        track = Track(kit, sampler, budget_percent=5.0, max_hedges=3)
        tasks = [track.ask(key=str(number)) for number in range(100)]
        while not all(task.done() for task in tasks):
            await kit.advance(0.5)
            await track.pool.ask(CloneOldest(free=50))
            assert len(sampler.asked) <= 105  # never one more, at no moment
        told = await track.figures()
        assert told["extra_requests"] == 5
        assert told["refused"] > 100


async def test_overload_turns_hedging_down_and_is_not_answered_by_a_request_at_once() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.0, RateLimitedError("slow down", retry_after_s=20.0)), (5.0, "b"))
        track = Track(kit, sampler)
        outcome = await track.outcome()
        assert [at for _, at in sampler.asked] == pytest.approx([0.0, 20.0])
        assert outcome.race.winner == "retry"
        assert not outcome.race.hedged


async def test_overload_shuts_the_bucket_for_a_while() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.0, OverloadedError("busy")), (0.0, "a"), (9.0, "slow"))
        track = Track(kit, sampler)
        await track.outcome(1.0)
        outcome = await track.outcome(20.0, key="other")
        assert not outcome.race.hedged
        assert outcome.race.reason.endswith("not sent: paused by overload")


async def test_a_final_refusal_is_not_asked_again() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.0, BackendError("no such model")))
        outcome = await Track(kit, sampler).outcome()
        assert (outcome.error, len(sampler.asked)) == ("BackendError: no such model", 1)


async def test_retries_and_duplicates_share_one_budget() -> None:
    async with TestKit() as kit:
        sampler = Scripted(
            kit, *[(0.0, "a")] * 3, (0.0, ConnectionFailedError("gone")), (0.0, "b"), (9.0, "c")
        )
        track = Track(kit, sampler, budget_percent=25.0)
        for number in range(4):  # four first requests earn one duplicate, and the retry takes it
            await track.outcome(0.0, key=str(number))
        outcome = await track.outcome(key="slow")
        assert not outcome.race.hedged
        assert "not sent: budget of 0.25 is too small" in outcome.race.reason


async def test_an_open_circuit_keeps_requests_back_until_it_is_probed() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, *[(0.0, ConnectionFailedError("gone"))] * 2, (0.0, "a"))
        racing = RacingOptions(breaker_failures=2, breaker_open_s=30.0)
        track = Track(kit, sampler, racing=racing, max_hedges=1)
        outcome = await track.outcome()
        assert outcome.reply is not None
        assert [at for _, at in sampler.asked] == pytest.approx([0.0, 0.0, 30.0])


async def test_a_bug_of_the_backend_gets_out() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (0.0, ZeroDivisionError("bug"))))
        with pytest.raises(ZeroDivisionError):
            await track.outcome()


async def test_when_the_asker_is_cancelled_every_request_is() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "a"), (60.0, "b"))
        track = Track(kit, sampler)
        task = track.ask()
        await kit.advance(5.0)
        task.cancel()
        await kit.advance(0.0)
        assert [number for number, _ in sampler.cancelled] == [1, 2]
        assert (await track.figures())["abandoned"] == 1


async def test_a_race_of_whole_answers_above_temperature_zero_is_flagged() -> None:
    async with TestKit() as kit:
        cold = await Track(kit, Scripted(kit, (60.0, "a"), (0.5, "b"))).outcome()
        warm = await Track(kit, Scripted(kit, (60.0, "a"), (0.5, "b"))).outcome(temperature=0.7)
        alone = await Track(kit, Scripted(kit, (0.5, "a"))).outcome(temperature=0.7)
        assert [cold.race.race_biased, warm.race.race_biased, alone.race.race_biased] == [False, True, False]


async def test_a_cancelled_first_is_known_to_have_taken_longer_and_not_the_winners_time() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (60.0, "a"), (0.5, "b")))
        await track.outcome()
        await track.figures()
        assert list(track.tally.whole.firsts) == pytest.approx([1.5])
        assert list(track.tally.whole.censored) == [1]
        assert list(track.tally.whole.totals) == pytest.approx([1.5])


async def test_in_a_control_race_the_loser_runs_to_its_end_and_is_observed_whole() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "a"), (0.5, "b"))
        track = Track(kit, sampler, control_percent=100.0)
        task = track.ask()
        await kit.advance(1.6)
        assert (await task).race.winner == "hedge"  # the answer did not wait for it
        await kit.advance(100.0)
        await track.figures()
        assert sampler.cancelled == []
        assert list(track.tally.whole.firsts) == pytest.approx([60.0])
        assert list(track.tally.whole.censored) == [0]


@pytest.mark.parametrize(
    ("strategy", "policy", "config"),
    [
        ("fixed", NoOptions(), {"delay_ms": 1000.0}),
        ("percentile", PercentileOptions(), {"percentile": 90.0}),
        ("optimal", OptimalOptions(min_samples=10), {}),
        ("adaptive", AdaptiveOptions(delays_ms=(2000.0,)), {}),
        ("workload_aware", WorkloadOptions(base_ms=1000.0), {}),
        ("exponential_backoff", BackoffOptions(base_ms=1000.0), {}),
    ],
)
async def test_every_policy_saves_a_straggler(strategy: str, policy: Message, config: dict[str, Any]) -> None:
    async with TestKit() as kit:
        usual: list[Script] = [(1.0 if n % 10 else 30.0, "a") for n in range(1, 60)]
        sampler = Scripted(kit, *usual, (500.0, "slow"), (0.5, "fast"))
        track = Track(kit, sampler, strategy=strategy, policy=policy, budget_percent=50.0, **config)
        number = 0
        while len(sampler.asked) < 59:
            await track.outcome(40.0, key=str(number))
            number += 1
        begun = len(sampler.asked)
        outcome = await track.outcome(600.0, key="slow")
        if begun == 59:
            assert outcome.race.hedged, outcome.race
            assert outcome.latency_s < 499


async def test_state_is_kept_apart_by_pool() -> None:
    async with TestKit() as kit:
        one = Track(
            kit, Scripted(kit, (2.0, "a")), strategy="percentile", policy=PercentileOptions(), percentile=90.0
        )
        two = Track(
            kit, Scripted(kit, (2.0, "a")), strategy="percentile", policy=PercentileOptions(), percentile=90.0
        )
        for number in range(12):
            await one.outcome(3.0, key=str(number))
        assert (await one.outcome(3.0, key="x")).race.delay_s == pytest.approx(2.0)
        assert (await two.outcome(3.0, key="x")).race.reason == "warming up: 0 of 10 latencies"


# tiers


def tiers(*tiers: TierOptions, timeout_ms: float = 30_000.0) -> TieredOptions:
    return TieredOptions(tiers=tiers, timeout_ms=timeout_ms)


async def test_a_tier_that_answers_badly_is_followed_by_the_next_one() -> None:
    async with TestKit() as kit:
        small, large = Scripted(kit, (0.1, "guess"), confidence=0.2), Scripted(kit, (0.1, "sure"))
        options = tiers(TierOptions(name="lane0", min_quality=0.5), TierOptions(name="lane1"))
        outcome = await Track(kit, small, large, strategy="tiered", policy=options).outcome()
        assert outcome.reply is not None
        assert (outcome.reply.completions[0].text, outcome.race.backend) == ("sure", "lane1")
        assert outcome.race.extra_cost_usd == 0.5  # the guess was paid for


async def test_a_slow_tier_keeps_running_and_may_still_win() -> None:
    async with TestKit() as kit:
        small, large = Scripted(kit, (3.0, "late")), Scripted(kit, (60.0, "later"))
        options = tiers(TierOptions(name="lane0", delay_ms=1000), TierOptions(name="lane1"))
        outcome = await Track(kit, small, large, strategy="tiered", policy=options).outcome()
        assert outcome.reply is not None
        assert outcome.reply.completions[0].text == "late"
        assert outcome.latency_s == pytest.approx(3.0)
        assert [at for _, at in large.cancelled] == pytest.approx([3.0])


async def test_of_tiers_that_answer_at_the_same_moment_the_earlier_is_taken() -> None:
    async with TestKit() as kit:
        small, large = Scripted(kit, (3.0, "small")), Scripted(kit, (2.0, "large"))
        options = tiers(TierOptions(name="lane0", delay_ms=1000), TierOptions(name="lane1"))
        outcome = await Track(kit, small, large, strategy="tiered", policy=options).outcome()
        assert (outcome.race.winner, outcome.race.backend) == ("first", "lane0")


async def test_a_last_tier_without_delay_gets_the_time_that_is_left() -> None:
    async with TestKit() as kit:
        small, large = Scripted(kit, (0.1, ConnectionFailedError("gone"))), Scripted(kit, (20.0, "slow"))
        options = tiers(TierOptions(name="lane0"), TierOptions(name="lane1", delay_ms=0))
        outcome = await Track(kit, small, large, strategy="tiered", policy=options).outcome()
        assert outcome.reply is not None
        assert outcome.latency_s == pytest.approx(20.1)


async def test_tiers_end_at_the_deadline_and_nothing_is_left_running() -> None:
    async with TestKit() as kit:
        small, large = Scripted(kit, (1e6, "x")), Scripted(kit, (1e6, "y"))
        options = tiers(TierOptions(name="lane0"), TierOptions(name="lane1"), timeout_ms=5000)
        outcome = await Track(kit, small, large, strategy="tiered", policy=options, max_attempts=1).outcome()
        assert outcome.reply is None
        assert outcome.latency_s == pytest.approx(5.0)
        assert len(small.cancelled) == len(large.cancelled) == 1


async def test_losers_are_given_up_when_the_hedging_actor_is_gone() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "a"), (0.5, "b"))
        track = Track(kit, sampler, control_percent=100.0)  # the loser would run to its end
        await track.pool.stop()
        outcome = await track.outcome(2.0)
        assert (outcome.race.winner, sampler.cancelled) == ("hedge", [(1, 1.5)])


# clones, trace


async def test_a_free_slot_clones_the_request_that_runs_longest() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.0, "a"), (60.0, "old"), (59.0, "young"), (0.5, "clone"))
        track = Track(kit, sampler, delay_ms=1e6)
        await track.outcome(1.0, key="warm")
        old = track.ask("old")
        await kit.advance(1.0)
        young = track.ask("young")
        await kit.advance(1.0)
        assert await track.pool.ask(CloneOldest()) == 0.0
        await kit.advance(1.0)
        assert (await old).race.winner == "clone"
        assert not young.done()
        young.cancel()
        assert (await track.figures())["clones"] == 1


async def test_a_clone_is_paid_from_the_same_budget() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "a"))
        track = Track(kit, sampler, delay_ms=1e6, budget_percent=5.0)
        task = track.ask("old")
        await kit.advance(1.0)
        assert await track.pool.ask(CloneOldest()) == 0.0
        await kit.advance(100.0)
        assert not (await task).race.hedged
        assert await track.pool.ask(CloneOldest()) is None


async def test_every_request_has_a_span_below_that_of_the_question() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (60.0, "slow"), (0.5, "fast")))
        await track.outcome()
        spans = {span.kind: span for span in track.spans()}
        assert {span.parent_id for span in track.spans()} == {7}
        assert (spans["attempt"].status, spans["hedge"].status) == ("cancelled", "ok")
        assert spans["hedge"].start_s == pytest.approx(1.0)
        assert spans["hedge"].attributes["why"] == "fixed delay of 1000 ms; budget left 0.00"


async def test_a_duplicate_tells_why_it_was_sent_and_each_call_what_it_used() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (60.0, "slow"), (0.5, "fast")))
        await track.outcome()
        spans = {span.kind: span for span in track.spans()}
        (decision,) = spans["hedge"].decisions
        assert (decision.kind, decision.chosen) == ("duplicate", "hedge lane0")
        assert decision.why == "fixed delay of 1000 ms; budget left 0.00"
        assert spans["attempt"].decisions == ()
        assert spans["hedge"].attributes["gen_ai.usage.input_tokens"] == 10
        assert "gen_ai.usage.input_tokens" not in spans["attempt"].attributes  # given up: nobody knows
        assert spans["attempt"].attributes["gen_ai.provider.name"] == "lane0"


async def test_only_a_request_that_lost_may_outlive_its_question() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (60.0, "slow"), (0.5, "fast")))
        await track.outcome()
        losers = [span.kind for span in track.spans() if span.attributes.get("loser")]
        assert losers == ["attempt"]


async def test_the_outcome_names_all_requests_in_their_order() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (60.0, "slow"), (0.5, "fast")))
        assert (await track.outcome()).sent == ("first lane0", "hedge lane0")


async def test_a_first_request_that_is_let_run_has_a_span_though_it_ends_after_the_race() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (60.0, "slow"), (0.5, "fast")), control_percent=100.0)
        await track.outcome()
        told = {span.kind: (span.status, round(span.end_s - span.start_s, 3)) for span in track.spans()}
        assert told == {"attempt": ("ok", 60.0), "hedge": ("ok", 0.5)}
