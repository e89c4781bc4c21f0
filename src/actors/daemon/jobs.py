"""What passes between the daemon and the composition: a job goes out, its plan comes back.

The daemon imports no adapter, so it cannot open data sets or folders. ``RunFactory`` is given to it by
``serving`` or by an embedded supervisor; tests give one of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ...messages.control import RunEvent, RunResult
from ...messages.queue import QueuedRun
from ..durability import EffectLog, SafePoint
from ..experiment import RunPlan

__all__ = ["PlannedRun", "RunFactory", "RunJob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    """An attempt to plan."""

    run: QueuedRun
    spec: bytes
    publish: Callable[[RunEvent], None]
    """Where the run's events go."""
    effects: EffectLog
    safe_point: SafePoint
    current: Callable[[], bool]
    """Whether the lease still holds. When not, nothing more may be written into the run's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """What came of planning: a plan, or the result of an earlier attempt that got to its end."""

    plan: RunPlan | None
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Input hash of each stage."""
    finished: RunResult | None = None
    """Its report is there, found by the same input hashes; only the store had not heard of it."""


RunFactory = Callable[[RunJob], Awaitable[PlannedRun]]
"""Raises InputError when the run cannot be begun because of what was given."""
