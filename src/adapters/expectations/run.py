"""Checks or profiles a whole data set at once: ``crucible data check`` and ``crucible data profile``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...actors.ports import Dataset
from ...messages.findings import Issue
from ...messages.records import Example
from .options import DataCheckOptions
from .profile import Profile
from .suite import ExpectationSuite

__all__ = ["DatasetCheck", "check_dataset", "profile_dataset"]

MAX_ISSUES_KEPT = 1000
_BATCH = 256


class DatasetCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the expectations say of a data set."""

    passed: bool
    """At most ``max_violations`` rows with issues, and no issue of the whole set."""
    rows: int
    """Rows looked at; fewer than all after ``fail_fast``."""
    rows_with_issues: int
    bad_rows: int
    """Rows that could not even be loaded (and were tolerated)."""
    issue_count: int
    issues: tuple[Issue, ...]
    """The first 1,000 issues of rows, then those of the whole set."""
    profile: dict[str, Any]


def check_dataset(dataset: Dataset, options: DataCheckOptions | None = None) -> DatasetCheck:
    """Hold every row of ``dataset`` against ``options``. Blocking; stops early only with ``fail_fast``."""
    options = options or DataCheckOptions()
    suite = ExpectationSuite(options)
    issues: list[Issue] = []
    rows = issue_count = rows_with_issues = 0
    for batch in _batches(dataset):
        for found in suite.check(batch):
            issue_count += len(found)
            rows_with_issues += bool(found)
            issues.extend(found[: max(0, MAX_ISSUES_KEPT - len(issues))])
        rows += len(batch)
        if options.fail_fast and rows_with_issues > options.max_violations:
            break
    of_set, profile = suite.finish()
    return DatasetCheck(
        passed=rows_with_issues <= options.max_violations and not of_set,
        rows=rows,
        rows_with_issues=rows_with_issues,
        bad_rows=dataset.facts.bad_rows,
        issue_count=issue_count + len(of_set),
        issues=(*issues, *of_set),
        profile=profile,
    )


def profile_dataset(dataset: Dataset) -> dict[str, Any]:
    """The profile of all rows, JSON-ready. Blocking."""
    profile = Profile()
    for batch in _batches(dataset):
        for example in batch:
            profile.add(example)
    return profile.report()


def _batches(dataset: Dataset) -> Iterator[list[Example]]:
    for start in range(0, len(dataset), _BATCH):
        yield dataset.read(start, start + _BATCH)
