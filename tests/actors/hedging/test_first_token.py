"""Races of streamed answers: the first token decides; in virtual time."""

from __future__ import annotations

import pytest

from crucible.actors.first_token import first_token_came
from crucible.actors.hedging.actor import CloneOldest
from crucible.actors.hedging.options import PercentileOptions
from crucible.messages.errors import ConnectionFailedError
from crucible.messages.requests import BackendReply, BackendRequest
from crucible.testing import TestKit

from .track import Scripted, Track


async def test_the_answer_that_begins_first_is_taken_though_another_would_be_whole_sooner() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "long"), (10.0, "short"), first_tokens=(2.0, 5.0))
        outcome = await Track(kit, sampler).outcome(temperature=0.7)
        assert outcome.reply is not None
        assert outcome.reply.completions[0].text == "long"
        assert outcome.latency_s == pytest.approx(60.0)
        assert (outcome.race.winner, outcome.race.decided_on) == ("first", "first_token")


async def test_the_loser_is_cancelled_at_the_first_token_of_the_other() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "slow"), (9.0, "fast"), first_tokens=(50.0, 0.5))
        outcome = await Track(kit, sampler).outcome()
        assert sampler.cancelled == [(1, 1.5)]  # the duplicate was sent at 1.0 and is whole at 10.0
        assert (outcome.race.winner, outcome.race.cancelled) == ("hedge", 1)
        assert outcome.latency_s == pytest.approx(10.0)


async def test_an_answer_that_streams_is_not_duplicated_however_long_it_is() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "long"), first_tokens=(0.5,))
        outcome = await Track(kit, sampler).outcome()
        assert (outcome.race.hedged, len(sampler.asked)) == (False, 1)


async def test_a_race_decided_on_the_first_token_is_no_biased_one() -> None:
    async with TestKit() as kit:
        streamed = Scripted(kit, (60.0, "slow"), (9.0, "fast"), first_tokens=(50.0, 0.5))
        whole = Scripted(kit, (60.0, "slow"), (9.0, "fast"))
        assert not (await Track(kit, streamed).outcome(temperature=0.7)).race.race_biased
        assert (await Track(kit, whole).outcome(temperature=0.7)).race.race_biased


async def test_the_first_token_is_told_from_the_start_of_the_first_request() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "slow"), (9.0, "fast"), first_tokens=(50.0, 0.5))
        outcome = await Track(kit, sampler).outcome()
        assert outcome.reply is not None
        assert outcome.reply.first_token_s == pytest.approx(1.5)


async def test_a_stream_that_breaks_is_a_failure_and_is_followed_at_once() -> None:
    async with TestKit() as kit:
        broken = ConnectionFailedError("cut off")
        sampler = Scripted(kit, (3.0, broken), (2.0, "whole"), first_tokens=(0.5, 0.5))
        outcome = await Track(kit, sampler).outcome()
        assert [at for _, at in sampler.asked] == pytest.approx([0.0, 3.0])
        assert outcome.race.winner == "backup"
        assert outcome.latency_s == pytest.approx(5.0)


async def test_a_stream_that_breaks_after_the_other_was_given_up_is_followed_too() -> None:
    async with TestKit() as kit:
        broken = ConnectionFailedError("cut off")
        script = ((60.0, "slow"), (3.0, broken), (1.0, "whole"))
        sampler = Scripted(kit, *script, first_tokens=(50.0, 0.5))
        outcome = await Track(kit, sampler, max_hedges=2).outcome()
        assert [number for number, _ in sampler.cancelled] == [1]
        assert (outcome.race.winner, outcome.attempts) == ("backup", 3)


async def test_the_policy_learns_the_time_to_the_first_token() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "a"), first_tokens=(2.0,) * 20)
        track = Track(
            kit, sampler, strategy="percentile", percentile=90.0, policy=PercentileOptions(min_samples=5)
        )
        for number in range(5):
            await track.outcome(100.0, key=str(number))
        assert (await track.outcome(100.0, key="x")).race.delay_s == pytest.approx(2.0)


async def test_a_loser_is_known_not_to_have_begun_until_it_was_cancelled() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "slow"), (9.0, "fast"), first_tokens=(50.0, 0.5))
        track = Track(kit, sampler)
        await track.outcome()
        told = await track.figures()
        for kept, seconds in ((track.tally.to_first_token, 1.5), (track.tally.whole, 10.0)):
            assert list(kept.totals) == pytest.approx([seconds])
            assert list(kept.firsts) == pytest.approx([1.5])  # neither began nor was whole when given up
            assert list(kept.censored) == [1]
        assert told["first_token_s"]["with_hedging"]["p99"] == pytest.approx(1.5)
        assert told["latency_s"]["with_hedging"]["p99"] == pytest.approx(10.0)


async def test_in_a_control_race_the_loser_runs_on_and_does_not_win_by_being_shorter() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "long"), (3.0, "short"), first_tokens=(2.0, 2.5))
        track = Track(kit, sampler, control_percent=100.0)
        outcome = await track.outcome(temperature=0.7)
        assert outcome.reply is not None
        assert (outcome.reply.completions[0].text, sampler.cancelled) == ("long", [])
        assert not outcome.race.race_biased


async def test_an_answer_that_streams_is_not_cloned() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (0.0, "a"), (60.0, "long"), first_tokens=(None, 0.5))
        track = Track(kit, sampler, delay_ms=1e6)
        await track.outcome(1.0, key="warm")
        task = track.ask("long")
        await kit.advance(1.0)
        assert await track.pool.ask(CloneOldest()) == 0.0
        await kit.advance(100.0)
        assert not (await task).race.hedged
        assert (await track.figures())["clones"] == 0
        assert await track.pool.ask(CloneOldest()) is None


async def test_the_span_of_a_request_says_when_its_answer_began() -> None:
    async with TestKit() as kit:
        sampler = Scripted(kit, (60.0, "slow"), (3.0, "a"), first_tokens=(None, 0.5))
        track = Track(kit, sampler)
        await track.outcome()
        began = {span.kind: span.attributes.get("first_token_s") for span in track.spans()}
        assert began == {"attempt": None, "hedge": pytest.approx(0.5)}


async def test_a_request_alone_leaves_its_facts_to_the_span_of_the_request() -> None:
    async with TestKit() as kit:
        track = Track(kit, Scripted(kit, (3.0, "a"), first_tokens=(0.5,)))
        outcome = await track.outcome()
        assert track.spans() == []
        assert outcome.reply is not None
        assert outcome.reply.first_token_s == pytest.approx(0.5)


async def test_a_clone_that_is_wanted_as_the_answer_begins_is_not_sent_and_holds_nothing_up() -> None:
    async with TestKit() as kit:

        class Begins(Scripted):
            async def sample(self, request: BackendRequest) -> BackendReply:
                if request.key == "long":
                    await kit.clock.sleep(2.0)
                    assert track.open_races.clone_oldest(kit.clock.now(), free=1) == 0.0  # told to clone
                    first_token_came()
                return await super().sample(request)

        track = Track(kit, Begins(kit, (1.0, "a")), delay_ms=1e6)
        await track.outcome(1.0, key="warm")
        outcome = await track.outcome(10.0, key="long")
        assert (outcome.race.hedged, outcome.race.decided_on) == (False, "first_token")
