"""Commands to a run and events from it."""

from typing import Literal

from .base import Message
from .experiment import Experiment
from .flow import StageResult
from .report import Provenance

__all__ = [
    "Artifact",
    "Cancel",
    "Progress",
    "RunCompleted",
    "RunEvent",
    "RunResult",
    "RunStarted",
    "StageCompleted",
    "StageFailed",
    "StageStarted",
    "Start",
]


class Start(Message, frozen=True, tag=True):
    """Begin."""


class Cancel(Message, frozen=True, tag=True):
    """End the run early; finished stages keep their artefacts."""

    reason: str = "cancelled"


class Artifact(Message, frozen=True):
    """A file that the run left behind."""

    name: str
    path: str
    media_type: str
    bytes: int


class RunResult(Message, frozen=True):
    """All that a run came to."""

    run_id: str
    status: Literal["completed", "failed", "cancelled"]
    experiment: Experiment
    stages: tuple[StageResult, ...]
    artifacts: tuple[Artifact, ...] = ()
    started_at: str = ""
    """UTC, ISO 8601."""
    seconds: float = 0.0
    failure: str | None = None
    """One line: which stage failed and why."""
    stopped: str | None = None
    """One line: why a completed run ended, as it was told to, before all rows were asked."""
    failure_kind: Literal["input", "output", "stage", "bug"] | None = None
    """Who can mend a failed run: whoever gave the input, whoever owns the disk that results go to, whoever
    runs the stage's other side, or us."""
    provenance: Provenance | None = None
    base: str = ""
    """Folder that relative paths in the experiment count from."""

    def stage(self, name: str) -> StageResult:
        """The result of the stage called ``name``; KeyError when it did not run."""
        for result in self.stages:
            if result.stage == name:
                return result
        raise KeyError(name)


class RunStarted(Message, frozen=True, tag=True):
    """The run began; ``stages`` are those that will run, in order."""

    run_id: str
    experiment_id: str
    stages: tuple[str, ...]


class StageStarted(Message, frozen=True, tag=True):
    """A stage saw its first message."""

    stage: str


class Progress(Message, frozen=True, tag=True):
    """How far a stage is; ``total`` is None while it is unknown."""

    stage: str
    done: int
    total: int | None = None
    phase: str = ""
    """Part of the stage, for example train or sample; "" when it has only one."""
    note: str = ""
    """A short live figure, for example ``loss 0.412``."""


class StageCompleted(Message, frozen=True, tag=True):
    """A stage is done."""

    result: StageResult


class StageFailed(Message, frozen=True, tag=True):
    """A stage failed for good; the run ends."""

    stage: str
    reason: str


class RunCompleted(Message, frozen=True, tag=True):
    """The run is over, whatever its status."""

    result: RunResult


RunEvent = RunStarted | StageStarted | Progress | StageCompleted | StageFailed | RunCompleted
