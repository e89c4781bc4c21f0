"""``none``: adapters that do nothing, for pipelines without the domain. Each says so in what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from ...actors.ports import ScoreColumns
from ...messages.findings import OutputScores, PersistenceResult, SurrogateScore
from ...messages.flow import Sample
from ...messages.records import Output

__all__ = ["NoMetrics", "NoOptions", "NoSurrogates", "NoTda"]


class NoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """There is nothing to set."""


class NoMetrics:
    """Implements ``ports.MetricsAdapter`` without a score."""

    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    directions: ClassVar[Mapping[str, str]] = {}
    unbounded: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, options: NoOptions) -> None:
        del options

    @staticmethod
    def score_names(options: NoOptions) -> tuple[str, ...]:  # noqa: ARG004
        """Implements ``ports.NamesScores``: none."""
        return ()

    def score(self, sample: Sample, output: Output) -> OutputScores | None:  # noqa: ARG002
        """None."""
        return None

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:  # noqa: ARG002
        """``{"status": "skipped"}``."""
        return {"status": "skipped"}


class NoSurrogates:
    """Implements ``ports.SurrogateAdapter`` without a score."""

    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    unbounded: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, options: NoOptions) -> None:
        del options

    def score(self, sample: Sample, output: Output) -> SurrogateScore | None:  # noqa: ARG002
        """None."""
        return None

    def measure(self, score: SurrogateScore) -> OutputScores:
        """Nothing."""
        return OutputScores(system=score.system, scores={})

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:  # noqa: ARG002
        """``{"status": "skipped"}``."""
        return {"status": "skipped"}


class NoTda:
    """Implements ``ports.TdaAdapter`` without a diagram."""

    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    unbounded: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, options: NoOptions) -> None:
        del options

    def embed(self, sample: Sample, output: Output) -> None:
        """None."""

    def persistence(self, points: Any, *, system: str, sno_id: str) -> PersistenceResult:
        """Status ``skipped``."""
        return PersistenceResult(
            system=system, sno_id=sno_id, status="skipped", n_points=len(points), method="none"
        )

    def measure(self, score: PersistenceResult) -> OutputScores:
        """Nothing."""
        return OutputScores(system=score.system, scores={})

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:  # noqa: ARG002
        """``{"status": "skipped"}``."""
        return {"status": "skipped"}
