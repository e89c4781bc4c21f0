"""``fairness``: whether answers turn out alike for the groups of the data.

Of every output it takes a prediction (0 or 1): whether a score reaches ``cut``, or whether the answer is
``positive``. A label comes from the reference, with ``positive``, or from a field of the row. Rates, gaps and
intervals are computed by ``assess`` when all samples have passed. It changes no sample.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Protocol

from msgspec import Meta

from ...messages.base import Message
from ...messages.errors import StageError, near_match
from ...messages.experiment import FairnessConfig
from ...messages.fairness import Criterion, FairnessResult
from ...messages.flow import Sample, StageResult
from ...messages.records import Example, Output
from ..answer_words import words_of
from ..reference import extra_scores, reference_scores, right_answers
from ..scores import ClusterIndex

__all__ = ["AssessGroups", "Fairness", "FairnessOptions"]

MAX_GROUPS = 50
UNDEFINED = 2
"""Code of a prediction or label that is not known; the others stand for themselves."""
NO_LABEL = "no row has a label: set positive or label_field"


class FairnessOptions(Message, frozen=True):
    """Options of fairness; groups and criteria are in ``[reliability.fairness]``."""

    outcome: Annotated[
        str,
        Meta(
            min_length=1,
            description="The score that decides: that of exact_match, includes, ... or of analysis_metrics.",
        ),
    ] = "exact_match"
    cut: Annotated[float, Meta(description="A score of at least this is a positive outcome.")] = 0.5
    positive: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="The answer that is the positive outcome, instead of a score."),
    ] = None
    label_field: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Field of the rows that holds the true outcome, 0 or 1; instead of the reference."),
    ] = None
    threshold: Annotated[float, Meta(ge=0, le=1, description="The difference that is tolerated.")] = 0.1
    min_per_group: Annotated[
        int, Meta(ge=1, description="Fewest rows of a group whose rate is compared.")
    ] = 10
    fail_on_violation: Annotated[
        bool,
        Meta(description="End the run when a difference of the model exceeds the threshold."),
    ] = False


class AssessGroups(Protocol):
    """Rates of the groups of one system, and their gaps."""

    def __call__(
        self,
        system: str,
        groups: Sequence[str],
        rows: Iterable[tuple[int, int | None, int | None]],
        *,
        criteria: Sequence[Criterion],
        clusters: Sequence[int] | None,
        least: int,
        threshold: float,
        level: float,
        no_label: str,
    ) -> FairnessResult:
        """``rows``: number of the group, prediction, label."""
        ...


class Fairness:
    """Group rates over the stream."""

    restartable = True

    def __init__(
        self,
        assess: AssessGroups,
        config: FairnessConfig,
        options: FairnessOptions,
        *,
        model: str,
        level: float,
    ) -> None:
        self._assess = assess
        self._config = config
        self._options = options
        self._model = model
        self._level = level
        self._groups: dict[str, int] = {}
        self._counts: list[int] = []
        self._codes = array("B")
        self._labels = bytearray()
        self._columns: dict[str, bytearray] = {}
        self._clusters = ClusterIndex()
        self._without_group = 0
        self._too_many = False
        self._fields: dict[str, None] = {}
        self._scores: dict[str, None] = {}

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """All samples, untouched."""
        if self._config.enabled:
            answered = [sample for sample in samples if sample.outputs]
            predicted = await asyncio.to_thread(lambda: [self._predictions(sample) for sample in answered])
            for sample, predictions in zip(answered, predicted, strict=True):
                self._note(sample, predictions)
        return samples

    def _predictions(self, sample: Sample) -> list[int]:
        """One for each output, in their order."""
        example = sample.example
        scored = {each.system: each.scores for each in sample.scores}
        return [
            self._prediction(
                output,
                {
                    **extra_scores(output.text, example),
                    **scored.get(output.system, {}),
                    **reference_scores(output.text, right_answers(example)),
                },
            )
            for output in sample.outputs
        ]

    def _note(self, sample: Sample, predictions: Sequence[int]) -> None:
        example = sample.example
        code = self._group(example)
        if code is None:
            return
        rows = len(self._codes)
        self._codes.append(code)
        self._labels.append(self._label(example))
        self._clusters.add(example.group)
        for output, prediction in zip(sample.outputs, predictions, strict=True):
            column = self._columns.get(output.system)
            if column is None:
                column = self._columns[output.system] = bytearray([UNDEFINED]) * rows
            column.append(prediction)
        for column in self._columns.values():
            if len(column) == rows:  # this system did not answer here
                column.append(UNDEFINED)

    def _group(self, example: Example) -> int | None:
        """Number of the row's group; None when it has none."""
        assert self._config.group_by is not None
        value = _lookup(example.fields, self._config.group_by)
        if isinstance(value, bool):
            value = str(value).lower()
        if not isinstance(value, str | int | float):
            self._without_group += 1
            if not self._codes:
                self._fields |= dict.fromkeys(example.fields)
            return None
        number = self._groups.get(str(value))
        if number is None:
            if len(self._groups) == MAX_GROUPS:
                self._too_many = True
                return None
            number = self._groups[str(value)] = len(self._groups)
            self._counts.append(0)
        self._counts[number] += 1
        return number

    def _prediction(self, output: Output, scores: dict[str, float | None]) -> int:
        if self._options.positive is not None:
            return int(_same(output.text, self._options.positive))
        if self._options.outcome not in scores:
            self._scores |= dict.fromkeys(scores)
            return UNDEFINED
        score = scores[self._options.outcome]
        return UNDEFINED if score is None else int(score >= self._options.cut)

    def _label(self, example: Example) -> int:
        if self._options.label_field is not None:
            value = _lookup(example.fields, self._options.label_field)
            return int(value) if isinstance(value, int | float) and value in (0, 1) else UNDEFINED
        if self._options.positive is None or example.reference is None:
            return UNDEFINED
        return int(_same(example.reference, self._options.positive))

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Rates and gaps; StageError when the model exceeds the threshold and that is to fail."""
        reason = self._why_not()
        if reason is not None:
            return StageResult(stage="fairness", status="skipped", reason=reason)
        results = await asyncio.to_thread(self._compute)
        if self._options.fail_on_violation:
            self._refuse(results)
        options = self._options
        outcome = f"{options.outcome} >= {options.cut:g}"
        return StageResult(
            stage="fairness",
            status="completed",
            metrics={
                "group_by": self._config.group_by,
                "groups": dict(zip(self._groups, self._counts, strict=True)),
                "rows_without_group": self._without_group,
                "outcome": outcome if options.positive is None else f"the answer is {options.positive!r}",
                "label": self._label_text(),
                "threshold": options.threshold,
                "min_per_group": options.min_per_group,
            },
            fairness=tuple(results),
        )

    def release(self) -> None:
        """Drop the columns."""
        self._columns, self._clusters, self._codes = {}, ClusterIndex(), array("B")

    def _why_not(self) -> str | None:
        """Why there is nothing to say, if so."""
        if not self._config.enabled:
            return "fairness is off: reliability.fairness.enabled is false"
        if self._too_many:
            return (
                f"{self._config.group_by!r} has more than {MAX_GROUPS} different values, too many for groups"
            )
        if not self._codes:
            return self._no_groups()
        if self._scores and all(set(column) == {UNDEFINED} for column in self._columns.values()):
            name = self._options.outcome
            return f"no output has the score {name!r}{_hint(name, self._scores)}"
        return None

    def _no_groups(self) -> str:
        if not self._without_group:
            return "no output reached fairness"
        name = str(self._config.group_by)
        return f"no row has a text or number in the field {name!r}{_hint(name, self._fields)}"

    def _label_text(self) -> str | None:
        if self._options.label_field is not None:
            return f"field {self._options.label_field}"
        return None if self._options.positive is None else "the reference"

    def _compute(self) -> list[FairnessResult]:
        has_label = any(label != UNDEFINED for label in self._labels)
        clusters = self._clusters.clusters()
        return [
            self._assess(
                system,
                tuple(self._groups),
                (
                    (group, _defined(prediction), _defined(label))
                    for group, prediction, label in zip(self._codes, column, self._labels, strict=True)
                ),
                criteria=self._config.metrics,
                clusters=clusters,
                least=self._options.min_per_group,
                threshold=self._options.threshold,
                level=self._level,
                no_label="" if has_label else NO_LABEL,
            )
            for system, column in self._columns.items()
        ]

    def _refuse(self, results: Sequence[FairnessResult]) -> None:
        for result in results:
            for gap in result.gaps:
                if result.system == self._model and gap.verdict == "exceeds":
                    told = f"{gap.criterion}: {gap.highest} is {gap.value:.3g} above {gap.lowest}"
                    raise StageError("fairness", f"{told}, tolerated are {self._options.threshold:g}")


def _lookup(fields: dict[str, Any], key: str) -> Any:
    """The value of a field; a key with dots reaches into objects. None when it is not there."""
    if key in fields:
        return fields[key]
    value: Any = fields
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _same(left: str, right: str) -> bool:
    """Whether two texts are the same words, as exact_match sees them."""
    return words_of(left) == words_of(right)


def _defined(code: int) -> int | None:
    return None if code == UNDEFINED else code


def _hint(name: str, known: Iterable[str]) -> str:
    found = near_match(name, tuple(known))
    return f"; did you mean {found!r}?" if found else ""
