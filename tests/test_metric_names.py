"""A metric that is named and will not be there is refused before the run, where that can be known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from crucible import registry
from crucible.adapters.analysis.cns_metrics import CnsMetrics, CnsMetricsOptions
from crucible.adapters.cli.app import invoke
from crucible.composition import prepare
from crucible.messages.errors import ExperimentError
from crucible.messages.experiment import Experiment
from crucible.messages.findings import OutputScores
from crucible.messages.flow import Sample
from crucible.messages.records import Example, Output
from crucible.metric_names import ANSWER_SCORES

ROWS = [{"prompt": f"p{n}", "completion": "gold"} for n in range(4)]


class Silent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No options."""


class Theirs:
    """A metrics adapter of somebody else's that does not tell its scores."""

    Options: ClassVar[type[msgspec.Struct]] = Silent
    directions: ClassVar[Mapping[str, str]] = {}
    unbounded: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, options: Silent) -> None:
        del options

    def score(self, sample: Sample, output: Output) -> OutputScores:
        value = float(len(output.text) % 3 == len(sample.example.id) % 3)
        return OutputScores(system=output.system, scores={"glow": value}, methods={"glow": "length"})

    def summarize(self, _columns: Any) -> dict[str, Any]:
        return {}


class Telling(Theirs):
    """One that does."""

    @staticmethod
    def score_names(_options: Silent) -> tuple[str, ...]:
        return ("glow",)


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry._BUILT_IN["metrics adapter"]
    for kind in (Theirs, Telling):
        monkeypatch.setitem(known, kind.__name__.lower(), f"{__name__}:{kind.__name__}")


def content(*analysis: str, **options: Any) -> dict[str, Any]:
    adapter = [{"name": "analysis_metrics", "options": {"adapter": name}} for name in analysis]
    after = [{"name": name, "options": options.get(name, {})} for name in ("fairness", "bench", "report")]
    return {
        "id": "small",
        "dataset": {"name": "d", "provider": "memory", "split": "all", "options": {"rows": ROWS}},
        "backend": {"id": "mock"},
        "baselines": [{"id": "mock", "name": "other"}],
        "pipeline": [{"name": "data_load"}, {"name": "backend_call"}, *adapter, *after],
        "reliability": {"fairness": {"enabled": True, "group_by": "g"}, "stats": {"iterations": 100}},
        "outputs": [{"formats": ["json"]}],
    }


def problems(*analysis: str, **options: Any) -> list[str]:
    try:
        prepare(msgspec.convert(content(*analysis, **options), Experiment))
    except ExperimentError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_slip_in_a_metric_of_bench_is_refused_with_what_was_meant() -> None:
    assert problems(bench={"metrics": ["exact_match", "exact_mach"]}) == [
        "pipeline[3].options.metrics[1]: no such metric: 'exact_mach'; did you mean 'exact_match'?"
    ]


def test_so_is_one_in_what_is_watched_assessed_and_ranked_by() -> None:
    wrong = {
        "bench": {"watch": ["tokn_f1"]},
        "fairness": {"outcome": "exat_match"},
        "report": {"rank_by": "x"},
    }
    assert [told.partition(": ")[0] for told in problems("cns", **wrong)] == [
        "pipeline[4].options.watch[0]",
        "pipeline[3].options.outcome",
        "pipeline[5].options.rank_by",
    ]


def test_an_outcome_that_is_not_a_score_needs_none() -> None:
    assert problems(fairness={"outcome": "nothing", "positive": "yes"}) == []


@pytest.mark.parametrize("name", ANSWER_SCORES)
def test_the_scores_of_bench_are_always_there(name: str) -> None:
    assert problems(bench={"metrics": [name], "watch": [name]}, report={"rank_by": name}) == []


def test_claim_metrics_are_there_with_their_stage_only() -> None:
    assert problems("cns", bench={"metrics": ["sentence_f1"]}) == []
    (told,) = problems(bench={"metrics": ["sentence_f1"]})
    assert told.endswith(
        f"no such metric: 'sentence_f1'; this experiment has {', '.join(sorted(ANSWER_SCORES))}"
    )
    (told,) = problems("none", bench={"metrics": ["sentence_f1"]})
    assert "no such metric" in told


def test_a_watched_metric_must_lie_between_0_and_1() -> None:
    assert problems("cns", bench={"watch": ["beta1"]}) == [
        "pipeline[4].options.watch[0]: beta1 may lie outside [0, 1]; expected metrics that do not"
    ]


def test_an_adapter_may_tell_its_scores_and_one_that_does_not_is_trusted() -> None:
    assert problems("telling", bench={"metrics": ["glow"]}) == []
    (told,) = problems("telling", bench={"metrics": ["glwo"]})
    assert "did you mean 'glow'?" in told
    assert problems("theirs", bench={"metrics": ["glwo"]}) == []


def test_what_a_stage_of_a_plugin_adds_cannot_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: at for name, at in registry._BUILT_IN["stage"].items() if name != "fairness"}
    entry = type("Entry", (), {"load": lambda _self: registry.load("stage", "validate")})()
    monkeypatch.setitem(registry._BUILT_IN, "stage", known)
    monkeypatch.setattr(registry, "_plugins", lambda kind: {"fairness": entry} if kind == "stage" else {})
    made = content(bench={"metrics": ["glow"]})
    made["reliability"] = {}
    prepare(msgspec.convert(made, Experiment))


@pytest.mark.parametrize("critics", [False, True])
def test_the_claim_metrics_tell_exactly_the_scores_that_they_give(*, critics: bool) -> None:
    options = CnsMetricsOptions(critics=critics)
    example = Example(id="r1", input="Passage:\nDocument 7: Cats sleep.", reference="CLAIM[c1]: Cats sleep.")
    output = Output(example_id="r1", system="m", backend="mock", text="CLAIM[c1] (Document 7): Cats sleep.")
    scored = CnsMetrics(options).score(Sample(example=example, outputs=(output,)), output)
    assert sorted(scored.scores) == sorted(CnsMetrics.score_names(options))


def test_a_run_without_any_metric_that_it_names_fails_and_leaves_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = content("theirs", bench={"metrics": ["glwo"]})
    made["pipeline"] = [stage for stage in made["pipeline"] if stage["name"] != "fairness"]
    made["reliability"].pop("fairness")
    Path("e.json").write_text(json.dumps(made))
    assert invoke(["validate", "e.json"]) == 0
    assert invoke(["run", "e.json"]) == 1
    told = "bench: nothing was compared; no such metric: 'glwo'; did you mean 'glow'?"
    assert f"run failed: {told}" in capsys.readouterr().err
    (report,) = Path("runs").glob("*/report.json")
    written = json.loads(report.read_text())
    assert (written["status"], written["failure"]) == ("failed", told)
    run = json.loads((report.parent / "run.json").read_text())
    assert [(stage["stage"], stage["status"]) for stage in run["stages"]][-2:] == [
        ("bench", "failed"),
        ("report", "completed"),
    ]
