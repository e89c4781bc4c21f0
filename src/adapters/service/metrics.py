"""The figures of a daemon for Prometheus, in a registry of its own.

``serving`` feeds them; the API shows them under ``/metrics``. What can be looked up is looked up when it is
asked for; the rest is counted as it happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ...messages.control import RunResult
from ...messages.queue import QueueCounts, QueuedRun
from ...version import __version__

__all__ = ["Metrics"]

STATES = ("queued", "running", "paused", "completed", "failed", "cancelled", "parked")
SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class Metrics:
    """Of one daemon."""

    def __init__(self, under_way: Callable[[], int], *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        info = Gauge("crucible_build_info", "Always 1.", ["version"], registry=registry)
        info.labels(__version__).set(1)
        self._runs = Gauge("crucible_runs", "Runs in the queue, by state.", ["state"], registry=registry)
        self._oldest = Gauge(
            "crucible_oldest_due_seconds", "How long the oldest due run has waited.", registry=registry
        )
        self._counted_at = Gauge(
            "crucible_runs_counted_timestamp_seconds", "When the queue was last counted.", registry=registry
        )
        self._under_way = Gauge(
            "crucible_runs_under_way", "Runs that this daemon works on.", registry=registry
        )
        self._under_way.set_function(under_way)
        self._attempts = Counter(
            "crucible_attempts",
            "Attempts that ended here, by the state they left.",
            ["state"],
            registry=registry,
        )
        self._seconds = Histogram(
            "crucible_attempt_seconds",
            "How long an attempt took.",
            registry=registry,
            buckets=SECONDS,
        )
        self._lag = Histogram(
            "crucible_loop_lag_seconds",
            "How late the event loop woke a sleeper.",
            registry=registry,
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
        )

    def count(self, counts: QueueCounts) -> None:
        """The queue was counted."""
        for state in STATES:
            self._runs.labels(state).set(counts.by_state.get(state, 0))
        self._oldest.set(counts.oldest_due_s or 0.0)
        self._counted_at.set(self._now())

    def settled(self, run: QueuedRun, result: RunResult | None) -> None:
        """An attempt has ended."""
        self._attempts.labels(run.state).inc()
        if result is not None:
            self._seconds.observe(result.seconds)

    def lag(self, seconds: float) -> None:
        """A sleeper was woken that late."""
        self._lag.observe(max(0.0, seconds))

    def text(self) -> tuple[bytes, str]:
        """The figures and their content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
