"""Hedging in whole runs: real sockets, records, report figures, trace and preflight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import crucible
from crucible.adapters.tracing import read_trace
from crucible.composition import prepare
from crucible.messages.errors import ExperimentError
from crucible.messages.experiment import BackendRef, EnsembleConfig, HedgingConfig, Reliability, StageDef
from crucible.messages.flow import StageResult
from crucible.messages.records import Output

from .mission import STAGES, experiment
from .model_server import ModelServer

ROWS = 40


def rows(count: int = ROWS) -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "prompt": f"question {i}", "completion": f"answer {i}"} for i in range(count)]


def hedged(url: str, hedging: HedgingConfig, count: int = ROWS, **options: Any) -> crucible.Experiment:
    price = {"price_per_million_input_usd": 1.0, "price_per_million_output_usd": 2.0}
    stages = {
        "data_load": {},
        "backend_call": {"concurrency": 4, "backoff_s": 0.0, **options},
        "bench": {},
        "report": {},
    }
    data = crucible.DatasetRef(name="q", provider="memory", split="all", options={"rows": rows(count)})
    return crucible.Experiment(
        id="racing",
        dataset=data,
        backend=BackendRef(id="openai", name="model", options={"model": "m", "base_url": url, **price}),
        pipeline=tuple(StageDef(name=name, options=given) for name, given in stages.items()),
        reliability=Reliability(hedging=hedging),
        outputs=(crucible.OutputSpec(formats=("json", "html")),),
    )


def stage(result: crucible.RunResult, name: str) -> StageResult:
    return next(each for each in result.stages if each.stage == name)


def outputs(folder: Path) -> dict[str, Output]:
    lines = next(folder.rglob("samples.jsonl")).read_text().splitlines()
    found = {}
    for line in map(json.loads, lines):
        found[line["id"]] = msgspec.convert(line["outputs"]["model"], Output)
    return found


def test_a_duplicate_wins_the_loser_is_hung_up_on_and_both_are_paid(tmp_path: Path) -> None:
    def answer(prompt: str, before: int) -> tuple[float, str]:
        slow = prompt == "question 39" and before == 0
        return (30.0 if slow else 0.0), prompt.replace("question", "answer")

    with ModelServer(answer) as server:
        hedging = HedgingConfig(strategy="fixed", delay_ms=400, control_percent=0)
        result = crucible.run(hedged(server.url, hedging), out=tmp_path)
        assert result.failure is None
        assert server.hung_up == ["question 39"]  # the server saw the connection close
        assert None not in server.keys
        assert len(set(server.keys)) == len(server.asked)  # a duplicate is no copy of what it races against
    race = outputs(tmp_path)["r39"].race
    assert race is not None
    assert (race.hedged, race.winner, race.cancelled) == (True, "hedge", 1)
    told = stage(result, "backend_call").metrics
    assert told["systems"]["model"]["asked"] == ROWS
    assert told["systems"]["model"]["duplicates"] == 1
    assert told["systems"]["model"]["prompt_tokens"] == 10 * (ROWS + 1)
    assert told["systems"]["model"]["cost_usd"] == pytest.approx(20e-6 * (ROWS + 1))
    told = told["hedging"]
    assert (told["requests"], told["hedged"], told["wins"], told["cancelled"]) == (ROWS, 1, 1, 1)
    assert told["extra_requests_percent"] == pytest.approx(100 / ROWS)
    assert told["extra_tokens"] == 15
    assert told["latency_s"]["with_hedging"]["p99"] < 5


def test_the_trace_shows_the_race_below_its_request(tmp_path: Path) -> None:
    with ModelServer(
        lambda prompt, before: (5.0 if prompt == "question 39" and not before else 0.0, "a")
    ) as server:
        hedging = HedgingConfig(strategy="fixed", delay_ms=400, control_percent=0)
        crucible.run(hedged(server.url, hedging), out=tmp_path)
    spans = read_trace(next(tmp_path.rglob("trace.json")))
    ids = {span.id: span for span in spans}
    hedge = next(span for span in spans if span.kind == "hedge")
    assert hedge.parent_id is not None
    request = ids[hedge.parent_id]
    assert request.kind == "request"
    assert request.attributes["hedging"]["winner"] == "hedge"
    lost = next(s for s in spans if s.kind == "attempt" and s.parent_id == request.id)
    assert lost.status == "cancelled"
    assert "budget left" in hedge.attributes["why"]


def test_free_slots_clone_the_last_request_of_a_batch(tmp_path: Path) -> None:
    with ModelServer(
        lambda prompt, before: (30.0 if prompt == "question 39" and not before else 0.0, "a")
    ) as server:
        config = HedgingConfig(
            strategy="fixed",
            delay_ms=1e6,
            budget_percent=100,
            control_percent=0,
            options={"clone_at_end": True},
        )
        result = crucible.run(hedged(server.url, config), out=tmp_path)
        server.wait_for_hang_up("question 39")
    told = stage(result, "backend_call").metrics["hedging"]
    assert told["clones"] >= 1  # the other requests at the end may be cloned too
    assert told["wins"] >= 1
    assert result.seconds < 20


async def test_a_run_cancelled_while_it_clones_hangs_up_on_both_and_closes_every_span(tmp_path: Path) -> None:
    async def until(condition: Callable[[], bool]) -> None:
        """The server is in another thread."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    with ModelServer(lambda prompt, _before: (60.0 if prompt == "question 39" else 0.0, "a")) as server:
        config = HedgingConfig(
            strategy="fixed", delay_ms=1e6, budget_percent=100, options={"clone_at_end": True}
        )
        async with crucible.Supervisor(out=tmp_path) as supervisor:
            run = await supervisor.submit(hedged(server.url, config))
            await until(lambda: server.asked.count("question 39") == 2)
            async with asyncio.timeout(20):
                result = await run.cancel("enough")
        await until(lambda: server.hung_up.count("question 39") == 2)
    assert (result.status, result.failure) == ("cancelled", "enough")
    spans = read_trace(next(tmp_path.rglob("trace.json")))
    slow = {span.name: span.status for span in spans if span.attributes.get("example") == "r39"}
    assert slow == {"model": "cancelled", "first model": "cancelled", "clone model": "cancelled"}


@pytest.mark.parametrize(("asked_for", "compared"), [(False, ROWS - 1), (True, ROWS)])
def test_bench_leaves_out_what_a_race_may_have_biased(tmp_path: Path, asked_for: bool, compared: int) -> None:
    with ModelServer(
        lambda prompt, before: (5.0 if prompt == "question 39" and not before else 0.0, "a")
    ) as server:
        config = HedgingConfig(strategy="fixed", delay_ms=400, control_percent=0)
        made = hedged(server.url, config, temperature=0.7)
        pipeline = tuple(
            StageDef(name=s.name, options={"include_raced": asked_for} if s.name == "bench" else s.options)
            for s in made.pipeline
        )
        result = crucible.run(msgspec.structs.replace(made, pipeline=pipeline), out=tmp_path)
    told = stage(result, "bench").metrics
    assert (told["examples"], told["race_biased"]) == (compared, 1)


def test_a_tier_answers_where_the_model_is_not_sure(tmp_path: Path) -> None:
    rule = {"text": "{example_id} by the model", "confidence": 0.2}
    sure = {"text": "{example_id} by the large one", "confidence": 0.9}
    tiers = [{"name": "model", "min_quality": 0.5}, {"name": "large"}]
    made = hedged(
        "http://127.0.0.1:9/v1", HedgingConfig(strategy="tiered", options={"tiers": tiers}), count=3
    )
    made = msgspec.structs.replace(
        made,
        backend=BackendRef(id="mock", name="model", options={"replies": [rule]}),
        baselines=(BackendRef(id="mock", name="large", options={"replies": [sure]}),),
    )
    crucible.run(made, out=tmp_path)
    found = outputs(tmp_path)
    assert found["r1"].text == "r1 by the large one"
    assert found["r1"].race is not None
    assert found["r1"].race.backend == "large"


def test_a_tier_may_be_a_member_that_is_asked_for_nothing_else(tmp_path: Path) -> None:
    unsure = {"replies": [{"text": "guess", "confidence": 0.2}]}
    tiers = [{"name": "model", "min_quality": 0.5}, {"name": "large"}]
    made = hedged("http://127.0.0.1:9/v1", HedgingConfig(strategy="off"), count=3)
    large = BackendRef(id="mock", name="large", options={"default": "sure"})
    reliability = Reliability(
        hedging=HedgingConfig(strategy="tiered", options={"tiers": tiers}),
        ensemble=EnsembleConfig(members=(large,)),
    )
    model = BackendRef(id="mock", name="model", options=unsure)
    result = crucible.run(msgspec.structs.replace(made, backend=model, reliability=reliability), out=tmp_path)
    assert {output.text for output in outputs(tmp_path).values()} == {"sure"}
    assert list(stage(result, "backend_call").metrics["systems"]) == ["model"]


def test_with_hedging_off_the_result_does_not_mention_it(tmp_path: Path) -> None:
    result = crucible.run(experiment(), out=tmp_path)
    assert [s.stage for s in result.stages] == list(STAGES)
    assert "hedging" not in stage(result, "backend_call").metrics
    assert "duplicates" not in stage(result, "backend_call").metrics["systems"]["mock"]


@pytest.mark.parametrize(
    ("hedging", "said"),
    [
        (
            HedgingConfig(strategy="tiered"),
            "reliability.hedging.options.tiers: missing; expected list of table",
        ),
        (
            HedgingConfig(strategy="tiered", options={"tiers": [{"name": "model"}]}),
            "reliability.hedging.options.tiers: expected at least 2 tiers, got 1",
        ),
        (
            HedgingConfig(strategy="tiered", options={"tiers": [{"name": "model"}, {"name": "big"}]}),
            "reliability.hedging.options.tiers[1].name: expected a baseline or an ensemble member (there are",
        ),
        (
            HedgingConfig(strategy="adaptive", options={"dleays_ms": [5]}),
            "reliability.hedging.options.dleays_ms: unknown key; did you mean 'delays_ms'?",
        ),
    ],
)
def test_a_mistake_in_the_hedging_is_one_line(hedging: HedgingConfig, said: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        prepare(hedged("http://127.0.0.1:9/v1", hedging))
    assert str(caught.value).startswith(said)
    assert len(caught.value.problems) == 1


def test_training_is_never_hedged() -> None:
    made = hedged("http://127.0.0.1:9/v1", HedgingConfig(strategy="fixed", delay_ms=5), mode="train")
    made = msgspec.structs.replace(made, backend=BackendRef(id="mock", options={"losses": [1.0]}))
    with pytest.raises(ExperimentError, match="training is never hedged"):
        prepare(made)
