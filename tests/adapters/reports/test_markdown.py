from collections.abc import Callable
from itertools import groupby

import msgspec
import pytest

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.markdown import render_markdown
from crucible.adapters.reports.numbers import figure
from crucible.messages.report import RunReport


def render(report: RunReport) -> str:
    return render_markdown(build_document(report))


def test_the_verdict_is_in_the_first_lines(report: RunReport) -> None:
    head = render(report).splitlines()[:4]
    assert head[0] == "# claims-demo"
    assert head[2] == "**tuned against lead: better on 2, worse on 1, undecided on 1 of 4 metrics**"


def test_every_figure_of_the_report_is_shown(report: RunReport) -> None:
    text = render(report)
    for stage in report.stages:
        for metric in stage.figures:
            assert metric.interval is not None
            assert f"{figure(metric.value)} ({figure(metric.interval.low)} to " in text
        for comparison in stage.comparisons:
            assert f"{figure(comparison.difference)} (" in text


@pytest.mark.parametrize(
    "words",
    [
        "Provenance",
        "0123abc",
        "row-3 was seen before",
        "| 5 | 100 |",
        "H0 1, H1 2",
        "| overall_quality | 0.648 | 0.558 |",
        "| targets_met | – | 2 |",
        "1,204 issues were found",
        "fairness is off",
        "2 rows",
    ],
)
def test_sections_show_what_they_are_about(report: RunReport, words: str) -> None:
    text = render(msgspec.structs.replace(report, failure="2 rows", status="failed"))
    assert words in text


@pytest.mark.parametrize("text", ["fine", "| a | b |\n|---|---|\n```\n````\n</pre>"])
def test_each_table_row_has_as_many_cells_as_its_head(build: Callable[[str], RunReport], text: str) -> None:
    fenced, kept = "", []
    for line in render(build(text)).splitlines():
        if fenced or line.startswith("```"):
            fenced = "" if line == fenced else fenced or line.removesuffix("text")
        else:
            kept.append(line)
    tables = [list(rows) for table, rows in groupby(kept, lambda line: line.startswith("|")) if table]
    assert len(tables) > 10
    for rows in tables:
        assert len({row.replace(r"\|", "").count("|") for row in rows}) == 1


def test_a_failed_run_says_why_first(report: RunReport) -> None:
    failed = msgspec.structs.replace(report, status="failed", failure="backend_call: no answer", stages=())
    assert "**The run failed: backend_call: no answer**" in render(failed)


def test_a_run_without_baselines_says_so(report: RunReport) -> None:
    alone = tuple(msgspec.structs.replace(stage, comparisons=()) for stage in report.stages)
    text = render(msgspec.structs.replace(report, stages=alone))
    assert "there was no baseline to compare it with" in text
    assert "- claim_f1: 0.538" in text
