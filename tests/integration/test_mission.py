"""The mission's integration test: the whole pipeline, three ways in, and figures worked out by hand."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

import crucible
from crucible.actors.experiment import StagePlan
from crucible.actors.runtime import Actor, ActorRef
from crucible.actors.stage import Tally, Wiring
from crucible.adapters.tracing import read_trace
from crucible.composition import Services, build_stages, prepare
from crucible.messages.control import Artifact, RunStarted, StageCompleted
from crucible.messages.findings import Comparison, Metric
from crucible.messages.flow import Batch, EndOfStream, Sample, StageResult
from crucible.messages.report import Provenance, RunReport
from crucible.planning import open_dataset
from crucible.testing import TestKit

from .mission import ANSWERS, STAGES, experiment


def figure(stages: Sequence[StageResult], name: str, system: str = "mock") -> Metric:
    return next(f for s in stages for f in s.figures if (f.name, f.system) == (name, system))


def check_by_hand(stages: Sequence[StageResult]) -> None:
    """All nine stages completed, and the figures are those of the table in ``mission``."""
    assert [(s.stage, s.status) for s in stages] == [(name, "completed") for name in STAGES]
    for name, value, n in (
        ("sentence_f1", 2 / 3, 4),  # (1 + 2/3 + 1 + 0) / 4
        ("sentence_precision", 5 / 6, 3),  # (1 + 1/2 + 1) / 3: e4 selects nothing
        ("sentence_recall", 3 / 4, 4),
        ("relation_accuracy", 2 / 3, 3),
        ("citation_precision", 2 / 3, 3),
        ("citation_recall", 1 / 2, 4),
        ("citation_f1", 1 / 2, 4),
        ("citation_hallucination_rate", 1 / 3, 3),
        ("citation_abstained", 1 / 4, 4),
        ("schema_compliance", 3 / 4, 4),
        ("exact_match", 1 / 4, 4),
    ):
        metric = figure(stages, name)
        assert metric.value == pytest.approx(value), name
        assert metric.n == n, name
    assert figure(stages, "sentence_f1", "lead").value == 0
    assert figure(stages, "citation_f1", "lead").value == 1
    comparisons = {c.metric: c for s in stages for c in s.comparisons}
    check_sentence_f1(comparisons["sentence_f1"])
    # Differences 0, 0, -1, -1: both signs of the two that count are as extreme, 2 of 4.
    assert comparisons["citation_f1"].difference == pytest.approx(-0.5)
    assert p_value(comparisons["citation_f1"], "permutation") == pytest.approx(0.5)
    assert comparisons["schema_compliance"].difference == pytest.approx(-0.25)
    surrogates = next(s for s in stages if s.stage == "analysis_surrogate_validation").metrics["mock"]
    assert surrogates["beta1_mean"] == 0
    assert surrogates["n_snos"] == 4
    assert next(s for s in stages if s.stage == "guardrails").metrics["violations"] == 0


def check_sentence_f1(comparison: Comparison) -> None:
    """Differences 1, 2/3, 1, 0: mean 2/3, sd sqrt(2)/3, so d_z = sqrt(2); 2 of 8 sign patterns as extreme."""
    assert comparison.n == 4
    assert comparison.difference == pytest.approx(2 / 3)
    assert comparison.effect is not None
    assert comparison.effect.value == pytest.approx(2**0.5)
    assert p_value(comparison, "permutation") == pytest.approx(0.25)
    adjusted = next(test.p_adjusted for test in comparison.tests if test.name == "permutation")
    assert adjusted == pytest.approx(0.75)  # Holm over three comparisons
    assert comparison.verdict == "undecided"


def p_value(comparison: Comparison, test: str) -> float | None:
    return next(t.p_value for t in comparison.tests if t.name == test)


def check_files(folder: Path) -> None:
    """Report, samples and trace can be read back."""
    report = msgspec.json.decode((folder / "report.json").read_bytes(), type=RunReport)
    check_by_hand(report.stages)
    (writing,) = (stage for stage in report.stages if stage.stage == "report")
    assert (writing.received, writing.reason) == (
        len(ANSWERS),
        "still at work when this was written; its time is in run.json",
    )
    assert "report" not in {span.name for span in report.spans}
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [sample["id"] for sample in samples] == list(ANSWERS)
    assert "0.667" in (folder / "report.md").read_text()
    assert "<svg" in (folder / "report.html").read_text()
    spans = read_trace(folder / "trace.json")
    assert {span.name for span in spans if span.kind == "stage"} == set(STAGES)
    assert sum(span.kind == "request" for span in spans) == 8


def test_through_run(tmp_path: Path) -> None:
    result = crucible.run(experiment(), out=tmp_path)
    assert result.status == "completed"
    check_by_hand(result.stages)
    check_files(tmp_path / result.run_id)


async def test_through_an_embedded_supervisor(tmp_path: Path) -> None:
    async with crucible.Supervisor(out=tmp_path) as supervisor:
        run = await supervisor.submit(experiment())
        events = [event async for event in run.events()]
        result = await run.result()
    assert isinstance(events[0], RunStarted)
    assert {e.result.stage for e in events if isinstance(e, StageCompleted)} == set(STAGES)
    check_by_hand(result.stages)
    check_files(run.folder)


class Nowhere:
    """A report sink that keeps the report."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.report: RunReport | None = None

    def write_samples(self, samples: Sequence[Sample]) -> None:
        self.samples.extend(samples)

    def finish(self, report: RunReport) -> list[Artifact]:
        self.report = report
        return []

    def abandon(self) -> None:
        pass


async def test_through_the_test_kit_by_injected_messages(tmp_path: Path) -> None:
    prepared = prepare(experiment())
    dataset = open_dataset(prepared)
    seen: list[StageResult] = []

    def compose(results: Sequence[StageResult], _excerpts: object) -> RunReport:
        seen.extend(results)
        return _report(results)

    sink = Nowhere()
    services = Services(
        prepared=prepared, dataset=dataset, workdir=tmp_path, sink=sink, compose_report=compose
    )
    async with TestKit("system") as kit:
        supervisor = kit.probe("supervisor")
        downstream: ActorRef | None = None
        ids = itertools.count(100)
        for plan in reversed(build_stages(services)[1:]):
            wiring = Wiring(stage=plan.name, supervisor=supervisor.ref, downstream=downstream, ids=ids)
            downstream = kit.spawn(actor_of(plan, wiring), name=plan.name)
        assert downstream is not None
        samples = tuple(Sample(example=example) for example in dataset.read(0, 4))
        await downstream.tell(StageResult(stage="data_load", status="completed", received=4, emitted=4))
        await downstream.tell(Batch(index=0, samples=samples[:3]))
        await downstream.tell(Batch(index=1, samples=samples[3:]))
        await downstream.tell(EndOfStream(batches=2, samples=4))
        completed: list[str] = []
        while "report" not in completed:
            message = await supervisor.expect(object, timeout=30)
            if isinstance(message, StageCompleted):
                completed.append(message.result.stage)
    dataset.close()
    assert completed == list(STAGES[1:])
    assert [sample.example.id for sample in sink.samples] == list(ANSWERS)
    check_by_hand(seen)


def actor_of(plan: StagePlan, wiring: Wiring) -> Callable[[], Actor]:
    tally = Tally()
    return lambda: plan.build(wiring, tally)


def _report(results: Sequence[StageResult]) -> RunReport:
    return RunReport(
        run_id="r",
        status="completed",
        experiment=experiment(),
        started_at="",
        seconds=0.0,
        provenance=Provenance(seed=5, crucible="", python="", platform=""),
        stages=tuple(results),
    )


def test_the_same_seed_gives_the_same_figures(tmp_path: Path) -> None:
    quick = experiment(outputs=(crucible.OutputSpec(formats=("json",)),))
    first, second = (crucible.run(quick, out=tmp_path / name) for name in "ab")
    for one, other in zip(first.stages, second.stages, strict=True):
        assert (one.figures, one.comparisons) == (other.figures, other.comparisons)
