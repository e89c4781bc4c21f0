"""Ensembles in whole runs: training first, real servers, samples, report and preflight."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

import crucible
from crucible.actors.voting.ballots import Vote
from crucible.adapters.tracing import read_trace
from crucible.composition import prepare
from crucible.messages.errors import ExperimentError
from crucible.messages.experiment import BackendRef, EnsembleConfig, HedgingConfig, Reliability, StageDef
from crucible.messages.records import Output

from .mission import experiment, rows
from .model_server import ModelServer

SAYS = {"replies": [{"text": "{example_id}"}]}


def ensemble(
    config: EnsembleConfig, *, call: dict[str, Any] | None = None, **fields: Any
) -> crucible.Experiment:
    made = experiment(reliability=Reliability(ensemble=config), **fields)
    pipeline = tuple(
        StageDef(name=s.name, options=call) if s.name == "backend_call" and call else s for s in made.pipeline
    )
    return msgspec.structs.replace(made, pipeline=pipeline)


def members(*named: tuple[str, str], **options: Any) -> tuple[BackendRef, ...]:
    return tuple(BackendRef(id=id_, name=name, options=options.get(name, {})) for id_, name in named)


def answers(folder: Path, system: str) -> dict[str, Output]:
    lines = next(folder.rglob("samples.jsonl")).read_text().splitlines()
    return {line["id"]: msgspec.convert(line["outputs"][system], Output) for line in map(json.loads, lines)}


def metrics(result: crucible.RunResult) -> dict[str, Any]:
    assert result.failure is None
    return next(s.metrics for s in result.stages if s.stage == "backend_call")


def test_training_then_a_vote_of_the_trained_model_and_others_works_in_one_run(tmp_path: Path) -> None:
    trained = [{**row, "split": "train", "id": f"t-{row['id']}"} for row in rows()]
    held_out = [{**row, "split": "test"} for row in rows()]
    data = crucible.DatasetRef(
        name="four",
        provider="memory",
        split="test",
        options={"rows": [*trained, *held_out], "split_key": "split"},
    )
    config = EnsembleConfig(
        strategy="majority",
        normalizer="claims",
        early_stop="off",
        members=(
            BackendRef(id="extractive"),
            BackendRef(id="extractive", name="short", train=True, options={"epochs": 1}),
            BackendRef(id="lead", name="first"),
        ),
    )
    made = ensemble(
        config,
        call={"mode": "train_then_sample"},
        dataset=data,
        backend=BackendRef(id="extractive", options={"epochs": 3, "batch_size": 2}),
    )
    result = crucible.run(made, out=tmp_path)
    told = metrics(result)
    assert told["training"]["epochs"] == 3
    assert told["baseline_training"]["short"]["epochs"] == 1
    assert told["ensemble"]["questions"] == 4
    assert {name: each["asked"] for name, each in told["ensemble"]["members"].items()} == {
        "extractive": 4,
        "short": 4,
        "first": 4,
    }
    assert set(answers(tmp_path, "extractive")) == {"e1", "e2", "e3", "e4"}
    saved = [path.parent.name for path in tmp_path.rglob("epoch-1*")]
    assert len(saved) == len(set(saved))  # no system's checkpoints overwrite another's
    assert any(folder.endswith("short") for folder in saved)


def test_members_on_real_servers_are_raced_and_vote(tmp_path: Path) -> None:
    def slow_first(prompt: str, before: int) -> tuple[float, str]:
        return (30.0 if "chalk" in prompt and before == 0 else 0.0), "Yes."

    with (
        ModelServer(slow_first) as one,
        ModelServer(lambda *_: (0.0, "yes")) as two,
        ModelServer(lambda *_: (0.0, "No")) as three,
    ):
        servers = {"one": one, "two": two, "three": three}
        config = EnsembleConfig(
            strategy="majority",
            normalizer="boolean",
            early_stop="off",
            members=tuple(
                BackendRef(id="openai", name=name, options={"model": "m", "base_url": server.url})
                for name, server in servers.items()
            ),
        )
        hedging = HedgingConfig(strategy="fixed", delay_ms=400, budget_percent=100, control_percent=0)
        made = experiment(reliability=Reliability(ensemble=config, hedging=hedging))
        result = crucible.run(made, out=tmp_path)
        assert len(one.hung_up) == 1
    told = metrics(result)
    assert told["ensemble"]["disagreements"] == 4
    assert told["hedging"]["wins"] == 1
    assert told["systems"]["mock"]["prompt_tokens"] == 10 * (4 * 3 + 1)
    voted = answers(tmp_path, "mock")["e4"]
    assert voted.text == "Yes."
    assert voted.ballots is not None
    assert [member.text for member in voted.ballots.members] == ["Yes.", "yes", "No"]
    spans = read_trace(next(tmp_path.rglob("trace.json")))
    kinds = {span.id: span.kind for span in spans}
    hedge = next(span for span in spans if span.kind == "hedge")
    request = next(span for span in spans if span.id == hedge.parent_id)
    assert kinds[request.parent_id or 0] == "vote"
    report = next(tmp_path.rglob("report.html")).read_text()
    assert "hedging" in report
    assert "ensemble" in report


def test_confidence_comes_from_the_log_probabilities_of_a_real_server(tmp_path: Path) -> None:
    with (
        ModelServer(lambda *_: (0.0, "yes"), confidence=0.6) as one,
        ModelServer(lambda *_: (0.0, "no"), confidence=0.9) as two,
    ):
        config = EnsembleConfig(
            strategy="best_confidence",
            normalizer="boolean",
            members=tuple(
                BackendRef(
                    id="openai", name=name, options={"model": "m", "base_url": server.url, "logprobs": True}
                )
                for name, server in {"one": one, "two": two}.items()
            ),
        )
        crucible.run(ensemble(config), out=tmp_path)
    voted = answers(tmp_path, "mock")["e1"]
    assert voted.text == "no"
    assert voted.confidence == pytest.approx(0.9)


def test_cloning_at_the_end_leaves_slots_to_the_members_that_wait_for_one(tmp_path: Path) -> None:
    config = EnsembleConfig(
        strategy="majority",
        early_stop="off",
        members=members(
            ("mock", "a"), ("mock", "b"), ("lead", "c"), a={"latency_ms": 5}, b={"default": "no"}
        ),
    )
    hedging = HedgingConfig(
        strategy="fixed", delay_ms=1e6, budget_percent=100, options={"clone_at_end": True}
    )
    made = ensemble(config, call={"concurrency": 1})
    made = msgspec.structs.replace(made, reliability=Reliability(ensemble=config, hedging=hedging))
    assert metrics(crucible.run(made, out=tmp_path))["ensemble"]["early_stop"]["requests"] == 12


def longest(votes: Sequence[Vote]) -> Mapping[str, float]:
    return {vote.key: float(len(vote.text)) for vote in votes}


def first_word(answer: str) -> str:
    return answer.split(maxsplit=1)[0]


def test_strategy_and_normalizer_may_be_functions_of_ones_own(tmp_path: Path) -> None:
    config = EnsembleConfig(
        strategy="custom",
        normalizer=f"{__name__}:first_word",
        options={"function": f"{__name__}:longest"},
        members=members(("mock", "a"), ("mock", "b"), a={"default": "yes"}, b={"default": "perhaps so"}),
    )
    crucible.run(ensemble(config), out=tmp_path)
    voted = answers(tmp_path, "mock")["e1"]
    assert voted.text == "perhaps so"
    assert voted.ballots is not None
    assert voted.ballots.key == "perhaps"


TWO = members(("mock", "a"), ("lead", "b"))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"strategy": "weighted", "weights": (1.0,)},
            "reliability.ensemble.weights: expected one for each of the 2 members, got 1",
        ),
        (
            {"strategy": "weighted", "weights": (0.0, 0.0)},
            "reliability.ensemble.weights: expected at least one above 0",
        ),
        (
            {"weights": (1.0, 2.0)},
            "reliability.ensemble.weights: strategy 'majority' has no weights: expected strategy 'weighted'",
        ),
        (
            {"strategy": "custom"},
            "reliability.ensemble.options.function: missing; strategy 'custom' needs package.module:function",
        ),
        (
            {"strategy": "custom", "options": {"function": "nowhere:at_all"}},
            "reliability.ensemble.options.function: 'nowhere:at_all' cannot be imported: Mod",
        ),
        (
            {"normalizer": "txet"},
            "reliability.ensemble.normalizer: expected one of text, numeric, json, boolean, claims or ",
        ),
        (
            {"strategy": "unanimous", "normalizer": "claims"},
            "reliability.ensemble.normalizer: claims are voted by majority or weight",
        ),
        ({"quorum": 3}, "reliability.ensemble.quorum: expected at most the 2 members, got 3"),
        (
            {"strategy": "dawid_skene", "execution": "cascade"},
            "reliability.ensemble.execution: dawid_skene decides all questions together",
        ),
        (
            {"members": members(("mock", "a"), ("lead", "a"))},
            "reliability.ensemble.members[1].name: 'a' is already the name of reliability.",
        ),
        (
            {"members": members(("mock", "a"), ("mock", "b"))},
            "reliability.ensemble.members[1]: is the same as reliability.ensemble.members[0], and at ",
        ),
        (
            {"members": TWO[:1]},
            "reliability.ensemble.members: strategy 'majority' needs at least 2 members, got 1",
        ),
        (
            {"members": ()},
            "reliability.ensemble.members: strategy 'majority' needs at least 2 members, got 0",
        ),
        (
            {"members": (TWO[0], BackendRef(id="leed"))},
            "reliability.ensemble.members[1].id: unknown backend 'leed'; did you mean 'lead'?",
        ),
        (
            {"members": (TWO[0], BackendRef(id="lead", name="b", options={"temprature": 1}))},
            "reliability.ensemble.members[1].options.temprature: unknown key",
        ),
    ],
)
def test_a_mistake_in_the_ensemble_is_one_line(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        prepare(ensemble(EnsembleConfig(**{"strategy": "majority", "members": TWO, **config})))
    assert str(caught.value).startswith(said)
    assert len(caught.value.problems) == 1


def test_an_unknown_strategy_is_one_line_that_names_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps(
            {
                "id": "x",
                "dataset": {"name": "d", "provider": "memory", "options": {"rows": [{"prompt": "a"}]}},
                "backend": {"id": "mock"},
                "pipeline": [{"name": "data_load"}, {"name": "backend_call"}],
                "reliability": {
                    "ensemble": {"strategy": "majorty", "members": [{"id": "mock"}, {"id": "lead"}]}
                },
            }
        )
    )
    with pytest.raises(ExperimentError) as caught:
        crucible.load_experiment(path)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert "reliability.ensemble.strategy" in said
    assert "majority" in said


@pytest.mark.parametrize("execution", ["parallel", "sequential", "cascade", "hedged"])
@pytest.mark.parametrize("count", [0, 1])
def test_too_few_members_are_refused_however_they_would_be_asked(execution: Any, count: int) -> None:
    config = EnsembleConfig(strategy="majority", execution=execution, members=TWO[:count])
    with pytest.raises(ExperimentError, match=f"needs at least 2 members, got {count}"):
        prepare(ensemble(config))


def test_an_ensemble_is_not_trained_without_being_asked() -> None:
    config = EnsembleConfig(strategy="majority", members=TWO)
    made = ensemble(config, call={"mode": "train"}, backend=BackendRef(id="mock", options={"losses": [1.0]}))
    with pytest.raises(ExperimentError, match="mode 'train' asks nothing: expected mode 'train_then_sample'"):
        prepare(made)


def test_tiers_and_members_exclude_each_other() -> None:
    tiers = {"tiers": [{"name": "mock"}, {"name": "lead"}]}
    made = experiment(
        reliability=Reliability(
            ensemble=EnsembleConfig(strategy="majority", members=TWO),
            hedging=HedgingConfig(strategy="tiered", options=tiers),
        )
    )
    with pytest.raises(ExperimentError, match="with an ensemble use execution 'cascade'"):
        prepare(made)
