"""``data_checks``: holds every row against its expectations, sets bad rows aside, profiles the data.

A row that fails is quarantined: it goes no further and is listed with file and line. More of them than
``max_violations`` end the run before anything was spent on a backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ...messages.errors import DatasetError
from ...messages.findings import Issue
from ...messages.flow import Sample, StageResult
from ...messages.trace import Decision
from ..decision_log import DecisionLog
from ..ports import Expectations

__all__ = ["DataChecks"]

LISTED = 200


class DataChecks:
    """Expectations over the stream."""

    restartable = False  # a suite remembers the rows it saw; seeing them twice would make duplicates

    def __init__(
        self,
        suite: Expectations,
        *,
        max_violations: int = 0,
        fail_fast: bool = False,
        quarantine: Callable[[Sequence[Issue]], None] = lambda _issues: None,
    ) -> None:
        """``quarantine`` stores the issues of rows that are set aside; blocking."""
        self._suite: Expectations | None = suite
        self._store = quarantine
        self._max_violations = max_violations
        self._fail_fast = fail_fast
        self._issues: list[Issue] = []
        self._issue_count = 0
        self._quarantined = 0
        self._total = 0
        self._decisions = DecisionLog()
        self.take_decisions = self._decisions.take

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """The samples without issues."""
        assert self._suite is not None
        issues = await asyncio.to_thread(self._suite.check, [sample.example for sample in samples])
        if any(issues):
            await asyncio.to_thread(self._store, [issue for found in issues for issue in found])
        passed = []
        for sample, found in zip(samples, issues, strict=True):
            self._total += 1
            if not found:
                passed.append(sample)
                continue
            self._decisions.add(
                Decision(
                    kind="data_check",
                    chosen="set aside",
                    alternatives=("keep",),
                    why=f"{found[0].field}: {found[0].problem}",
                    subject=sample.example.id,
                )
            )
            self._quarantined += 1
            self._issue_count += len(found)
            self._issues.extend(found[: max(0, LISTED - len(self._issues))])
            if self._fail_fast:
                self._check_tolerance()
        return passed

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """The verdict on the whole set, with its profile."""
        assert self._suite is not None
        of_set, profile = await asyncio.to_thread(self._suite.finish)
        self._issue_count += len(of_set)
        self._issues.extend(of_set)
        self._check_tolerance(of_set)
        return StageResult(
            stage="data_checks",
            status="completed",
            metrics={
                "total": self._total,
                "quarantined": self._quarantined,
                "issues": self._issue_count,
                "profile": profile,
            },
            issues=tuple(self._issues),
        )

    def release(self) -> None:
        """Drop what the suite remembers of every row."""
        self._suite = None

    def _check_tolerance(self, of_set: Sequence[Issue] = ()) -> None:
        if self._quarantined > self._max_violations:
            raise _too_many(self._issues[0], self._quarantined, self._max_violations)
        if of_set:
            raise DatasetError(of_set[0].problem, field=of_set[0].field)


def _too_many(first: Issue, rows: int, tolerated: int) -> DatasetError:
    more = f" ({rows} rows fail data_checks, {tolerated} tolerated)"
    return DatasetError(first.problem + more, source=first.source, line=first.line, field=first.field)
