"""What the daemon decides, as pure functions: when a lease is over, how a run ends, when it is tried again.

Called by the actors beside this file. Nothing here reads a clock or draws a number: both are arguments.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ...messages.control import RunResult
from ...messages.experiment import Experiment
from ...messages.findings import Comparison
from ...messages.queue import QueuedRun, Settlement
from ...messages.settings import DaemonSettings

__all__ = [
    "Order",
    "compared_metrics",
    "deadline_left",
    "headline",
    "headline_figures",
    "headline_verdict",
    "lease_margin",
    "outranks",
    "refused",
    "retry_wait",
    "room",
    "settlement",
    "trusted_until",
]

OrderKind = Literal["stop", "pause", "deadline", "cancel"]
_RANK: dict[OrderKind, int] = {"stop": 0, "pause": 1, "deadline": 2, "cancel": 3}
REASON_CHARS = 500
METRICS_KEPT = 16
VERDICTS_KEPT = 3
_STANDS = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "undecided": "undecided against",
    "no_data": "no data against",
}


class Order(msgspec.Struct, frozen=True):
    """Why a run is to end before its end."""

    kind: OrderKind
    reason: str = ""


def outranks(new: Order, old: Order | None) -> bool:
    """Whether a new order replaces the one that is being followed: a cancellation beats a pause."""
    return old is None or _RANK[new.kind] > _RANK[old.kind]


def lease_margin(ttl_s: float) -> float:
    """How long before its end a lease is given up: time to stop, and for clocks that run at other rates."""
    return min(5.0, ttl_s / 6)


def trusted_until(asked_at: float, ttl_s: float) -> float:
    """Until when the holder may work, if the claim or renewal that it sent at ``asked_at`` was granted.

    The store counts the lease from when it heard of it, which was later: so the holder stops first.
    """
    return asked_at + ttl_s - lease_margin(ttl_s)


def room(settings: DaemonSettings, running: int) -> int:
    """Runs that may be claimed now."""
    return max(0, settings.max_running - running)


def deadline_left(run: QueuedRun) -> float | None:
    """Seconds that this attempt may take at most; None without a deadline."""
    return None if run.deadline_s is None else max(0.0, run.deadline_s - run.ran_s)


def retry_wait(attempt: int, settings: DaemonSettings, rng: random.Random) -> float:
    """Seconds before the attempt after number ``attempt`` (from 1): doubled each time, half of it jitter."""
    ceiling = min(settings.retry_max_s, settings.retry_base_s * 2.0 ** min(attempt - 1, 30))
    return ceiling * rng.uniform(0.5, 1.0)


def settlement(
    run: QueuedRun, result: RunResult, order: Order | None, settings: DaemonSettings, rng: random.Random
) -> Settlement:
    """How an attempt that has a result ends.

    A completed run is completed, whatever was asked of it meanwhile: its report is there. Bad input is never
    tried again, nor is a run in which a stage came to its end and said that it failed.
    All other failures are, until the attempts are used up; then the run is parked.
    """
    if result.status == "completed":
        return Settlement(state="completed", reason=_line(result.stopped), metrics=headline(result))
    if order is not None:
        return _ordered(order)
    said = any(stage.status == "failed" for stage in result.stages)
    if result.status == "failed" and (said or result.failure_kind == "input"):
        return Settlement(state="failed", reason=_line(result.failure))
    return _try_again(run, result.failure or "the attempt ended without a reason", settings, rng)


def refused(reason: str) -> Settlement:
    """How a run ends whose input cannot be used."""
    return Settlement(state="failed", reason=_line(reason))


def unplanned(run: QueuedRun, reason: str, settings: DaemonSettings, rng: random.Random) -> Settlement:
    """How an attempt ends that has no result, for a reason that is not the input's."""
    return _try_again(run, reason, settings, rng)


def _ordered(order: Order) -> Settlement:
    if order.kind == "cancel":
        return Settlement(state="cancelled", reason=_line(order.reason))
    if order.kind == "deadline":
        return Settlement(state="failed", reason=_line(order.reason))
    if order.kind == "pause":
        return Settlement(state="paused", counted=False)
    return Settlement(state="queued", reason=_line(order.reason), counted=False)


def _try_again(run: QueuedRun, reason: str, settings: DaemonSettings, rng: random.Random) -> Settlement:
    if run.attempt < run.max_attempts:
        wait = retry_wait(run.attempt, settings, rng)
        said = f"attempt {run.attempt} of {run.max_attempts} failed: {reason}"
        return Settlement(state="queued", reason=_line(said), delay_s=wait)
    if run.max_attempts == 1:
        return Settlement(state="failed", reason=_line(reason))
    return Settlement(state="parked", reason=_line(f"all {run.max_attempts} attempts failed: {reason}"))


def compared_metrics(experiment: Experiment) -> list[str]:
    """Metrics that the experiment tells ``bench`` to compare, in its order; none: bench chooses."""
    named = [stage.options.get("metrics", ()) for stage in experiment.pipeline if stage.name == "bench"]
    return [metric for metrics in named if isinstance(metrics, list | tuple) for metric in metrics]


def headline(result: RunResult) -> dict[str, Any]:
    """To list a run by: how long it took, the model's means, and how it stands to its baselines."""
    backend = result.experiment.backend
    model = backend.name or backend.id
    means: dict[str, float | None] = {}
    for stage in result.stages:
        for figure in stage.figures:
            if figure.system == model:
                means.setdefault(figure.name, figure.value)
    comparisons = [each for stage in result.stages for each in stage.comparisons]
    first = dict.fromkeys((*compared_metrics(result.experiment), *(each.metric for each in comparisons)))
    order = [*(name for name in first if name in means), *(name for name in means if name not in first)]
    verdict = _verdict(next(iter(first), ""), model, comparisons)
    told = {"verdict": verdict} if verdict and "verdict" not in means else {}
    figures = {name: means[name] for name in order[: METRICS_KEPT - 1 - len(told)]}
    return {"seconds": round(result.seconds, 3), **figures, **told}


def _verdict(metric: str, model: str, comparisons: Sequence[Comparison]) -> str:
    """How the model stands to its baselines in the metric that is compared first."""
    found = [each for each in comparisons if each.metric == metric and each.system == model]
    told = [f"{_STANDS.get(each.verdict, each.verdict)} {each.baseline}" for each in found[:VERDICTS_KEPT]]
    return f"{metric}: {', '.join(told)}" if told else ""


def headline_verdict(metrics: Mapping[str, Any]) -> str:
    """Of what ``headline`` found, how the model stands; "" if nothing says so."""
    verdict = metrics.get("verdict")
    return verdict if isinstance(verdict, str) else ""


def headline_figures(metrics: Mapping[str, Any], most: int) -> list[tuple[str, float]]:
    """Of what ``headline`` found, the first means that there are."""
    found = [
        (name, value)
        for name, value in metrics.items()
        if name != "seconds" and isinstance(value, int | float)
    ]
    return found[:most]


def _line(text: str | None) -> str | None:
    """One line that fits a list."""
    return " ".join(text.split())[:REASON_CHARS] if text else None
