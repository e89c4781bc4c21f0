"""What a reader has to know before believing the figures of a report, in one sentence each.

Called by the overview, which puts these sentences first. Pure; it finds what the stages have measured and
measures nothing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...messages.experiment import Experiment
from ...messages.flow import StageResult
from ...messages.report import RunReport
from .numbers import count

__all__ = ["cautions", "system_cautions"]


def cautions(report: RunReport) -> list[str]:
    """A run that stopped early, rows that training saw, what bench has to note, failed requests."""
    joined = _metrics(report.stages, "compare")
    tallies = _metrics(report.stages, "backend_call").get("systems") or {}
    return [
        *joined.get("cautions", []),  # of the runs that are compared, and of comparing them
        *_stopped(report.stages),
        *_seen_rows(report.experiment, report.stages),
        *_of_bench(report.stages),
        *(text for name, tally in tallies.items() for text in _failures(name, tally)),
    ]


def _stopped(stages: Sequence[StageResult]) -> list[str]:
    return [
        f"The run stopped early: {stage.stopped}. Its figures are over those rows only."
        for stage in stages
        if stage.stopped
    ]


def _of_bench(stages: Sequence[StageResult]) -> list[str]:
    """Metrics that nobody computed, answers that hold their reference without being exact."""
    return [
        f"bench: {stage.reason}."
        for stage in stages
        if stage.stage == "bench" and stage.status == "completed" and stage.reason
    ]


def system_cautions(
    experiment: Experiment, stages: Sequence[StageResult], system: str, *, is_model: bool
) -> list[str]:
    """Those that concern one system."""
    tally = (_metrics(stages, "backend_call").get("systems") or {}).get(system)
    seen = _seen_rows(experiment, stages) if is_model else []
    return [*seen, *(_failures(system, tally) if tally else [])]


def _metrics(stages: Sequence[StageResult], name: str) -> dict[str, Any]:
    return next((stage.metrics for stage in stages if stage.stage == name), {})


def _seen_rows(experiment: Experiment, stages: Sequence[StageResult]) -> list[str]:
    training = _metrics(stages, "backend_call").get("training")
    measured = experiment.dataset.split if experiment.dataset is not None else ""
    if not training:
        return []
    lines = []
    if measured in ("train", "all"):
        lines.append(
            f"The measured rows include the {count(training['rows'])} that the model was trained on: "
            "its figures say how well it remembers them."
        )
    chosen = experiment.backend.options.get("keep", "best") == "best"
    if measured in ("validation", "all") and chosen and training["held_out_loss"] is not None:
        lines.append("The measured rows include those that chose the checkpoint, which favours the model.")
    return lines


def _failures(name: str, tally: dict[str, Any]) -> list[str]:
    failed, asked = tally["failed"], tally["asked"]
    text = f"{count(failed)} of {count(asked)} requests to {name} failed; a failed request scores as an"
    return [f"{text} empty answer."] if failed else []
