"""What stages pass to each other."""

from typing import Any, Literal

from msgspec import field

from .base import Message
from .fairness import FairnessResult
from .findings import (
    Comparison,
    Correlation,
    Distribution,
    Issue,
    Metric,
    OutputScores,
    PersistenceResult,
    Ranking,
    SurrogateScore,
    Verdict,
    Watched,
)
from .records import CheckpointRef, Example, LossTerm, Output

__all__ = ["Batch", "EndOfStream", "LossPoint", "Sample", "StageResult"]


class Sample(Message, frozen=True):
    """An example on its way through the pipeline, with all that was learned of it so far."""

    example: Example
    outputs: tuple[Output, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    surrogates: tuple[SurrogateScore, ...] = ()
    persistence: tuple[PersistenceResult, ...] = ()
    scores: tuple[OutputScores, ...] = ()


class Batch(Message, frozen=True, tag=True):
    """Samples in their original order; ``index`` counts batches from 0 without a gap."""

    index: int
    samples: tuple[Sample, ...]


class EndOfStream(Message, frozen=True, tag=True):
    """No further batch will come; ``batches`` and ``samples`` say how many there were."""

    batches: int
    samples: int


class LossPoint(Message, frozen=True):
    """A point of a loss curve. Mean loss per unit of weight."""

    step: int
    epoch: float
    loss: float
    split: Literal["train", "validation"]
    weight: float = 1.0
    """Units (tokens, labels, ...) that the mean is over: means of several points are weighted by it."""
    learning_rate: float | None = None
    terms: tuple[LossTerm, ...] = ()
    """Of a loss of several terms; ``loss`` is that of the first alone."""


class StageResult(Message, frozen=True, tag=True):
    """What a stage has to say when it is done."""

    stage: str
    status: Literal["completed", "skipped", "failed"]
    received: int = 0
    """Samples that came in."""
    emitted: int = 0
    """Samples that went on."""
    started_s: float = 0.0
    """Seconds after the run began."""
    seconds: float = 0.0
    busy_seconds: float = 0.0
    reason: str | None = None
    stopped: str | None = None
    """One line: why it ended, as it was told to, before all was done; None when it did all."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """JSON-ready figures of this stage, keyed by name."""
    figures: tuple[Metric, ...] = ()
    """Scores over many examples."""
    described: tuple[Metric, ...] = ()
    """Means of what answers are like, which is no score: the shape of their claims."""
    correlations: tuple[Correlation, ...] = ()
    """How far two such figures go together over the answers of a system."""
    issues: tuple[Issue, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    losses: tuple[LossPoint, ...] = ()
    checkpoints: tuple[CheckpointRef, ...] = ()
    set_persistence: tuple[PersistenceResult, ...] = ()
    """Persistent homology of the whole set, one per system."""
    watched: tuple[Watched, ...] = ()
    """Comparisons that could be looked at while the run went on."""
    rankings: tuple[Ranking, ...] = ()
    """Three or more systems ranked on one metric each."""
    fairness: tuple[FairnessResult, ...] = ()
    """Rates of groups and their gaps, one per system."""
    distributions: tuple[Distribution, ...] = ()
    """Histograms of the scores, for the plots of the report."""
