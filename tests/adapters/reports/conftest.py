import math
import random
from collections.abc import Callable
from functools import cache

import pytest

from crucible.adapters.statistics import PairedStatistics
from crucible.messages.experiment import BackendRef, Experiment, StageDef, StatsConfig
from crucible.messages.findings import (
    Bar,
    Comparison,
    Distribution,
    Issue,
    Metric,
    OutputScores,
    PersistenceResult,
)
from crucible.messages.flow import LossPoint, Sample, StageResult
from crucible.messages.records import CheckpointRef, Example, Output, Usage
from crucible.messages.report import DatasetFacts, Excerpt, Provenance, RunReport
from crucible.messages.trace import Span

STATS = StatsConfig(iterations=500)
METRICS = {"schema_valid": 0.2, "citation_valid": 0.15, "claim_f1": 0.01, "relation_f1": -0.12}


def make_sample(number: int, text: str = "CLAIM[c1]: water boils") -> Sample:
    """A sample answered by the model and by one baseline."""
    example = Example(id=f"row-{number}", input=f"Passage {number}", reference="CLAIM[c1]: water boils")
    outputs = (
        Output(example_id=example.id, system="tuned", backend="extractive", text=text, latency_s=0.5,
               usage=Usage(prompt_tokens=12, completion_tokens=5), cost_usd=0.001, attempts=2),
        Output(example_id=example.id, system="lead", backend="lead", error="timed out"),
    )  # fmt: skip
    scores = (OutputScores(system="tuned", scores={"claim_f1": 0.75, "relation_f1": None}),)
    return Sample(example=example, outputs=outputs, scores=scores)


@cache
def _measure() -> tuple[list[Metric], list[Comparison], list[Distribution]]:
    """Figures of 120 invented examples, made by the real statistics."""
    statistics, draw = PairedStatistics(), random.Random(5)
    figures, comparisons, distributions = [], [], []
    for name, shift in METRICS.items():
        base = [min(1.0, max(0.0, draw.gauss(0.55, 0.2))) for _ in range(120)]
        model = [min(1.0, max(0.0, value + draw.gauss(shift, 0.12))) for value in base]
        if name == "schema_valid":
            base, model = [float(v > 0.5) for v in base], [float(v > 0.45) for v in model]
        model[7] = math.nan
        for system, column in (("tuned", model), ("lead", base)):
            metric = statistics.summarize(name, column, clusters=None, method="lexical", config=STATS, seed=1)
            figures.append(
                Metric(name=name, value=metric.value, n=metric.n, method="lexical", system=system,
                       interval=metric.interval, reason=metric.reason)
            )  # fmt: skip
            counts = [sum(1 for v in column if i / 10 <= v < (i + 1) / 10 + (i == 9)) for i in range(10)]
            edges = tuple(i / 10 for i in range(11))
            missing = sum(math.isnan(v) for v in column)
            distributions.append(
                Distribution(
                    metric=name, system=system, edges=edges, counts=tuple(counts), n_undefined=missing
                )
            )
        comparisons.append(
            statistics.compare(
                name, model, base, names=("tuned", "lead"), clusters=None, config=STATS, seed=1
            )
        )
    return figures, statistics.correct(comparisons, STATS), distributions


def _losses() -> tuple[LossPoint, ...]:
    draw = random.Random(3)
    train = [
        LossPoint(
            step=s, epoch=s / 20, loss=0.7 * math.exp(-s / 40) + 0.2 + draw.gauss(0, 0.03), split="train"
        )
        for s in range(1, 101)
    ]
    held_out = [
        LossPoint(step=20 * e, epoch=float(e), loss=0.65 * math.exp(-e / 1.8) + 0.28, split="validation")
        for e in range(6)
    ]
    return (*train, *held_out)


def _persistence(system: str) -> PersistenceResult:
    draw = random.Random(len(system))
    bars = [Bar(dimension=0, birth=0.0, death=draw.uniform(0.05, 0.5)) for _ in range(30)]
    bars.append(Bar(dimension=0, birth=0.0, death=None))
    for _ in range(8):
        birth = draw.uniform(0.2, 0.5)
        bars.append(Bar(dimension=1, birth=birth, death=birth + draw.uniform(0.01, 0.3)))
    return PersistenceResult(
        system=system, sno_id="all", status="ok", n_points=31, method="Rips, cosine", betti={"0": 1, "1": 2},
        bars=tuple(bars), total_persistence={"0": 8.1, "1": 1.02}, max_persistence={"0": 0.49, "1": 0.28},
        entropy={"0": 3.2, "1": 1.9}, notes="threshold: enclosing radius",
        significant={"0": 1, "1": 2}, critical={"0": 0.45, "1": 1.5}, significance="H0: band; H1: null",
    )  # fmt: skip


def make_report(text: str = "CLAIM[c1]: water boils") -> RunReport:
    """A report with something in every section; ``text`` is what the model answered."""
    figures, comparisons, distributions = _measure()
    experiment = Experiment(
        id="claims-demo",
        backend=BackendRef(id="extractive", name="tuned"),
        baselines=(BackendRef(id="lead"),),
        pipeline=(StageDef(name="data_load"), StageDef(name="report")),
    )
    names = ("data_load", "data_checks", "guardrails", "backend_call", "analysis_metrics", "bench")
    spans = tuple(
        Span(id=i + 1, name=name, kind="stage", start_s=0.1 * i, end_s=1.0 + 0.7 * i, lane=name, parent_id=0)
        for i, name in enumerate(names)
    )
    extra: dict[str, StageResult] = {
        "data_checks": StageResult(
            stage="data_checks", status="completed", received=120, emitted=118, seconds=1.6, busy_seconds=0.2,
            metrics={"quarantined": 2, "issues": 1204,
                     "profile": {"input_length": {"mean": 812.25, "max": 2301}}},
            issues=(Issue(expectation="unique_ids", field="id", problem="id row-3 was seen before",
                          example_id="row-3", source="claims.jsonl", line=9),),
        ),
        "guardrails": StageResult(stage="guardrails", status="completed", received=118, emitted=118,
                                  seconds=2.2, busy_seconds=0.4,
                                  metrics={"inputs_flagged": 3, "outputs_flagged": 0}),
        "backend_call": StageResult(
            stage="backend_call", status="completed", received=118, emitted=118, seconds=2.8,
            busy_seconds=2.5,
            losses=_losses(), metrics={"requests": 236, "cost_usd": 0.118},
            checkpoints=(CheckpointRef(name="best", uri="checkpoints/best", step=100, epoch=5, loss=0.32),),
        ),
        "analysis_metrics": StageResult(
            stage="analysis_metrics", status="completed", received=118, emitted=118, seconds=3.4,
            busy_seconds=1.1,
            figures=tuple(figures), distributions=tuple(distributions),
            metrics={"tuned": {"overall_quality": 0.6485},
                     "lead": {"overall_quality": 0.558, "targets_met": 2}},
        ),
        "bench": StageResult(stage="bench", status="completed", received=118, emitted=118, seconds=4.1,
                             busy_seconds=0.6, comparisons=tuple(comparisons),
                             set_persistence=(_persistence("tuned"), _persistence("lead"))),
    }  # fmt: skip
    stages = [extra.get(name, StageResult(stage=name, status="completed", emitted=120)) for name in names]
    stages.append(StageResult(stage="fairness", status="skipped", reason="fairness is off"))
    return RunReport(
        run_id="20260102-030405-abcdef",
        status="completed",
        experiment=experiment,
        started_at="2026-01-02T03:04:05Z",
        seconds=4.6,
        provenance=Provenance(
            seed=7, crucible="0.1.0", python="3.11.9", platform="Linux", packages={"numpy": "2.1"},
            git_commit="0123abc", experiment_sha256="f" * 64,
        ),
        stages=tuple(stages),
        dataset=DatasetFacts(
            name="claims", provider="jsonl", sha256="a" * 64, rows=120, bad_rows=2,
            splits={"train": 60, "test": 60}, sources=("claims.jsonl",),
        ),
        spans=spans,
        excerpts=(
            Excerpt(rank="worst", metric="claim_f1", score=0.05, sample=make_sample(1, text)),
            Excerpt(rank="best", metric="claim_f1", score=0.98, sample=make_sample(2)),
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def report() -> RunReport:
    return make_report()


@pytest.fixture(scope="session")
def build() -> Callable[[str], RunReport]:
    """Makes a report whose model answered the given text."""
    return make_report


@pytest.fixture
def sample() -> Sample:
    return make_sample(1)
