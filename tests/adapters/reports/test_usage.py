"""Requests, tokens, cost and latency in the head of a report."""

from __future__ import annotations

from typing import Any

import msgspec

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.markdown import render_markdown
from crucible.adapters.reports.usage import usage_table
from crucible.messages.flow import StageResult
from crucible.messages.report import RunReport


def tally(**changes: Any) -> dict[str, Any]:
    return {
        "asked": 24, "failed": 0, "retries": 0, "prompt_tokens": 7666, "completion_tokens": 3702,
        "tokens_estimated": False, "cost_usd": None, "latency_s": {"p50": 0.25},
    } | changes  # fmt: skip


def asked(report: RunReport, **systems: dict[str, Any]) -> RunReport:
    stage = StageResult(stage="backend_call", status="completed", metrics={"systems": systems})
    return msgspec.structs.replace(report, stages=(stage,))


def test_each_system_has_its_requests_tokens_cost_and_median_latency(report: RunReport) -> None:
    given = asked(
        report,
        lead=tally(cost_usd=0.5, tokens_estimated=True),
        tuned=tally(failed=2, latency_s={"p50": None}),
    )
    table = usage_table(given)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["tuned", "24", "7,666", "3,702", "unknown", "–"],
        ["lead", "24", "≈ 7,666", "≈ 3,702", "$0.500", "250 ms"],
    ]
    assert table.rows[0][1].detail == "2 failed"
    assert "≈: estimated" in table.note


def test_the_table_stands_before_the_first_section(report: RunReport) -> None:
    text = render_markdown(build_document(asked(report, tuned=tally())))
    assert text.index("| tuned | 24 | 7,666 |") < text.index("\n## ")


def test_a_run_that_asked_nothing_has_none(report: RunReport) -> None:
    assert usage_table(msgspec.structs.replace(report, stages=())) is None
