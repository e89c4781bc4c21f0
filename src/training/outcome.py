"""What a training job came to: figures, checkpoint references that can be stored, a report as text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..adapters.reports.files import write_whole
from ..messages.base import Message
from ..messages.control import RunResult
from ..messages.errors import InputError, OutputError
from ..messages.findings import Comparison, Metric
from ..messages.records import CheckpointRef

__all__ = [
    "CheckpointNotFoundError",
    "Evaluation",
    "NoCheckpointError",
    "SavedCheckpoint",
    "TrainingOutcome",
    "evaluate",
    "load_checkpoint",
    "save_checkpoint",
    "training_report",
]


class NoCheckpointError(InputError):
    """The job left no checkpoint: it failed before the first, or nothing was trained."""


class CheckpointNotFoundError(InputError):
    """There is no stored checkpoint at this path."""


class TrainingOutcome(Message, frozen=True):
    """A finished job."""

    result: RunResult
    folder: str
    completed_at: str

    @property
    def checkpoint(self) -> CheckpointRef | None:
        """The one that was sampled: with the lowest held-out loss, or the last."""
        found = [ref for stage in self.result.stages for ref in stage.checkpoints]
        if not found:
            return None
        best = self.result.experiment.backend.options.get("keep", "best") == "best"
        judged = [ref for ref in found if ref.loss is not None]
        return min(judged, key=lambda ref: ref.loss or 0.0) if best and judged else found[-1]


class Evaluation(Message, frozen=True):
    """The figures of the measured rows, and the comparisons with the baselines."""

    split: str
    figures: tuple[Metric, ...]
    comparisons: tuple[Comparison, ...]


class SavedCheckpoint(Message, frozen=True):
    """A reference to weights: where they are, which job made them, how it scored."""

    checkpoint: CheckpointRef
    experiment_id: str
    run_id: str
    saved_at: str
    metrics: dict[str, float | None]


def evaluate(outcome: TrainingOutcome) -> Evaluation:
    """What the run measured; nothing is asked again. Empty when it only trained."""
    dataset = outcome.result.experiment.dataset
    return Evaluation(
        split=dataset.split if dataset is not None else "",
        figures=tuple(figure for stage in outcome.result.stages for figure in stage.figures),
        comparisons=tuple(each for stage in outcome.result.stages for each in stage.comparisons),
    )


def save_checkpoint(outcome: TrainingOutcome, path: str | Path) -> Path:
    """Write ``<path>.meta.json``: the reference, not the weights. Raises NoCheckpointError, OutputError."""
    checkpoint = outcome.checkpoint
    if checkpoint is None:
        raise NoCheckpointError(f"{outcome.result.run_id}: the run left no checkpoint")
    model = outcome.result.experiment.backend.name or outcome.result.experiment.backend.id
    saved = SavedCheckpoint(
        checkpoint=checkpoint,
        experiment_id=outcome.result.experiment.id,
        run_id=outcome.result.run_id,
        saved_at=datetime.now(UTC).isoformat(timespec="seconds"),
        metrics={each.name: each.value for each in evaluate(outcome).figures if each.system == model},
    )
    target = _meta(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror}") from None
    write_whole(target, msgspec.json.format(msgspec.json.encode(saved), indent=2) + b"\n")
    return target


def load_checkpoint(path: str | Path) -> SavedCheckpoint:
    """What ``save_checkpoint`` wrote. Raises CheckpointNotFoundError, or InputError for another file."""
    target = _meta(path)
    try:
        return msgspec.json.decode(target.read_bytes(), type=SavedCheckpoint)
    except FileNotFoundError:
        raise CheckpointNotFoundError(f"{target}: no stored checkpoint") from None
    except OSError as error:
        raise InputError(f"{target}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{target}: is not a stored checkpoint: {error}") from None


def _meta(path: str | Path) -> Path:
    given = Path(path)
    return given if given.name.endswith(".meta.json") else given.with_name(f"{given.name}.meta.json")


def training_report(outcome: TrainingOutcome) -> str:
    """The job in a few sections of text. What was not measured is said to be so."""
    result, experiment = outcome.result, outcome.result.experiment
    options = experiment.backend.options
    counts = experiment.metadata.get("counts", {})
    losses = [point for stage in result.stages for point in stage.losses]
    trained = [point for point in losses if point.split == "train"]
    held_out = [point for point in losses if point.split == "validation"]
    best = min(held_out, key=lambda point: point.loss, default=None)
    sections = {
        "Dataset": {split: counts.get(split) for split in ("train", "validation", "test")},
        "Training": {
            "steps": max((point.step for point in losses), default=None),
            "final training loss": trained[-1].loss if trained else None,
            "lowest held-out loss": best.loss if best else None,
            "at epoch": best.epoch if best else None,
        },
        "Model": {
            "backend": experiment.backend.id,
            "base model": options.get("base_model", "none"),
            "LoRA rank": options.get("lora_rank", "none"),
            "target": experiment.metadata.get("target", "none"),
            "checkpoint": outcome.checkpoint.uri if outcome.checkpoint else "none",
        },
    }
    lines = [f"Experiment {experiment.id}, run {result.run_id}: {result.status}"]
    for title, facts in sections.items():
        lines += ["", title, *(f"  {name}: {_shown(value)}" for name, value in facts.items())]
    lines += ["", "Evaluation", *(_evaluation_lines(evaluate(outcome)) or ["  not measured"])]
    return "\n".join(lines) + "\n"


def _evaluation_lines(found: Evaluation) -> list[str]:
    rows = f"rows of {found.split}"
    return [
        f"  {each.name} of {each.system}: {_shown(each.value)} on {each.n} {rows} ({each.method})"
        for each in found.figures
        if each.system
    ]


def _shown(value: object) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
