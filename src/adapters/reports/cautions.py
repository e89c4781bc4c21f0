"""What a reader has to know before believing the figures of a report, in one sentence each.

Called by the overview, which puts these sentences first. Pure; it finds what the stages have measured and
measures nothing itself.
"""

from __future__ import annotations

from typing import Any

from ...messages.report import RunReport
from .numbers import count

__all__ = ["cautions"]


def cautions(report: RunReport) -> list[str]:
    """Rows that were measured although training saw them, and systems with failed requests."""
    found: dict[str, Any] = next((s.metrics for s in report.stages if s.stage == "backend_call"), {})
    return [*_seen_rows(report, found.get("training")), *_failures(found.get("systems") or {})]


def _seen_rows(report: RunReport, training: dict[str, Any] | None) -> list[str]:
    dataset = report.experiment.dataset
    measured = dataset.split if dataset is not None else ""
    if not training:
        return []
    lines = []
    if measured in ("train", "all"):
        lines.append(
            f"The measured rows include the {count(training['rows'])} that the model was trained on: "
            "its figures say how well it remembers them."
        )
    chosen = report.experiment.backend.options.get("keep", "best") == "best"
    if measured in ("validation", "all") and chosen and training["held_out_loss"] is not None:
        lines.append("The measured rows include those that chose the checkpoint, which favours the model.")
    return lines


def _failures(systems: dict[str, Any]) -> list[str]:
    return [
        f"{count(tally['failed'])} of {count(tally['asked'])} requests to {name} failed; a failed request "
        "scores as an empty answer."
        for name, tally in systems.items()
        if tally["failed"]
    ]
