"""What the record of a race tells of each request that was sent, and the two latency curves."""

from __future__ import annotations

import asyncio

import pytest

from crucible.actors.hedging.racing_options import RacingOptions
from crucible.actors.limits import Watcher
from crucible.messages.errors import ConnectionFailedError
from crucible.messages.records import Prompt, Race
from crucible.messages.requests import BackendRequest
from crucible.testing import TestKit

from .track import Scripted, Track


def told(race: Race) -> list[tuple[str, float, float, str]]:
    return [(a.kind, round(a.started_s, 3), round(a.ended_s, 3), a.outcome) for a in race.attempts]


async def test_a_race_tells_when_each_request_was_sent_and_how_it_ended() -> None:
    async with TestKit() as kit:
        outcome = await Track(kit, Scripted(kit, (60.0, "slow"), (0.5, "fast"))).outcome()
        assert told(outcome.race) == [("first", 0.0, 1.5, "cancelled"), ("hedge", 1.0, 1.5, "won")]


async def test_a_request_that_failed_is_told_with_its_error() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.1, ConnectionFailedError("gone")), (0.2, "b"))
        outcome = await Track(kit, sampler).outcome()
        assert told(outcome.race) == [("first", 0.0, 0.1, "failed"), ("backup", 0.1, 0.3, "won")]
        first = outcome.race.attempts[0]
        assert (first.backend, first.error) == ("lane0", "ConnectionFailedError: gone")


async def test_a_request_without_an_answer_names_all_that_was_tried() -> None:
    async with TestKit() as kit:
        outcome = await Track(kit, Scripted(kit, (1e6, "never")), timeout_s=3.0, max_attempts=1).outcome()
        assert told(outcome.race) == [("first", 0.0, 3.0, "timed_out"), ("hedge", 1.0, 4.0, "timed_out")]


async def test_a_request_that_an_open_circuit_kept_back_tells_what_opened_it() -> None:
    async with TestKit() as kit:
        failing = Scripted(kit, (0.0, ConnectionFailedError("nobody there")))
        racing = RacingOptions(breaker_failures=1, breaker_open_s=500.0)
        task = Track(kit, failing, racing=racing, timeout_s=3.0, max_attempts=2).ask()
        await kit.advance(4.0)
        assert task.done()  # it waited for its time-out, and not for as long as the circuit is open
        outcome = await task
        assert outcome.error is not None
        assert outcome.error == (
            "attempt 1 (first): ConnectionFailedError: nobody there; not sent (backup): OverloadedError:"
            " lane0: the circuit breaker is open after ConnectionFailedError: nobody there"
        )


async def test_whoever_waits_is_told_of_failures_and_of_an_open_circuit() -> None:
    async with TestKit() as kit:
        heard: list[str] = []

        class Listening(Watcher):
            def failed(self, why: str) -> None:
                heard.append(why)

        failing = Scripted(kit, (0.0, ConnectionFailedError("nobody there")))
        racing = RacingOptions(breaker_failures=1, breaker_open_s=5.0)
        track = Track(kit, failing, racing=racing, timeout_s=3.0)
        request = BackendRequest(key="k", example_id="k", prompt=Prompt(text="?"))
        task = asyncio.ensure_future(track.racer.race(request, watcher=Listening()))
        await kit.advance(1000.0)
        await task
        assert list(dict.fromkeys(heard)) == [
            "ConnectionFailedError: nobody there",
            "the circuit breaker is open after ConnectionFailedError: nobody there",
        ]


async def test_in_a_control_race_the_loser_is_told_to_be_open() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (60.0, "a"), (0.5, "b")), control_percent=100.0)
        outcome = await track.outcome()
        assert told(outcome.race) == [("first", 0.0, 1.5, "open"), ("hedge", 1.0, 1.5, "won")]


async def test_the_curves_show_what_hedging_cut_off() -> None:
    async with TestKit() as kit:
        script = [(0.5, "a")] * 18 + [(60.0, "slow"), (0.5, "a")] * 2
        track = Track(kit, Scripted(kit, *script), control_percent=100.0)
        for number in range(20):
            await track.outcome(key=str(number))
        curve = (await track.figures())["latency_curve"]
        assert curve["share"][-1] == pytest.approx(0.95, abs=0.01)  # 20 requests say nothing of a rarer one
        assert len(curve["share"]) == len(curve["with_hedging"]) == len(curve["without_hedging_estimated"])
        assert curve["with_hedging"][-1] == pytest.approx(1.5)
        assert curve["without_hedging_estimated"][-1] == pytest.approx(60.0)
        assert curve["with_hedging"][0] == curve["without_hedging_estimated"][0] == pytest.approx(0.5)


async def test_an_estimate_beyond_all_that_was_not_cancelled_is_told_to_be_a_lower_bound() -> None:
    async with TestKit() as kit:
        script = [(0.5, "a")] * 18 + [(60.0, "slow"), (0.5, "a")] * 2
        track = Track(kit, Scripted(kit, *script))
        for number in range(20):
            await track.outcome(key=str(number))
        figures = await track.figures()
        assert figures["latency_s"]["without_hedging_at_least"] == ["p95", "p99", "p99.9"]
        assert figures["latency_curve_known_share"] == pytest.approx(0.9)  # 18 of 20 were seen to their end


async def test_without_requests_there_are_no_curves() -> None:
    async with TestKit() as kit:
        curve = (await Track(kit, Scripted(kit, (0.5, "a"))).figures())["latency_curve"]
        assert curve == {"share": [], "with_hedging": [], "without_hedging_estimated": []}
