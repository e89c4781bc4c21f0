"""What can be set about a comparison, and what comes of one."""

from __future__ import annotations

from typing import Literal

from ..messages.base import Message
from ..messages.flow import StageResult

__all__ = ["ComparedSystem", "Comparing", "RunComparison"]


class Comparing(Message, frozen=True):
    """How runs are compared. What is None is taken from the first run."""

    metrics: tuple[str, ...] = ()
    """Default: all that have a better side, and that all runs have by the same method."""
    different_data: bool = False
    include_raced: bool = False
    alpha: float | None = None
    correction: Literal["none", "bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"] | None = (
        None
    )
    formats: tuple[Literal["markdown", "html", "json"], ...] = ("markdown", "html", "json")


class ComparedSystem(Message, frozen=True):
    """One system of one run, and what it is called in the comparison."""

    name: str
    run_id: str
    system: str
    folder: str
    seed: int
    started_at: str
    examples: int
    """In its run; the comparison may have fewer."""


class RunComparison(Message, frozen=True):
    """What came of it."""

    folder: str
    systems: tuple[ComparedSystem, ...]
    examples: int
    stages: tuple[StageResult, ...]
    """Of analysis_metrics (means with intervals) and bench (paired comparisons)."""
    notes: tuple[str, ...]
