"""All that a report is made of."""

from typing import Any

from msgspec import field

from .base import Message
from .experiment import Experiment
from .flow import StageResult
from .trace import Span

__all__ = ["DatasetFacts", "Provenance", "RunReport"]


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


class RunReport(Message, frozen=True):
    """The content of ``report.json``; the other formats show the same."""

    run_id: str
    status: str
    experiment: Experiment
    started_at: str
    seconds: float
    provenance: Provenance
    stages: tuple[StageResult, ...]
    dataset: DatasetFacts | None = None
    spans: tuple[Span, ...] = ()
    """Stage spans only; all spans are in ``trace.json``."""
    excerpts: tuple[dict[str, Any], ...] = ()
    """A few samples, worst and best scored, for readers."""
    failure: str | None = None
    report_version: int = 1
