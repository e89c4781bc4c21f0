"""One run: where each stage is, what the answers come to so far, what raced and voted, its files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ....messages.flow import LossPoint, StageResult
from ....messages.live import LiveRun, LiveStage
from ....messages.queue import TERMINAL, QueuedRun, StageRecord, StoredEvent
from ..run_files import walk_files
from ..services import Services
from .curves import CurveShelf, Standing, loss_points
from .drawing import Chart, chart
from .experiments import compared, read_experiment, systems_of
from .results import result_table

__all__ = ["StageCard", "cards", "loss_chart", "run_context"]

MOST_EVENTS = 30
MOST_CURVES = 4
MOST_LOSSES = 80
SHOWN_FIRST = ("report.html", "report.md", "report.json", "samples.jsonl", "trace.json")


@dataclass(frozen=True)
class StageCard:
    """A stage in the graph."""

    name: str
    state: str
    done: int
    total: int | None
    phase: str
    note: str
    mailbox: int
    mailbox_capacity: int
    restarts: int
    rate: float | None
    seconds: float | None

    @property
    def full(self) -> bool:
        """Whether it holds up the stages before it."""
        return self.mailbox_capacity > 0 and self.mailbox >= self.mailbox_capacity


def cards(names: Sequence[str], records: Sequence[StageRecord], live: LiveRun | None) -> list[StageCard]:
    """The stages in the order of the pipeline: as they are now, else as they are recorded, else waiting."""
    now = {stage.name: stage for stage in live.stages} if live is not None else {}
    kept = {record.name: record for record in records}
    return [_card(name, now.get(name), kept.get(name)) for name in dict.fromkeys((*names, *now, *kept))]


def _card(name: str, live: LiveStage | None, record: StageRecord | None) -> StageCard:
    if live is not None and live.state != "waiting":
        return StageCard(
            name=name,
            state=live.state,
            done=live.done,
            total=live.total,
            phase=live.phase,
            note=live.note,
            mailbox=live.mailbox,
            mailbox_capacity=live.mailbox_capacity,
            restarts=live.restarts,
            rate=live.rate if live.state == "running" else None,
            seconds=None if record is None else record.seconds,
        )
    if record is None:
        return StageCard(name, "waiting", 0, None, "", "", 0, 0, 0, None, None)
    result = stage_result(record)
    received = 0 if result is None else result.received
    reason = "" if result is None else result.reason or ""
    return StageCard(
        name, record.status, received, received, "", reason, 0, 0, 0, None, record.seconds or None
    )


def stage_result(record: StageRecord) -> StageResult | None:
    """The result of a recorded stage, if it can be read."""
    try:
        return msgspec.json.decode(record.result, type=StageResult)
    except msgspec.MsgspecError:
        return None


def loss_chart(points: Sequence[LossPoint]) -> Chart | None:
    """Loss by step: of training as means over so many steps that a line can be seen, and held out."""
    series: dict[str, list[tuple[float, float]]] = {}
    for split in sorted({point.split for point in points}):
        found = [(float(point.step), point.loss) for point in points if point.split == split]
        series[split] = thinned(found) if split == "train" else found
    return chart(series, x_label="step")


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most 80 points: means of as many neighbours as that takes, each at its last x."""
    size = -(-len(points) // MOST_LOSSES)
    parts = [points[i : i + size] for i in range(0, len(points), size)] if size else []
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]


@dataclass(frozen=True)
class Seen:
    """What the samples come to so far."""

    rows: int
    charts: tuple[tuple[str, Chart], ...]
    more: int
    figures: Mapping[str, Any]
    agreement: Chart | None


def seen(standing: Standing, wanted: Sequence[str]) -> Seen:
    """Charts of the metrics that the run compares, else of the first ones; counts of races and votes."""
    names = standing.metrics()
    chosen = ([name for name in wanted if name in names] or names)[:MOST_CURVES]
    charts = [(n, chart(standing.series(n), x_label="examples", bounds=_bounds(standing, n))) for n in chosen]
    figures = {
        "outputs": standing.requests,
        "failed": standing.failed,
        "raced": standing.raced,
        "hedged": standing.hedged,
        "duplicates": standing.duplicates,
        "won_by_duplicate": standing.won_by_duplicate,
        "cancelled": standing.cancelled,
        "votes": standing.votes,
        "undecided": standing.undecided,
        "agreement": standing.agreement.total / standing.agreement.n if standing.agreement.n else None,
    }
    agreement = None
    if standing.agreement.n:
        points = standing.agreement.drawn(standing.rows)
        agreement = chart({"agreement": points}, x_label="examples", bounds=(0.0, 1.0))
    return Seen(
        rows=standing.rows,
        charts=tuple((name, drawn) for name, drawn in charts if drawn is not None),
        more=max(0, len(names) - len(chosen)),
        figures=figures,
        agreement=agreement,
    )


def _bounds(standing: Standing, metric: str) -> tuple[float, float] | None:
    values = [y for points in standing.series(metric).values() for _, y in points]
    return (0.0, 1.0) if all(0.0 <= value <= 1.0 for value in values) else None


async def run_context(services: Services, curves: CurveShelf, run_id: str) -> dict[str, Any]:
    """All that the template needs. Raises NotFoundError."""
    store = services.store
    run = await store.run(run_id)
    records = await store.stages(run_id)
    events = await store.events(run_id=run_id, limit=1000)
    experiment = await read_experiment(services, run_id)
    live = services.live.runs().get(run_id)
    wanted = compared(experiment)
    folder = services.runs_folder / run_id
    losses, standing, files = await asyncio.to_thread(_look, folder, curves, wanted)
    names = [] if experiment is None else [each.name for each in experiment.pipeline if each.enabled]
    results = {record.name: stage_result(record) for record in records}
    recorded = results.get("backend_call")
    ended = [result for result in results.values() if result is not None]
    return {
        "run": run,
        "now": services.now(),
        "ended": run.state in TERMINAL,
        "ran": ran(run, services.now()),
        "pipeline_s": pipeline_seconds(run),
        "failing": failing(run, events),
        "actions": actions(run),
        "experiment": experiment,
        "cards": cards(names, records, live),
        "loss": loss_chart(losses or (() if recorded is None else recorded.losses)),
        "seen": standing,
        "results": result_table(ended, systems_of(experiment), wanted) if experiment else None,
        "files": [each for each in files if "/" not in each[0]],
        "folders": _folders(files),
        "artifacts": {name for name, _ in files},
        "latest": events[-1].seq if events else 0,
        "events": [event for event in events if event.kind != "stage.progress"][-MOST_EVENTS:][::-1],
    }


def ran(run: QueuedRun, now: float) -> float | None:
    """Seconds that all attempts have taken; None while that is unknown."""
    if run.state == "running":
        return now - run.started_at if run.started_at is not None and run.attempt <= 1 else None
    return run.ran_s or None


def pipeline_seconds(run: QueuedRun) -> float | None:
    """Seconds of the attempt that completed, without what is around it; None if that is nearly all."""
    seconds = run.metrics.get("seconds")
    if not isinstance(seconds, int | float) or run.ran_s - seconds <= max(1.0, 0.1 * run.ran_s):
        return None
    return float(seconds)


def failing(run: QueuedRun, events: Sequence[StoredEvent]) -> str:
    """Why the attempt before this one failed, while the next one runs; "" otherwise."""
    if run.state != "running" or run.attempt < 2:
        return ""
    reasons = [event.body.get("reason") for event in events if event.kind == "run.queued"]
    return str(reasons[-1]) if reasons and reasons[-1] else ""


def _look(
    folder: Path, curves: CurveShelf, wanted: Sequence[str]
) -> tuple[tuple[LossPoint, ...], Seen | None, list[tuple[str, int]]]:
    files = [(name, size) for name, size in walk_files(folder) if not name.endswith(".tmp")]
    order = {name: place for place, name in enumerate(SHOWN_FIRST)}
    files.sort(key=lambda each: (order.get(each[0], len(order)), _natural(each[0])))
    return loss_points(folder), curves.look(folder, lambda standing: seen(standing, wanted)), files


def _natural(name: str) -> list[tuple[int, str]]:
    """In the order of its numbers: epoch-2 before epoch-10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]


def _folders(files: Sequence[tuple[str, int]]) -> dict[str, list[tuple[str, int]]]:
    """Files that are in folders, by the folder."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, size in files:
        folder, _, inner = name.rpartition("/")
        if folder and inner:
            found.setdefault(folder, []).append((name, size))
    return found


def actions(run: QueuedRun) -> list[tuple[str, str, str]]:
    """What may be asked of it now: API verb, label, question to ask first."""
    found = []
    if run.state in ("queued", "running") and not run.pause:
        found.append(("pause", "Pause", ""))
    if run.state == "paused" or (run.pause and run.state == "running"):
        found.append(("resume", "Resume", ""))
    if run.state not in TERMINAL and run.cancel is None:
        found.append(("cancel", "Cancel", "Cancel this run? What finished stages wrote is kept."))
    if run.state in ("failed", "cancelled", "parked"):
        found.append(("retry", "Retry", ""))
    return found
