"""All that a report is made of."""

from typing import Literal

from msgspec import field

from .base import Message
from .experiment import Experiment
from .flow import Sample, StageResult
from .records import Dialectic, Example, Output, Race
from .trace import Span

__all__ = [
    "DatasetFacts",
    "Disagreement",
    "Excerpt",
    "Picks",
    "Provenance",
    "RunReport",
    "ShownDialectic",
    "SlowRequest",
]


class DatasetFacts(Message, frozen=True):
    """What was loaded."""

    name: str
    provider: str
    sha256: str
    """Of the file's bytes, or of the canonical JSON of the rows when there is no file."""
    rows: int
    bad_rows: int
    splits: dict[str, int]
    sources: tuple[str, ...] = ()


class Provenance(Message, frozen=True):
    """What is needed to run the same again."""

    seed: int
    crucible: str
    python: str
    platform: str
    packages: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    experiment_sha256: str = ""


class Excerpt(Message, frozen=True):
    """One sample shown to readers, and why it was picked."""

    rank: Literal["worst", "best", "apart"]
    """By the score of the model, or by how far the systems stand apart on it."""
    metric: str
    """The score that it was ranked by."""
    score: float
    """Of the model on this sample."""
    sample: Sample
    other: str | None = None
    """The system that is furthest from the model, of a sample on which they stand apart."""


class SlowRequest(Message, frozen=True):
    """One of the slowest requests, and what happened to it."""

    example_id: str
    system: str
    latency_s: float
    ensemble: str | None = None
    """Whose member the system is; None when it answered for itself."""
    attempts: int = 1
    error: str | None = None
    race: Race | None = None


class Disagreement(Message, frozen=True):
    """A row on which the members of an ensemble disagreed."""

    example: Example
    output: Output
    """Of the ensemble, with the ballots."""


class ShownDialectic(Message, frozen=True):
    """An example that was argued over, in the ``shown`` of the stage ``dialectic``; without raw replies."""

    example_id: str
    system: str
    dialectic: Dialectic


class Picks(Message, frozen=True):
    """Samples and requests that were picked for readers."""

    excerpts: tuple[Excerpt, ...] = ()
    """Worst and best scored, then those on which the systems differ most."""
    slowest: tuple[SlowRequest, ...] = ()
    """Slowest first; only of runs that raced or voted."""
    disagreements: tuple[Disagreement, ...] = ()
    """Least agreement first."""


class RunReport(Message, frozen=True):
    """The content of ``report.json``; the other formats show the same."""

    run_id: str
    status: str
    experiment: Experiment
    started_at: str
    seconds: float
    """From the start of the run to the end of the last stage before this report."""
    provenance: Provenance
    stages: tuple[StageResult, ...]
    dataset: DatasetFacts | None = None
    spans: tuple[Span, ...] = ()
    """Stage spans only; all spans are in ``trace.json``."""
    excerpts: tuple[Excerpt, ...] = ()
    """A few samples, worst and best scored, and those on which the systems differ most, for readers."""
    slowest: tuple[SlowRequest, ...] = ()
    """The slowest requests, slowest first; only of runs that raced or voted."""
    disagreements: tuple[Disagreement, ...] = ()
    """Rows on which the members of the ensemble agreed least, the least first."""
    failure: str | None = None
    report_version: int = 1
