"""The dialectic in whole runs: real servers, bad replies, failures, money, cancellation, and the report."""

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
from crucible.messages.errors import ExperimentError, InputError
from crucible.messages.experiment import (
    BackendRef,
    CacheConfig,
    EnsembleConfig,
    HedgingConfig,
    LimitsConfig,
    Reliability,
    StageDef,
)
from crucible.messages.records import Dialectic, Output
from crucible.messages.report import RunReport

from .mission import ANSWERS, answer, experiment, rows, sentence
from .model_server import ModelServer
from .support import Workbench

ROWS = ("e1", "e2", "e3", "e4")
ANTAGONIST, SYNTHESIZER = "You are the antagonist.", "You are the synthesizer."
MALFORMED = "Sure! Here is my view: it is complicated.\n\x00 RELATION: nobody likes c1"


def row_of(prompt: str) -> str:
    return next(row for row in ROWS if sentence(row, 2) in prompt)


def agent_of(prompt: str) -> str:
    if prompt.startswith(ANTAGONIST):
        return "antagonist"
    return "synthesizer" if prompt.startswith(SYNTHESIZER) else "proposer"


def argues(prompt: str, _before: int = 0) -> tuple[float, str]:
    """A model that proposes the mission's answers, objects once and reconciles."""
    row, agent = row_of(prompt), agent_of(prompt)
    if agent == "proposer":
        return 0.0, answer(row, (2, "supports"))
    if agent == "antagonist":
        return (
            0.0,
            f"CHALLENGE[k1] evidence_gap high: What of the sentence before?\n{answer(row, (1, 'supports'))}",
        )
    said = answer(row, (2, "supports"), (1, "refutes")).replace("changes.", "changes, in nine weeks.")
    return 0.0, f"{said}\nRESOLVED: k1 accepted\nCONFIDENCE: 0.7"


LEAN = ("data_load", "guardrails", "backend_call", "analysis_metrics", "report")
QUICK = (crucible.OutputSpec(formats=("json", "markdown")),)


def argued(
    url: str,
    options: dict[str, Any] | None = None,
    call: dict[str, Any] | None = None,
    *,
    whole: bool = False,
    **fields: Any,
) -> crucible.Experiment:
    """A run with few stages and no plots, unless it is to be ``whole``."""
    fields = fields if whole else {"outputs": QUICK, **fields}
    made = experiment(
        **{
            "backend": BackendRef(id="openai", name="model", options={"model": "m", "base_url": url}),
            **fields,
        }
    )
    stages = [stage for stage in made.pipeline if whole or stage.name in LEAN]
    at = next(n for n, stage in enumerate(stages) if stage.name == "backend_call")
    stages[at] = StageDef(name="backend_call", options={"backoff_s": 0.0, **(call or {})})
    own = {"max_rounds": 1, "target": 1.0, "confidence": 1.0, **(options or {})}
    stages.insert(at + 1, StageDef(name="dialectic", options=own))
    return msgspec.structs.replace(made, pipeline=tuple(stages))


def outputs(folder: Path, system: str = "model") -> dict[str, Output]:
    lines = next(folder.rglob("samples.jsonl")).read_text().splitlines()
    return {line["id"]: msgspec.convert(line["outputs"][system], Output) for line in map(json.loads, lines)}


def record(output: Output) -> Dialectic:
    assert output.dialectic is not None
    return output.dialectic


def agents(result: crucible.RunResult) -> dict[str, Any]:
    assert result.failure is None
    found: dict[str, Any] = result.stage("backend_call").metrics["dialectic"]
    return found


def test_three_agents_on_a_real_server_argue_and_their_synthesis_is_measured(tmp_path: Path) -> None:
    with ModelServer(argues) as server:
        result = crucible.run(argued(server.url, whole=True), out=tmp_path)
        asked = [agent_of(prompt) for prompt in server.asked]
    assert result.failure is None
    assert sorted(asked) == ["antagonist"] * 4 + ["proposer"] * 4 + ["synthesizer"] * 4
    found = outputs(tmp_path)
    assert set(found) == set(ROWS)
    one = found["e1"]
    assert one.text == answer("e1", (2, "supports"), (1, "refutes")).replace(
        "changes.", "changes, in nine weeks."
    )
    assert (one.backend, one.confidence) == ("openai", 0.7)
    assert (one.usage.prompt_tokens, one.usage.completion_tokens) == (30, 15)
    argument = record(one)
    assert [step.agent for step in (*argument.steps, *argument.rounds[0].steps)] == [
        "proposer", "antagonist", "synthesizer",
    ]  # fmt: skip
    assert [(c.type, c.resolution) for c in argument.rounds[0].challenges] == [("evidence_gap", "accepted")]
    assert argument.reason == "max_rounds"
    told = agents(result)
    assert {name: each["fallbacks"] for name, each in told.items()} == dict.fromkeys(told, 0)
    assert told["antagonist"]["requests"]["asked"] == 4
    stage = result.stage("dialectic")
    assert stage.metrics["reasons"] == {"max_rounds": 4}
    assert stage.metrics["challenges"] == {"evidence_gap": 4}
    scores = {metric.name: metric for metric in stage.figures}
    assert scores["critic_score_thesis"].n == 4
    metrics = {m.name: m.value for m in result.stage("analysis_metrics").figures if m.system == "model"}
    assert metrics["sentence_f1"] == pytest.approx(2 / 3)  # the rival sentence is no gold evidence
    assert metrics["schema_compliance"] == 1.0


def test_the_trace_shows_each_argument_with_its_requests_and_why_it_ended(tmp_path: Path) -> None:
    with ModelServer(argues) as server:
        crucible.run(argued(server.url), out=tmp_path)
    spans = read_trace(next(tmp_path.rglob("trace.json")))
    arguments = [span for span in spans if span.kind == "dialectic"]
    assert sorted(span.attributes["example"] for span in arguments) == list(ROWS)
    for argument in arguments:
        requests = [span for span in spans if span.parent_id == argument.id]
        assert [span.name for span in requests] == ["model", "model antagonist", "model synthesizer"]
        (ended,) = argument.decisions
        assert (ended.kind, ended.chosen) == ("convergence", "max_rounds")


def test_replies_of_no_use_are_counted_and_rules_stand_in_for_them(tmp_path: Path) -> None:
    def mumbles(prompt: str, _before: int) -> tuple[float, str]:
        return (0.0, MALFORMED) if agent_of(prompt) != "proposer" else argues(prompt)

    with ModelServer(mumbles) as server:
        made = argued(server.url, {"min_chirality": 0.0})
        result = crucible.run(made, out=tmp_path)
    told = agents(result)
    assert [told[name]["fallbacks"] for name in ("proposer", "antagonist", "synthesizer")] == [0, 4, 4]
    assert told["antagonist"]["with_unread_lines"] == 4
    for output in outputs(tmp_path).values():
        steps = record(output).rounds[0].steps
        assert [step.method for step in steps] == ["heuristic", "heuristic"]
        assert steps[0].output is not None
        assert steps[0].output.text == MALFORMED
    reason = result.stage("backend_call").reason
    assert reason is not None
    assert reason.startswith("rules stood in for the antagonist in 4 of 4 steps; the first: the reply holds")
    report = next(tmp_path.rglob("report.md")).read_text()
    assert (
        "Rules stood in for a model that failed or said nothing of use: antagonist 4, synthesizer 4" in report
    )


@pytest.mark.parametrize("agent", ["antagonist", "synthesizer"])
def test_a_server_that_fails_for_one_agent_costs_no_row(tmp_path: Path, agent: str) -> None:
    with ModelServer(argues, refuses=lambda prompt: agent_of(prompt) == agent) as server:
        result = crucible.run(argued(server.url, {"min_chirality": 0.0}), out=tmp_path)
    told = agents(result)
    assert {name for name, each in told.items() if each["fallbacks"]} == {agent}
    assert told[agent]["requests"]["failed"] == 4
    for output in outputs(tmp_path).values():
        assert output.error is None
        (step,) = (step for step in record(output).rounds[0].steps if step.agent == agent)
        assert step.method == "heuristic"
        assert step.fallback is not None
        assert "not this one" in step.fallback


def test_a_server_that_fails_for_the_proposer_fails_the_run_and_no_rule_answers_instead(
    tmp_path: Path,
) -> None:
    with ModelServer(argues, refuses=lambda prompt: agent_of(prompt) == "proposer") as server:
        result = crucible.run(argued(server.url), out=tmp_path, check=False)
        assert {agent_of(prompt) for prompt in server.asked} == {"proposer"}
    assert result.status == "failed"
    assert "model: " in (result.failure or "")
    assert "not this one" in (result.failure or "")


async def test_a_run_cancelled_in_mid_round_hangs_up_and_closes_every_span(tmp_path: Path) -> None:
    def stuck(prompt: str, _before: int) -> tuple[float, str]:
        return (60.0, "") if agent_of(prompt) == "antagonist" else argues(prompt)

    async def until(condition: Callable[[], bool]) -> None:
        """The server is in another thread."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    with ModelServer(stuck) as server:
        async with crucible.Supervisor(out=tmp_path) as supervisor:
            run = await supervisor.submit(argued(server.url))
            await until(lambda: sum(agent_of(prompt) == "antagonist" for prompt in server.asked) == 4)
            async with asyncio.timeout(20):
                result = await run.cancel("enough")
        await until(lambda: len(server.hung_up) == 4)
    assert (result.status, result.failure) == ("cancelled", "enough")
    spans = read_trace(next(tmp_path.rglob("trace.json")))
    arguments = {span.id: span for span in spans if span.kind == "dialectic"}
    assert [span.status for span in arguments.values()] == ["cancelled"] * 4
    ends = [span for span in spans if span.parent_id in arguments and span.name == "model antagonist"]
    assert [span.status for span in ends] == ["cancelled"] * 4


PRICES = {"price_per_million_input_usd": 100.0, "price_per_million_output_usd": 1000.0}
PAID = 10 * 100e-6 + 5 * 1000e-6


def test_money_that_runs_out_in_mid_round_leaves_the_row_out_and_whole_rows_go_on(tmp_path: Path) -> None:
    many = [{**row, "id": f"{row['id']}-{n}"} for n in range(4) for row in rows()]
    data = crucible.DatasetRef(name="sixteen", provider="memory", split="all", options={"rows": many})
    budget = 0.25
    with ModelServer(argues) as server:
        model = BackendRef(
            id="openai", name="model", options={"model": "m", "base_url": server.url, **PRICES}
        )
        made = argued(
            server.url,
            call={"concurrency": 1, "max_tokens": 8},
            backend=model,
            baselines=(),
            dataset=data,
            reliability=Reliability(limits=LimitsConfig(max_cost_usd=budget)),
        )
        result = crucible.run(made, out=tmp_path)
        asked = len(server.asked)
    assert result.stopped is not None
    assert result.failure is None
    found = outputs(tmp_path)
    assert 1 <= len(found) < 16
    assert asked * PAID <= budget
    assert all(len(record(output).rounds) == 1 for output in found.values())
    told = result.stage("backend_call").metrics
    assert asked % 3  # it ran out between two agents, and that row is no answer
    assert told["left_out"] == 1
    assert told["not_asked"] + told["left_out"] + len(found) == 16


def test_the_cache_answers_a_second_run_which_says_the_same(tmp_path: Path) -> None:
    cached = Reliability(cache=CacheConfig(folder=str(tmp_path / "cache")))
    with ModelServer(argues) as server:
        made = argued(server.url, reliability=cached, baselines=())
        crucible.run(made, out=tmp_path / "first")
        before = len(server.asked)
        result = crucible.run(made, out=tmp_path / "second")
        assert len(server.asked) == before == 12
    first, second = outputs(tmp_path / "first"), outputs(tmp_path / "second")
    assert [each.text for each in first.values()] == [each.text for each in second.values()]
    assert result.stage("backend_call").metrics["cache"]["hits"] == 12
    assert all(each.cached is not None and each.usage.prompt_tokens == 0 for each in second.values())


def test_the_requests_of_every_agent_are_raced(tmp_path: Path) -> None:
    def slow_first(prompt: str, before: int) -> tuple[float, str]:
        return (60.0 if before == 0 and row_of(prompt) == "e4" else 0.0), argues(prompt)[1]

    with ModelServer(slow_first) as server:
        hedging = HedgingConfig(strategy="fixed", delay_ms=50, budget_percent=100, control_percent=0)
        made = argued(server.url, reliability=Reliability(hedging=hedging), baselines=())
        result = crucible.run(made, out=tmp_path)
        slow = {agent_of(prompt) for prompt in server.asked if server.asked.count(prompt) > 1}
    assert slow == {"proposer", "antagonist", "synthesizer"}
    assert result.stage("backend_call").metrics["hedging"]["wins"] >= 3
    assert record(outputs(tmp_path)["e4"]).reason == "max_rounds"


OFFLINE: dict[str, Any] = {"backend": BackendRef(id="lead", name="model"), "baselines": ()}


def test_offline_the_thesis_is_the_backends_and_the_others_go_by_rules(tmp_path: Path) -> None:
    result = crucible.run(argued("", {"min_chirality": 0.0}, **OFFLINE), out=tmp_path)
    told = agents(result)
    assert told["proposer"]["requests"]["asked"] == 4
    assert [told[name]["by_rules"] for name in ("antagonist", "synthesizer")] == [4, 4]
    assert all("requests" not in told[name] for name in ("antagonist", "synthesizer"))
    report = next(tmp_path.rglob("report.md")).read_text()
    assert "The antagonist and the synthesizer went by rules (heuristic); no model was asked." in report


def test_all_agents_may_go_by_rules_and_then_nobody_is_asked(tmp_path: Path) -> None:
    made = argued("http://127.0.0.1:9/v1", {
        "proposer": "heuristic", "antagonist": "heuristic", "synthesizer": "heuristic",
    })  # fmt: skip
    result = crucible.run(made, out=tmp_path)
    assert result.failure is None
    found = outputs(tmp_path)
    assert {output.backend for output in found.values()} == {"heuristic"}
    assert all(output.text.startswith("CLAIM[c1]: Title e") for output in found.values())
    told = agents(result)
    assert all("requests" not in each for each in told.values())


def test_the_thesis_may_be_measured_as_a_baseline_without_being_asked_for_again(tmp_path: Path) -> None:
    with ModelServer(argues) as server:
        made = argued(server.url, {"thesis_as": "alone"}, whole=True, outputs=QUICK)
        result = crucible.run(made, out=tmp_path)
        assert len(server.asked) == 12
    assert result.failure is None
    alone = outputs(tmp_path, "alone")
    assert {row: each.text for row, each in alone.items()} == {
        row: answer(row, (2, "supports")) for row in ROWS
    }
    assert all(each.dialectic is None for each in alone.values())
    assert result.stage("backend_call").metrics["systems"]["alone"]["asked"] == 4
    compared = {(c.metric, c.baseline) for c in result.stage("bench").comparisons}
    assert {("sentence_f1", "alone"), ("sentence_f1", "lead")} <= compared
    figures = {m.name: m.value for m in result.stage("analysis_metrics").figures if m.system == "alone"}
    assert figures["sentence_f1"] == 1.0


def test_the_rules_own_thesis_may_be_measured_too(tmp_path: Path) -> None:
    own = dict.fromkeys(("proposer", "antagonist", "synthesizer"), "heuristic")
    made = argued("", {**own, "thesis_as": "alone", "min_chirality": 0.0}, **OFFLINE)
    crucible.run(made, out=tmp_path)
    alone = outputs(tmp_path, "alone")
    assert all(each.text.startswith("CLAIM[c1]: Title e") for each in alone.values())
    assert all((each.backend, each.attempts) == ("heuristic", 0) for each in alone.values())


def test_the_same_seed_gives_the_same_arguments(tmp_path: Path) -> None:
    made = argued("", {"min_chirality": 0.0, "max_rounds": 3}, **OFFLINE)
    for name in ("one", "two"):
        crucible.run(made, out=tmp_path / name)

    def plain(folder: Path) -> list[Any]:
        bare = [msgspec.to_builtins(each) for each in outputs(folder).values()]
        return json.loads(json.dumps(bare), object_hook=without_times)  # type: ignore[no-any-return]

    assert plain(tmp_path / "one") == plain(tmp_path / "two")


def without_times(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if not key.endswith("_s")}


def test_samples_and_report_hold_the_arguments_and_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> \u202e | **x** `y`"

    def rude(prompt: str, _before: int) -> tuple[float, str]:
        if agent_of(prompt) != "antagonist":
            return argues(prompt)
        return 0.0, f"CHALLENGE[k1] scope high: {hostile}\nCLAIM[c1]: {hostile}"

    with ModelServer(rude) as server:
        crucible.run(argued(server.url, whole=True), out=tmp_path)
    folder = next(tmp_path.iterdir())
    argument = record(outputs(tmp_path)["e1"])
    assert argument.rounds[0].challenges[0].description == hostile
    page = (folder / "report.html").read_text()
    assert '<section id="dialectic"' in page
    assert "<script" not in page
    assert "\u202e" not in page
    assert "alert(1)" in page
    report = msgspec.json.decode((folder / "report.json").read_bytes(), type=RunReport)
    shown = next(stage.metrics["shown"] for stage in report.stages if stage.stage == "dialectic")
    assert [each["example_id"] for each in shown] == ["e1", "e2", "e3"]


def test_personal_data_is_redacted_in_the_argument_as_in_the_answer(tmp_path: Path) -> None:
    mail = "jane.roe@example.org"

    def tells(prompt: str, _before: int) -> tuple[float, str]:
        wait, said = argues(prompt)
        return wait, said.replace("What of the", f"Ask {mail} about the").replace(
            "nine weeks.", f"weeks {mail}."
        )

    with ModelServer(tells) as server:
        made = argued(server.url)
        stages = tuple(
            StageDef(name=s.name, options={"redact": "placeholder"}) if s.name == "guardrails" else s
            for s in made.pipeline
        )
        crucible.run(msgspec.structs.replace(made, pipeline=stages), out=tmp_path)
    folder = next(tmp_path.iterdir())
    assert "[EMAIL]" in outputs(tmp_path)["e1"].text
    assert "[EMAIL]" in record(outputs(tmp_path)["e1"]).rounds[0].challenges[0].description
    assert all(mail not in path.read_text() for path in folder.glob("*.*") if path.is_file())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_rounds": 0}, "pipeline[3].options.max_rounds: expected int >= 1 and <= 20, got 0"),
        ({"target": 1.5}, "pipeline[3].options.target: expected float >= 0 and <= 1, got 1.5"),
        ({"min_rounds": 3, "max_rounds": 2},
         "pipeline[3].options.min_rounds: expected at most max_rounds = 2, got 3"),
        ({"antagonist": "nobody"}, "pipeline[3].options.antagonist: expected one of "),
        ({"proposer": "auto"}, "pipeline[3].options.proposer: expected one of "),
        ({"entailment": "nil"}, "pipeline[3].options.entailment: expected one of "),
        ({"critics": "poetic"}, "pipeline[3].options.critics: expected one of "),
        ({"thesis_as": "model"}, "pipeline[3].options.thesis_as: 'model' is already the name of "),
        ({"thesis_as": "a\nb"}, "pipeline[3].options.thesis_as: expected one line of printable characters"),
        ({"epsilom": 0.1}, "pipeline[3].options.epsilom: unknown key; did you mean 'epsilon'?"),
        ({"antagonist": "model"},
         "pipeline[3].options.antagonist: backend 'lead' follows no instructions: expected 'auto' or 'heur"),
    ],
)  # fmt: skip
def test_an_option_that_is_wrong_is_one_line_with_its_path(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        prepare(argued("", options, **OFFLINE))
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(said)


def test_what_a_dialectic_does_not_go_with_is_one_line(tmp_path: Path) -> None:
    two = (BackendRef(id="mock", name="a"), BackendRef(id="lead", name="b"))
    voted = Reliability(ensemble=EnsembleConfig(strategy="majority", members=two))
    told = {
        "an ensemble and a dialectic would both answer": argued("", reliability=voted, **OFFLINE),
        "mode 'train' asks nothing: expected mode 'train_then_sample'": argued(
            "", call={"mode": "train"}, backend=BackendRef(id="extractive"), baselines=()
        ),
    }
    alone = argued("", **OFFLINE)
    stages = tuple(s for s in alone.pipeline if s.name not in ("backend_call", "bench"))
    told["expected an enabled stage backend_call before it"] = msgspec.structs.replace(alone, pipeline=stages)
    moved = [s for s in alone.pipeline if s.name != "dialectic"]
    moved.insert(1, StageDef(name="dialectic"))
    told["dialectic must come after backend_call"] = msgspec.structs.replace(alone, pipeline=tuple(moved))
    for said, made in told.items():
        with pytest.raises(ExperimentError) as caught:
            prepare(made)
        assert len(caught.value.problems) == 1
        assert said in str(caught.value)


def test_a_model_of_entailment_that_is_not_there_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    made = argued("", {"entailment": "nli", "entailment_model": str(tmp_path / "nowhere")}, **OFFLINE)
    with pytest.raises(InputError, match=r"^pipeline\.dialectic\.options\.entailment") as caught:
        crucible.run(made, out=tmp_path / "runs")
    assert len(str(caught.value).splitlines()) == 1


def test_the_stage_prints_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Workbench(tmp_path, capsys).crucible("stages", "dialectic")
    assert ran.code == 0
    assert ran.out.startswith("dialectic: Has the model's answers argued over")
    assert "max_rounds  (" in ran.out


def test_a_row_without_any_claim_is_an_answer_that_was_not_argued_over(tmp_path: Path) -> None:
    data = crucible.DatasetRef(
        name="none", provider="memory", split="all", options={"rows": [{"id": "q", "prompt": "?!"}]}
    )
    with ModelServer(lambda *_: (0.0, "I do not know.")) as server:
        made = argued(server.url, dataset=data, baselines=())
        names = ("data_load", "backend_call", "dialectic", "report")
        stages = tuple(stage for stage in made.pipeline if stage.name in names)
        result = crucible.run(msgspec.structs.replace(made, pipeline=stages), out=tmp_path)
    assert result.failure is None
    output = outputs(tmp_path)["q"]
    assert (output.text, output.dialectic, output.error) == ("I do not know.", None, None)
    stage = result.stage("dialectic")
    assert (stage.status, stage.reason) == ("skipped", "nothing was argued over: no answer holds a claim")


def test_the_missions_own_answers_may_be_argued_over_by_a_scripted_backend(tmp_path: Path) -> None:
    replies = [
        {"contains": ANTAGONIST, "text": "NO CHALLENGE"},
        *({"example_id": row, "text": text} for row, text in ANSWERS.items()),
    ]
    made = argued("", backend=BackendRef(id="mock", name="model", options={"replies": replies}))
    crucible.run(made, out=tmp_path)
    found = outputs(tmp_path)
    assert {row: found[row].text for row in ("e1", "e2")} == {row: ANSWERS[row] for row in ("e1", "e2")}
    assert record(found["e4"]).steps[0].fallback == "the answer has no claim"
