"""One line for each metric, the same in code, report and docs."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from crucible.actors.answer_scoring import OWN
from crucible.actors.reference import EXTRA_METHODS
from crucible.adapters.analysis.cns_metrics import CnsMetrics
from crucible.adapters.cns.critics.answers import CRITIC_SCORES
from crucible.adapters.cns.metrics import METHODS
from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.glossary import GLOSSARY, glossary_section, hint
from crucible.messages.findings import Metric
from crucible.messages.flow import StageResult
from crucible.messages.report import RunReport

COMPUTED = (*METHODS, "mean_entailment", "chirality", "c1_cosine", *CRITIC_SCORES, *OWN, *EXTRA_METHODS)
DOCS = Path(__file__).parents[3] / "docs" / "reports.md"


@pytest.mark.parametrize("name", COMPUTED)
def test_every_metric_that_crucible_computes_has_a_line(name: str) -> None:
    assert GLOSSARY[name].meaning


def test_the_better_side_is_the_one_that_comparisons_go_by() -> None:
    sides = {"none": "neither", "lower": "lower"}
    for name in COMPUTED:
        assert GLOSSARY[name].better == sides.get(CnsMetrics.directions.get(name, ""), "higher"), name


def test_the_docs_have_the_same_lines() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (higher|lower|neither) \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    assert {name: (meaning, better) for name, better, meaning in rows} == dict(GLOSSARY)


def test_a_hint_has_the_meaning_and_the_better_side() -> None:
    assert hint("beta1") == "independent loops in the graph of claims; lower is better"
    assert hint("chirality").endswith("; says nothing of quality")
    assert hint("claim_f1") == ""


def test_the_report_ends_with_the_metrics_it_holds(report: RunReport) -> None:
    own = Metric(name="my_score", value=0.5, n=3, method="a plug-in", system="tuned")
    known = Metric(name="token_f1", value=0.5, n=3, method="token", system="tuned")
    stage = StageResult(stage="analysis_metrics", status="completed", figures=(own, known))
    section = build_document(msgspec.structs.replace(report, stages=(stage,))).sections[-1]
    assert section.key == "glossary"
    assert [[cell.text for cell in row] for row in section.tables[0].rows] == [
        ["my_score", "not known", "a metric of your own, scored by: a plug-in"],
        ["token_f1", "higher", GLOSSARY["token_f1"].meaning],
    ]


def test_a_report_without_metrics_has_no_glossary(report: RunReport) -> None:
    assert glossary_section(msgspec.structs.replace(report, stages=())) is None
