"""Answers of every bad kind in one run: it completes, each oddity has a name, and none scores as perfect."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.analysis.cns_metrics import CnsMetrics
from crucible.adapters.analysis.cns_surrogates import CnsSurrogates
from crucible.adapters.analysis.cns_tda import CnsTda
from crucible.adapters.cli.app import invoke
from crucible.messages.report import RunReport

STAGES = (
    "data_load",
    "backend_call",
    "analysis_surrogate_validation",
    "analysis_tda_validation",
    "analysis_metrics",
    "bench",
    "report",
)
PASSAGE = "Passage:\nDocument {n}: Zinc\n\nZinc raises iron levels in group {n}. Pain fell.\n"
GOLD = (
    "CLAIM[c1]: Zinc raises iron levels.\nCLAIM[c2] (Document {n}): Zinc raises iron levels in group {n}.\n"
    "RELATION: c2 supports c1"
)
THREE = "CLAIM[c1]: Zinc helps.\nCLAIM[c2] (Document {n}): Iron rose.\nCLAIM[c3] (Document {n}): Pain fell.\n"
BAD = {
    "empty": " ",
    "no claim": "I would rather not say.",
    "10,000 claims": "\n".join(f"CLAIM[c{i}]: Zinc statement {i}." for i in range(1, 10_001)),
    "missing claim": THREE + "RELATION: c9 supports c1",
    "self-relation": THREE + "RELATION: c1 supports c1",
    "cycle": THREE + "RELATION: c1 supports c2\nRELATION: c2 supports c3\nRELATION: c3 supports c1",
    "duplicated id": THREE + "CLAIM[c2] (Document {n}): Iron fell.\nRELATION: c2 supports c1",
    "mixed scripts": "CLAIM[c1]: 亜鉛は鉄を増やす。\nCLAIM[c2] (Document {n}): Цинк raises الحديد.\n",
    "identical points": "CLAIM[c1]: Zinc.\nCLAIM[c2]: Zinc.\nCLAIM[c3]: Zinc.\nCLAIM[c4]: Zinc.",
}


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run over every bad answer."""
    folder = tmp_path_factory.mktemp("bad")
    numbers = list(enumerate(BAD, start=1))
    rows = [
        {"id": kind, "prompt": PASSAGE.format(n=n), "completion": GOLD.format(n=n)} for n, kind in numbers
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    replies = [
        {"contains": f"Document {n}:", "text": BAD[kind].replace("{n}", str(n))} for n, kind in numbers
    ]
    pipeline: list[dict[str, Any]] = [{"name": name} for name in STAGES]
    pipeline[STAGES.index("analysis_metrics")] |= {"options": {"critics": True}}
    experiment = {
        "id": "bad",
        "dataset": {"name": "bad", "split": "all", "options": {"path": "data.jsonl"}},
        "backend": {"id": "mock", "name": "model", "options": {"replies": replies}},
        "baselines": [{"id": "lead", "name": "lead"}],
        "pipeline": pipeline,
        "outputs": [{"formats": ["json"]}],
    }
    file = folder / "bad.json"
    file.write_text(json.dumps(experiment))
    assert invoke(["run", str(file), "--out", str(folder / "runs"), "--quiet"]) == 0
    (run,) = (folder / "runs").iterdir()
    return run


@pytest.fixture(scope="module")
def bad_run(bad_folder: Path) -> dict[str, Any]:
    """The line of ``samples.jsonl`` of each bad answer."""
    lines = (bad_folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def scores(bad_run: dict[str, Any], kind: str) -> dict[str, float | None]:
    found: dict[str, float | None] = bad_run[kind]["scores"]["model"]
    return found


@pytest.mark.parametrize("kind", BAD)
def test_no_bad_answer_is_perfect(bad_run: dict[str, Any], kind: str) -> None:
    found = scores(bad_run, kind)
    assert (found["overall_quality"] or 0.0) < 1.0
    assert (found["critic_verdict"] or 0.0) < 1.0
    for value in found.values():
        assert value is None or math.isfinite(value)


@pytest.mark.parametrize("kind", ["empty", "no claim"])
def test_an_answer_without_a_claim_has_no_graph_no_critic_and_no_quality(
    bad_run: dict[str, Any], kind: str
) -> None:
    found = scores(bad_run, kind)
    assert found["overall_quality"] == found["schema_compliance"] == 0.0
    assert found["beta1"] is found["critic_verdict"] is found["mean_entailment"] is None
    assert bad_run[kind]["persistence"]["model"]["status"] == "too_few_points"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("missing claim", "dangling_relation"),
        ("self-relation", "self_relation"),
        ("duplicated id", "duplicate_claim"),
        ("no claim", "unparsed_line"),
        ("10,000 claims", "no_relation"),
    ],
)
def test_what_is_wrong_with_an_answer_has_a_name(bad_run: dict[str, Any], kind: str, code: str) -> None:
    assert bad_run[kind]["details"]["model"]["diagnostics"][code] >= 1


def test_a_circle_is_counted_and_named(bad_run: dict[str, Any]) -> None:
    assert scores(bad_run, "cycle")["cycle_count"] == 1.0
    issues = bad_run["cycle"]["details"]["model"]["critics"]["issues"]["logic"]
    assert issues[0] == "3 statements argue in a circle"


def test_ten_thousand_claims_are_scored_over_the_first_thousand(bad_run: dict[str, Any]) -> None:
    assert bad_run["10,000 claims"]["details"]["model"]["claims_scored"] == 1000


def test_points_that_are_all_the_same_have_a_status_of_their_own(bad_run: dict[str, Any]) -> None:
    assert bad_run["identical points"]["persistence"]["model"]["status"] == "identical_points"


def test_each_number_of_the_report_has_its_n_its_interval_and_its_method(bad_folder: Path) -> None:
    report = msgspec.json.decode((bad_folder / "report.json").read_bytes(), type=RunReport)
    figures = [each for stage in report.stages for each in (*stage.figures, *stage.described)]
    assert {"overall_quality", "fragility_mean", "avg_persistence"} <= {each.name for each in figures}
    beyond = CnsMetrics.unbounded | CnsSurrogates.unbounded | CnsTda.unbounded
    for figure in figures:
        assert figure.method
        assert figure.interval or figure.reason, figure.name
        if figure.interval is not None:
            assert figure.value is not None
            assert 0.0 <= figure.interval.low <= figure.value <= figure.interval.high
            assert figure.interval.high <= 1.0 or figure.name in beyond
            assert figure.interval.method
    found = [each for stage in report.stages for each in stage.correlations]
    assert found
    for each in found:
        assert each.interval or each.reason
        assert each.p_value is None or 0.0 < each.p_value <= 1.0
