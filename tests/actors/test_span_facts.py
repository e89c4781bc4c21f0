"""What spans say of calls, races and votes."""

from typing import Any

import pytest

from crucible.actors.span_facts import (
    call_attributes,
    error_attributes,
    race_decisions,
    reply_attributes,
    vote_decisions,
)
from crucible.messages.records import Ballots, Completion, Race, SamplingParams, Usage
from crucible.messages.requests import BackendReply, BackendRequest


class Plain:
    async def sample(self, request: BackendRequest) -> BackendReply:
        raise NotImplementedError


class Telling(Plain):
    telemetry = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "server.port": 80}  # noqa: RUF012


def test_a_call_has_the_attributes_that_the_conventions_require() -> None:
    params = SamplingParams(max_tokens=9, temperature=0.5)
    assert call_attributes(Plain(), "mock", params) == {
        "gen_ai.operation.name": "text_completion",
        "gen_ai.provider.name": "mock",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 0.5,
    }


def test_what_the_sampler_says_of_itself_wins() -> None:
    told = call_attributes(Telling(), "mock", SamplingParams(top_p=0.9, stop=("end",)))
    assert (told["gen_ai.operation.name"], told["gen_ai.request.model"]) == ("chat", "m-1")
    assert (told["gen_ai.request.top_p"], told["gen_ai.request.stop_sequences"]) == (0.9, ("end",))


def test_a_reply_tells_tokens_reasons_and_a_cost_that_is_known() -> None:
    reply = BackendReply(
        completions=(Completion(text="a"), Completion(text="b", finish_reason="length")),
        usage=Usage(prompt_tokens=3, completion_tokens=4),
        model="m-1-2026",
    )
    told = reply_attributes(reply)
    assert told == {
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.response.model": "m-1-2026",
    }


def test_the_type_of_an_error_is_told_apart_from_its_reason() -> None:
    told = error_attributes("RateLimitedError: slow down: now")
    assert told == {"error": "RateLimitedError: slow down: now", "error.type": "RateLimitedError"}


def test_a_request_that_needed_no_duplicate_tells_what_was_planned_and_why() -> None:
    race = Race(winner="first", backend="model", delay_s=0.0412, quantile=0.95, reason="95th percentile")
    (planned,) = race_decisions(race, ("first model",), 1.0, 1.02)
    assert (planned.kind, planned.chosen, planned.alternatives) == (
        "hedge", "duplicate when late", ("no duplicate",),
    )  # fmt: skip
    assert (planned.why, planned.confidence, planned.at_s) == (
        "late is after 0.0412 s, 95th percentile",
        0.95,
        1.0,
    )


def test_a_race_tells_who_won_against_whom() -> None:
    race = Race(hedged=True, winner="hedge", backend="model", delay_s=0.04, cancelled=1)
    planned, won = race_decisions(race, ("first model", "hedge model"), 1.0, 2.0)
    assert planned.kind == "hedge"
    assert (won.chosen, won.alternatives, won.at_s) == ("hedge model", ("first model",), 2.0)
    assert won.why == "first acceptable answer; 1 cancelled"


def test_a_race_without_a_winner_says_so() -> None:
    _, won = race_decisions(Race(), ("first model", "retry model"), 1.0, 2.0)
    assert (won.chosen, won.why) == ("none", "no acceptable answer")
    assert won.alternatives == ("first model", "retry model")


def ballots(**changes: Any) -> Ballots:
    fields: dict[str, Any] = {
        "status": "decided", "strategy": "majority", "reason": "2 of 3", "key": "yes", "winner_member": "a",
        "scores": {"yes": 2.0, "no": 1.0}, "consensus": 0.66,
    }  # fmt: skip
    return Ballots(**(fields | changes))


def test_a_vote_tells_the_answer_the_others_and_how_sure_it_is() -> None:
    (voted,) = vote_decisions(ballots(), 3.0)
    assert (voted.chosen, voted.alternatives, voted.why, voted.confidence) == ("yes", ("no",), "2 of 3", 0.66)


def test_a_vote_that_decides_nothing_lists_all_answers() -> None:
    (voted,) = vote_decisions(ballots(status="no_consensus", key=None, winner_member=None), 3.0)
    assert (voted.chosen, voted.alternatives, voted.confidence) == ("no consensus", ("yes", "no"), None)


def test_an_answer_made_of_the_winning_claims_has_no_rivals() -> None:
    (voted,) = vote_decisions(ballots(key="CLAIM[c1]: x", winner_member=None, scores={"c1": 2.0}), 3.0)
    assert (voted.chosen, voted.alternatives) == ("CLAIM[c1]: x", ())


def test_an_early_stop_tells_who_was_not_waited_for_and_the_risk() -> None:
    record = ballots(stopped="2 of 3 agree", cancelled=("b",), not_asked=("c",), error_bound=0.05)
    stopped, _ = vote_decisions(record, 3.0)
    assert (stopped.kind, stopped.alternatives) == ("early_stop", ("wait for b", "wait for c"))
    assert stopped.confidence == pytest.approx(0.95)
