"""``samples.jsonl``: one line per example, written as the run goes, so memory stays flat."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ...messages.base import Message
from ...messages.control import Artifact
from ...messages.errors import OutputError
from ...messages.findings import PersistenceResult, SurrogateScore, Verdict
from ...messages.flow import Sample
from ...messages.records import Output
from .files import publish
from .text import encode_json

__all__ = ["SampleLine", "SampleWriter", "sample_line"]


class SampleLine(Message, frozen=True):
    """One line of ``samples.jsonl``; the mappings are keyed by system."""

    id: str
    split: str
    group: str | None
    source: str | None
    line: int | None
    input: str
    reference: str | None
    outputs: dict[str, Output]
    scores: dict[str, dict[str, float | None]]
    methods: dict[str, dict[str, str]]
    details: dict[str, dict[str, Any]]
    verdicts: tuple[Verdict, ...]
    surrogates: dict[str, SurrogateScore]
    persistence: dict[str, PersistenceResult]
    alternatives: tuple[str, ...] = ()
    """Other right answers beside the reference."""


def sample_line(sample: Sample) -> SampleLine:
    """The line of a sample."""
    example = sample.example
    return SampleLine(
        id=example.id,
        split=example.split,
        group=example.group,
        source=example.source,
        line=example.line,
        input=example.input,
        reference=example.reference,
        alternatives=example.alternatives,
        outputs={output.system: output for output in sample.outputs},
        scores={scored.system: scored.scores for scored in sample.scores},
        methods={scored.system: scored.methods for scored in sample.scores},
        details={scored.system: scored.details for scored in sample.scores if scored.details},
        verdicts=sample.verdicts,
        surrogates={surrogate.system: surrogate for surrogate in sample.surrogates},
        persistence={result.system: result for result in sample.persistence},
    )


class SampleWriter:
    """Appends to ``samples.jsonl.partial``, which becomes ``samples.jsonl`` when the run is whole."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "samples.jsonl"
        self._partial = folder / "samples.jsonl.partial"
        self._file: BinaryIO | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb")
        except OSError as error:
            raise OutputError(f"{error.filename}: cannot be written: {error.strerror}") from error

    def write(self, samples: Sequence[Sample]) -> None:
        """Append one line per sample, and hand them to the system."""
        if self._file is None:
            raise OutputError(f"{self._path}: is already closed")
        try:
            self._file.write(b"".join(encode_json(sample_line(sample)) + b"\n" for sample in samples))
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror}") from error

    def finish(self) -> Artifact:
        """Close and give the file its final name."""
        self.close()
        return publish(self._partial, self._path)

    def close(self) -> None:
        """Sync and close; the file keeps its partial name. Idempotent."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with file:
            file.flush()
            os.fsync(file.fileno())
