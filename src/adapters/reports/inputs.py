"""The sections on what went in: data set, checks, guardrails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from ...messages.findings import Issue
from ...messages.flow import StageResult
from ...messages.report import RunReport
from .document import Cell, Section, Table
from .numbers import count
from .profile import profile_tables
from .stage_figures import figure_table
from .text import clip

__all__ = ["data_section", "guardrail_section", "stage_named"]

NO_ISSUE = "The checks found no issue."
MAX_ISSUES = 20
MAX_INPUT, MAX_ANSWER, MAX_WORD = 1200, 2400, 200


def stage_named(report: RunReport, name: str) -> StageResult | None:
    """The result of a stage, None when it did not run."""
    return next((stage for stage in report.stages if stage.stage == name), None)


def data_section(report: RunReport) -> Section | None:
    """Facts of the data set, what the checks found, and how many rows were set aside."""
    tables = []
    dataset, checks = report.dataset, stage_named(report, "data_checks")
    if dataset is not None:
        splits = ", ".join(f"{name} {count(rows)}" for name, rows in dataset.splits.items())
        facts = [
            ("name", dataset.name),
            ("provider", dataset.provider),
            ("files", ", ".join(dataset.sources)),
            ("sha256", dataset.sha256),
            ("rows", count(dataset.rows)),
            ("unusable rows set aside", count(dataset.bad_rows)),
            ("splits", splits),
        ]
        rows = tuple((Cell(name), Cell(clip(value, MAX_WORD))) for name, value in facts if value)
        tables.append(Table(caption="Data set", heads=("fact", "value"), rows=rows))
    issues = [issue for stage in report.stages for issue in stage.issues]
    if issues:
        tables += _issue_tables(issues)
    if checks is not None and checks.metrics:
        tables += profile_tables(checks.metrics)
    if not tables:
        return None
    total = _issue_count(report, issues)
    lead = f"{count(total)} issue{' was' if total == 1 else 's were'} found." if total else NO_ISSUE
    if checks is None and not issues:
        lead = "The data set was not checked."
    return Section(key="data", title="Data", lead=lead, tables=tuple(tables))


def _issue_count(report: RunReport, kept: Sequence[Issue]) -> int:
    """All issues; the stage keeps the first ones only, and says how many there were."""
    checks = stage_named(report, "data_checks")
    counted = checks.metrics.get("issues") if checks is not None else None
    return max(len(kept), counted) if isinstance(counted, int) else len(kept)


def _issue_tables(issues: Sequence[Issue]) -> list[Table]:
    kinds = Counter((issue.expectation, issue.field) for issue in issues)
    summary = tuple((Cell(name), Cell(field), Cell(count(n))) for (name, field), n in kinds.most_common())
    first = tuple(
        (
            Cell(_place(issue)),
            Cell(issue.field),
            Cell(issue.expectation),
            Cell(clip(issue.problem, MAX_WORD)),
        )
        for issue in islice(issues, MAX_ISSUES)
    )
    shown = f"The first {len(first)} issues" if len(issues) > len(first) else "Issues"
    heads = ("where", "field", "expectation", "problem")
    return [
        Table("Issues by expectation", ("expectation", "field", "issues"), summary, frozenset({2})),
        Table(caption=shown, heads=heads, rows=first, folded=True),
    ]


def _place(issue: Issue) -> str:
    place = ":".join(str(part) for part in (issue.source, issue.line) if part is not None)
    return clip(" ".join(part for part in (place, issue.example_id or "") if part), MAX_WORD)


def guardrail_section(report: RunReport) -> Section | None:
    """What the guards found."""
    stage = stage_named(report, "guardrails")
    if stage is None or not stage.metrics:
        return None
    table = figure_table("Findings of the guards", stage.metrics)
    return Section(key="guardrails", title="Guardrails", tables=(table,))
