"""The ensemble: who is asked when, what stops the asking, what the answer is; in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from crucible.actors.stages.guardrails import OutputGuard
from crucible.actors.voting.ballots import Vote
from crucible.actors.voting.settings import EnsembleOptions
from crucible.adapters.guardrails import GuardOptions, RuleGuard
from crucible.messages.errors import BackendError, ConnectionFailedError, StageError
from crucible.messages.flow import Batch, EndOfStream, Sample
from crucible.messages.records import Example, SamplingParams
from crucible.messages.trace import Span
from crucible.testing import TestKit

from .jury import Jury, Member


async def test_every_member_is_really_asked_the_question(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "yes"), Member(kit, "no"), Member(kit, "no")]
        output, ballots = await Jury(kit, tmp_path, *members, early_stop="off").one()
        assert [member.prompts for member in members] == [["why 0?"]] * 3
        assert (output.system, output.text) == ("model", "no")
        assert [(o.system, o.text) for o in ballots.members] == [("a", "yes"), ("b", "no"), ("c", "no")]


async def test_the_answer_is_a_members_original_text(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "It is about $1,000."), Member(kit, "2"), Member(kit, "Exactly 1e3!")]
        output, ballots = await Jury(kit, tmp_path, *members, normalizer="numeric").one()
        assert output.text == "It is about $1,000."
        assert ballots.key == "1E+3"
        assert ballots.winner_member == "a"


async def test_no_answer_cannot_win_a_vote(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "no idea"), Member(kit, "who knows"), Member(kit, "5")]
        output, ballots = await Jury(kit, tmp_path, *members, normalizer="numeric", quorum=1).one()
        assert output.text == "5"
        assert ballots.abstained == {"a": "no number", "b": "no number"}


async def test_a_vote_below_the_quorum_is_no_consensus_and_no_error(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "?"), Member(kit, "?"), Member(kit, "5")]
        output, ballots = await Jury(kit, tmp_path, *members, normalizer="numeric").one()
        assert (output.text, output.finish_reason, output.error) == ("", "no_consensus", None)
        assert ballots.reason == "the quorum can no longer be reached" or "the quorum is 2" in ballots.reason


async def test_a_tie_goes_to_the_first_member_whatever_order_the_answers_come_in(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "slow", after=2.0), Member(kit, "fast")]
        output, ballots = await Jury(kit, tmp_path, *members).one()
        assert (output.text, ballots.tie_rule) == ("slow", "member order")


async def test_confidence_reaches_the_vote(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [
            Member(kit, "a", confidence=0.3),
            Member(kit, "b", confidence=0.9),
            Member(kit, "a", confidence=0.2),
        ]
        output, _ = await Jury(kit, tmp_path, *members, strategy="best_confidence").one()
        assert (output.text, output.confidence) == ("b", 0.9)


async def test_weights_are_those_of_the_file(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "b"), Member(kit, "b")]
        output, _ = await Jury(kit, tmp_path, *members, strategy="weighted", weights=(5.0, 1.0, 1.0)).one()
        assert output.text == "a"


async def test_weights_are_learned_on_the_validation_split(tmp_path: Path) -> None:
    async with TestKit() as kit:
        right = {f"v{i}": "yes" for i in range(30)} | {"q0": "yes"}
        wrong = {f"v{i}": "no" for i in range(30)} | {"q0": "no"}
        members = [Member(kit, right), Member(kit, wrong), Member(kit, wrong)]
        jury = Jury(kit, tmp_path, *members, strategy="weighted")
        got, result = await jury.ask(learn=["yes"] * 30)
        assert got[0].text == "yes"
        told = result.metrics["ensemble"]
        assert told["weights"]["a"] > 0
        assert told["weights"]["b"] == 0
        assert (told["learned"]["rows"], told["learned"]["requests"]) == (30, 90)


async def test_votes_that_go_on_at_once_have_rows_of_their_own_in_the_trace(tmp_path: Path) -> None:
    """Spans that overlap in one row cannot be drawn: they are taken for nested ones, or left out."""
    async with TestKit() as kit:
        waits = [Member(kit, "a", after=0.05), Member(kit, "b", after=0.15), Member(kit, "a", after=0.1)]
        jury = Jury(kit, tmp_path, *waits, strategy="weighted", early_stop="off", call={"concurrency": 4})
        await jury.ask(6, learn=["a"] * 6, seconds=1e6)  # as long as the threads take
        rows = dict[str, list[Span]]()
        for span in (message for message in jury.trace.messages if isinstance(message, Span)):
            rows.setdefault(span.lane, []).append(span)
        votes = [(span.name, lane) for lane, spans in rows.items() for span in spans if span.kind == "vote"]
        assert (len(votes), sum(name == "learn" for name, _ in votes)) == (12, 6)
        for spans in rows.values():
            drawn = [span for span in spans if span.kind == "vote"]
            for one, other in itertools.combinations(drawn, 2):
                assert one.end_s <= other.start_s or other.end_s <= one.start_s, (one, other)


async def test_unanimous_members_or_no_consensus(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "A "), Member(kit, "b")]
        output, ballots = await Jury(kit, tmp_path, *members, strategy="unanimous").one()
        assert (output.text, ballots.status) == ("", "no_consensus")


async def test_a_custom_strategy_scores_the_votes(tmp_path: Path) -> None:
    def shortest(votes: Sequence[Vote]) -> Mapping[str, float]:
        return {vote.key: 1 / len(vote.key) for vote in votes}

    async with TestKit() as kit:
        members = [Member(kit, "long"), Member(kit, "long"), Member(kit, "x")]
        output, _ = await Jury(kit, tmp_path, *members, strategy="custom", score=shortest).one()
        assert output.text == "x"


async def test_dawid_skene_decides_all_questions_together(tmp_path: Path) -> None:
    async with TestKit() as kit:
        truth = {f"q{i}": "yes" if i % 2 else "no" for i in range(40)}
        liar = {name: "no" if answer == "yes" else "yes" for name, answer in truth.items()}
        mixed = dict.fromkeys(truth, "yes")
        members = [
            Member(kit, truth),
            Member(kit, truth),
            Member(kit, mixed),
            Member(kit, truth),
            Member(kit, liar),
        ]
        got, result = await Jury(kit, tmp_path, *members, strategy="dawid_skene").ask(40)
        assert [output.text for output in got] == [truth[f"q{i}"] for i in range(40)]
        told = result.metrics["ensemble"]["dawid_skene"]["reliability"]
        assert told["a"] > 0.9 > 0.1 > told["e"]


async def test_claims_are_voted_one_by_one_and_merged(tmp_path: Path) -> None:
    good = "CLAIM[c1]: Cats sleep.\nCLAIM[c2] (Document 1): They sleep a lot.\nRELATION: c2 supports c1"
    extra = good + "\nCLAIM[c3] (Document 2): Dogs bark.\nRELATION: c3 refutes c1"
    async with TestKit() as kit:
        members = [Member(kit, good), Member(kit, extra), Member(kit, good)]
        output, ballots = await Jury(kit, tmp_path, *members, normalizer="claims").one()
        assert "Dogs" not in output.text
        assert "They sleep a lot." in output.text
        assert ballots.winner_member is None  # merged: no member's own text


async def test_members_with_different_claims_disagree(tmp_path: Path) -> None:
    good = "CLAIM[c1]: Cats sleep."
    async with TestKit() as kit:
        members = [Member(kit, good), Member(kit, "CLAIM[c1]: Dogs bark."), Member(kit, good)]
        _, result = await Jury(kit, tmp_path, *members, normalizer="claims").ask()
        assert result.metrics["ensemble"]["disagreements"] == 1


async def test_members_run_at_the_same_time_under_one_limit(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, str(i), after=1.0) for i in range(3)]
        jury = Jury(kit, tmp_path, *members, early_stop="off", call={"concurrency": 2})
        await jury.ask(2)
        starts = sorted(round(at, 1) for member in members for _, at in member.asked)
        begun = starts[0]
        assert [at - begun for at in starts] == pytest.approx([0, 0, 1, 1, 2, 2], abs=0.2)


async def test_an_early_stop_cancels_the_members_that_cannot_change_the_outcome(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "a"), Member(kit, "b", after=50.0)]
        output, ballots = await Jury(kit, tmp_path, *members).one()
        assert (output.text, members[2].cancelled, ballots.cancelled) == ("a", 1, ("c",))
        assert ballots.stopped == "1 outstanding cannot overtake a lead of 2"
        assert output.latency_s < 1


async def test_without_early_stop_all_are_waited_for(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "a"), Member(kit, "b", after=5.0)]
        _, ballots = await Jury(kit, tmp_path, *members, early_stop="off").one()
        assert (len(ballots.members), ballots.stopped) == (3, None)


async def test_the_statistical_stop_states_its_error_bound(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a", after=float(i)) for i in range(8)]
        jury = Jury(
            kit, tmp_path, *members, early_stop="statistical", epsilon=0.3, quorum=2, execution="sequential"
        )
        _, ballots = await jury.one()
        assert 0 < ballots.error_bound <= 0.3
        assert ballots.not_asked


async def test_one_after_another_stops_on_normalised_answers(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "Yes."), Member(kit, "yes!"), Member(kit, "no")]
        jury = Jury(kit, tmp_path, *members, execution="sequential", normalizer="boolean")
        _, ballots = await jury.one()
        assert (ballots.not_asked, members[2].asked) == (("c",), [])


async def test_a_cascade_ends_with_the_first_confident_answer(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [
            Member(kit, "a", confidence=0.4),
            Member(kit, "b", confidence=0.95),
            Member(kit, "a", confidence=1),
        ]
        output, ballots = await Jury(kit, tmp_path, *members, execution="cascade").one()
        assert (output.text, ballots.not_asked) == ("b", ("c",))
        assert ballots.reason == "b is confident enough: 0.95"


async def test_members_without_confidence_are_all_asked_by_a_cascade(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "b"), Member(kit, "b")]
        output, ballots = await Jury(kit, tmp_path, *members, execution="cascade").one()
        assert (output.text, len(ballots.members)) == ("b", 3)


async def test_hedged_members_do_not_wait_for_the_slowest(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "slow", after=50.0), Member(kit, "fast", after=0.5)]
        output, ballots = await Jury(kit, tmp_path, *members, execution="hedged").one()
        assert output.text == "fast"
        assert output.latency_s == pytest.approx(1.5, abs=0.2)
        assert (members[0].cancelled, ballots.cancelled) == (1, ("a",))


async def test_hedged_asks_the_next_member_at_once_when_the_first_fails(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, ConnectionFailedError("gone")), Member(kit, "b")]
        options = EnsembleOptions(hedge_delay_ms=60_000)
        output, ballots = await Jury(kit, tmp_path, *members, execution="hedged", options=options).one()
        assert output.text == "b"
        assert output.latency_s < 1
        assert ballots.members[0].error == "ConnectionFailedError: gone"


async def test_hedged_asks_the_next_member_at_once_when_one_fails_beside_a_slow_one(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [
            Member(kit, "slow", after=50.0),
            Member(kit, "what do I know?", after=0.5),
            Member(kit, "5", after=0.5),
        ]
        jury = Jury(kit, tmp_path, *members, execution="hedged", normalizer="numeric")
        output, _ = await jury.one()
        assert output.text == "5"
        first, second, third = (member.asked[0][1] for member in members)
        assert second - first == pytest.approx(1.0)
        assert third - second == pytest.approx(0.5)  # an abstention is no vote either


async def test_a_hedged_answer_above_temperature_zero_is_flagged(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "slow", after=50.0), Member(kit, "fast")]
        output, _ = await Jury(kit, tmp_path, *members, execution="hedged", call={"temperature": 0.7}).one()
        assert output.race is not None
        assert output.race.race_biased


async def test_a_member_that_fails_is_kept_with_its_error_and_counted(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, BackendError("no such model")), Member(kit, "b"), Member(kit, "b")]
        got, result = await Jury(kit, tmp_path, *members).ask()
        assert got[0].ballots is not None
        assert got[0].ballots.failed == {"a": "BackendError: no such model"}
        assert result.metrics["ensemble"]["members"]["a"]["failed"] == 1


async def test_when_no_member_answers_the_error_names_each(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, BackendError("one")), Member(kit, BackendError("two"))]
        got, result = await Jury(kit, tmp_path, *members).ask()
        assert got[0].error == "no member answered: a: BackendError: one; b: BackendError: two"
        assert result.metrics["systems"]["model"]["failed"] == 1


async def test_a_member_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a", after=50.0), Member(kit, "b")]
        _, ballots = await Jury(kit, tmp_path, *members, timeout_ms=2000.0, quorum=1).one()
        assert ballots.failed == {"a": "TimedOutError: no answer within 2000 ms"}
        assert members[0].cancelled == 1


async def test_members_may_be_asked_at_their_own_temperature(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "b")]
        await Jury(kit, tmp_path, *members, params=[None, SamplingParams(temperature=0.9)]).one()
        assert [member.temperatures for member in members] == [[0.0], [0.9]]


async def test_one_model_asked_several_times_is_asked_with_another_seed_each_time(tmp_path: Path) -> None:
    async with TestKit() as kit:
        model = Member(kit, "yes")
        hot = SamplingParams(temperature=0.8)
        output, _ = await Jury(kit, tmp_path, model, model, model, params=(hot,) * 3, early_stop="off").one()
        assert len(set(model.seeds)) == 3
        assert output.confidence == 1.0  # self-consistency: the share that agrees


async def test_tokens_and_cost_are_those_of_all_members(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "b"), Member(kit, "b")]
        output, _ = await Jury(kit, tmp_path, *members, early_stop="off").one()
        assert (output.usage.prompt_tokens, output.usage.completion_tokens) == (30, 15)
        assert output.cost_usd == 1.5


async def test_the_figures_say_who_agrees_and_errs_with_whom(tmp_path: Path) -> None:
    async with TestKit() as kit:
        right = {f"q{i}": "yes" for i in range(8)}
        half = {f"q{i}": "yes" if i < 4 else "no" for i in range(8)}
        members = [Member(kit, right), Member(kit, half), Member(kit, half)]
        _, result = await Jury(kit, tmp_path, *members, early_stop="off").ask(8, reference="yes")
        told = result.metrics["ensemble"]
        assert (told["questions"], told["decided"], told["disagreements"], told["accuracy"]) == (8, 8, 4, 0.5)
        assert told["members"]["b"]["accuracy"] == 0.5
        assert told["effective_voters"] == pytest.approx(1.0)  # b and c err together; a never errs
        assert told["early_stop"]["requests"] == 24


async def test_the_vote_is_a_span_above_its_requests(tmp_path: Path) -> None:
    async with TestKit() as kit:
        jury = Jury(kit, tmp_path, Member(kit, "a"), Member(kit, "a"))
        await jury.one()
        spans = [message for message in jury.trace.messages if isinstance(message, Span)]
        vote = next(span for span in spans if span.kind == "vote")
        requests = [span for span in spans if span.kind == "request"]
        assert {span.parent_id for span in requests} == {vote.id}
        assert vote.attributes["votes"]["a"] == "a"
        assert vote.attributes["winner"] == "a"


async def test_a_custom_strategy_that_scores_what_nobody_said_fails_the_stage(tmp_path: Path) -> None:
    async with TestKit() as kit:
        jury = Jury(
            kit, tmp_path, Member(kit, "a"), Member(kit, "b"), strategy="custom", score=lambda _: {"z": 1.0}
        )
        watcher = kit.probe()
        watcher.watch(jury.ref)
        row = Sample(example=Example(id="q0", input="?", split="test"))
        await jury.ref.tell(Batch(index=0, samples=(row,)))
        await jury.ref.tell(EndOfStream(batches=1, samples=1))
        ended: Any = await watcher.expect(object)
        assert isinstance(ended.reason, StageError)
        assert "which no member answered" in str(ended.reason)


async def test_a_vote_tells_its_decision_and_who_was_cancelled_keeps_a_span(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "a"), Member(kit, "b", after=50.0)]
        jury = Jury(kit, tmp_path, *members)
        await jury.one()
        spans = [message for message in jury.trace.messages if isinstance(message, Span)]
        vote = next(span for span in spans if span.kind == "vote")
        assert [(each.kind, each.chosen) for each in vote.decisions] == [
            ("early_stop", "stop"),
            ("vote", "a"),
        ]
        requests = {span.name: (span.status, span.parent_id) for span in spans if span.kind == "request"}
        assert requests == {"a": ("ok", vote.id), "b": ("ok", vote.id), "c": ("cancelled", vote.id)}


async def test_what_is_decided_at_the_end_is_told_for_each_question(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a"), Member(kit, "a"), Member(kit, "b")]
        jury = Jury(kit, tmp_path, *members, strategy="dawid_skene")
        await jury.ask(3)
        spans = [message for message in jury.trace.messages if isinstance(message, Span)]
        whole = next(span for span in spans if span.name == "decide all model")
        parts = [span for span in spans if span.parent_id == whole.id]
        assert [span.attributes["example"] for span in parts] == ["q0", "q1", "q2"]
        assert {span.decisions[0].chosen for span in parts} == {"a"}


@pytest.mark.parametrize("strategy", ["majority", "dawid_skene"])
async def test_what_is_redacted_in_the_answer_is_redacted_in_its_ballots_and_in_the_trace(
    tmp_path: Path, strategy: Literal["majority", "dawid_skene"]
) -> None:
    mail = "Jo.Doe@Example.org"
    guard = OutputGuard(RuleGuard(GuardOptions(redact="placeholder")), redacts=True)
    async with TestKit() as kit:
        members = [Member(kit, f"Ask {mail}"), Member(kit, f"ask {mail}"), Member(kit, "nobody")]
        jury = Jury(kit, tmp_path, *members, strategy=strategy, early_stop="off", guard=guard)
        got, result = await jury.ask(reference=f"ask {mail}")
        ballots = got[0].ballots
        assert ballots is not None
        assert got[0].text == "Ask [EMAIL]"
        assert [each.text for each in ballots.members] == ["Ask [EMAIL]", "ask [EMAIL]", "nobody"]
        assert (ballots.key, list(ballots.scores)) == ("ask [email]", ["ask [email]", "nobody"])
        told = repr([got, jury.trace.messages, result])
        assert "doe@example" not in told.lower()
        assert result.metrics["guardrails"]["violations"] == 1
        accuracy = {name: each["accuracy"] for name, each in result.metrics["ensemble"]["members"].items()}
        assert accuracy == {"a": 1.0, "b": 1.0, "c": 0.0}  # they are judged by what they said


async def test_a_vote_that_ends_with_its_stage_is_cancelled_in_the_trace_and_no_error(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "a", after=1_000.0), Member(kit, "b", after=1_000.0)]
        jury = Jury(kit, tmp_path, *members)
        asking = asyncio.ensure_future(jury.ask())
        while not (members[0].asked and members[1].asked):
            await kit.advance(0.05)
        await jury.ref.stop(grace=0.01)
        asking.cancel()
        spans = [message for message in jury.trace.messages if isinstance(message, Span)]
        assert {(span.kind, span.status) for span in spans} == {
            ("vote", "cancelled"),
            ("request", "cancelled"),
        }
