"""TrainingV2: fine-tune and evaluate a model for claims, from objects or files, with any trainable backend.

Host side: it uses the whole engine, and the claim library knows nothing of it. Each step stands alone:
``prepare_dataset`` (or ``prepare_source``, ``prepare_triplets``), ``build_experiment``, ``train``, then
``evaluate``, ``save_checkpoint``, ``training_report``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ..engine import run
from ..messages.control import RunEvent
from ..messages.experiment import Experiment
from .dataset import Lineage, PreparedDataset, TrainingRow, prepare_dataset, prepare_source, prepare_triplets
from .experiment import TARGET_MODULES, build_experiment, warmup_steps
from .formats import sno_text, triplet_text
from .outcome import (
    CheckpointNotFoundError,
    Evaluation,
    NoCheckpointError,
    SavedCheckpoint,
    TrainingOutcome,
    evaluate,
    load_checkpoint,
    save_checkpoint,
    training_report,
)

__all__ = [
    "TARGET_MODULES",
    "CheckpointNotFoundError",
    "Evaluation",
    "Lineage",
    "NoCheckpointError",
    "PreparedDataset",
    "SavedCheckpoint",
    "TrainingOutcome",
    "TrainingRow",
    "build_experiment",
    "evaluate",
    "load_checkpoint",
    "prepare_dataset",
    "prepare_source",
    "prepare_triplets",
    "save_checkpoint",
    "sno_text",
    "train",
    "training_report",
    "triplet_text",
    "warmup_steps",
]


def train(
    experiment: Experiment,
    *,
    out: str | os.PathLike[str] = "runs",
    on_event: Callable[[RunEvent], None] | None = None,
) -> TrainingOutcome:
    """Run the job and wait for it; raises InputError and StageError as ``crucible.run`` does."""
    result = run(experiment, out=out, on_event=on_event)
    completed = datetime.now(UTC).isoformat(timespec="seconds")
    return TrainingOutcome(result=result, folder=str(Path(out) / result.run_id), completed_at=completed)
