"""Which scores of short answers ``bench`` gives, and which of them are worth showing.

``exact_match`` and ``token_f1`` stand in every run. The others come with the rows that can have them, and are
shown and compared when at least half of the rows with a reference have them, or when they are asked for by
name. ``includes`` is left out of answers that another stage has scored: there it says nothing new (the claims
of ``analysis_metrics``). The scores themselves are those of ``reference``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..messages.findings import OutputScores
from ..messages.flow import Sample
from ..messages.records import Example
from .reference import EXTRA_METHODS, METHOD, extra_scores, reference_scores, right_answers
from .scores import Columns

__all__ = ["NEEDS", "OWN", "AnswerScoring"]

OWN: tuple[str, ...] = ("exact_match", "token_f1")
NEEDS = {
    "includes": "a reference",
    "numeric_match": "a number as its reference",
    "choice_match": "choices and a reference that names one of them",
}
"""What a row must have for one of the others."""


class AnswerScoring:
    """Scores of answers against their rows."""

    def __init__(self, *, asked: frozenset[str]) -> None:
        """``asked``: metrics that are named in the options."""
        self._asked = asked
        self.extra: dict[str, None] = {}
        """The scores beside ``OWN`` that rows had; kept by the stage."""

    def score(self, sample: Sample) -> tuple[Sample, tuple[str, ...]]:
        """The sample with these scores beside those it has, and the names of those beside ``OWN``."""
        extra: dict[str, None] = {}
        analysed = {scores.system: scores for scores in sample.scores}
        merged = []
        for output in sample.outputs:
            known = analysed.pop(output.system, None) or OutputScores(system=output.system, scores={})
            own, methods = self.scores_of(output.text, sample.example, known.scores)
            extra |= dict.fromkeys(name for name in own if name not in OWN)
            merged.append(
                msgspec.structs.replace(
                    known, scores={**known.scores, **own}, methods={**known.methods, **methods}
                )
            )
        return msgspec.structs.replace(sample, scores=(*merged, *analysed.values())), tuple(extra)

    def scores_of(
        self, text: str, example: Example, known: Mapping[str, float | None] | None = None
    ) -> tuple[dict[str, float | None], dict[str, str]]:
        """Scores of one answer and their methods; ``known``: what others scored of it."""
        known = known or {}
        extra = {name: value for name, value in extra_scores(text, example).items() if name not in known}
        if known and "includes" not in self._asked:
            extra.pop("includes", None)
        methods = dict.fromkeys(OWN, METHOD) | {name: EXTRA_METHODS[name] for name in extra}
        return {**reference_scores(text, right_answers(example)), **extra}, methods

    def unasked(
        self, example: Example, extra: Sequence[str]
    ) -> tuple[dict[str, float | None], dict[str, str]]:
        """The scores that a system has which was not asked, where the others have ``extra``."""
        scores, methods = self.scores_of("", example)
        return {name: scores[name] for name in (*OWN, *extra) if name in scores}, methods

    def names(self, model: Columns) -> list[str]:
        """The scores to be shown, going by the rows of the model."""
        half = _defined(model.values(OWN[0])) / 2
        found = [name for name in EXTRA_METHODS if name in self.extra]
        return [*OWN, *(n for n in found if n in self._asked or _defined(model.values(n)) >= half)]

    def inexact(self, systems: Mapping[str, Columns]) -> list[str]:
        """A line for each system whose answers hold the reference and say more."""
        if "includes" not in self.extra:
            return []
        found = (
            _inexact(name, columns.values("includes"), columns.values("exact_match"))
            for name, columns in systems.items()
        )
        return [text for text in found if text is not None]


def _inexact(system: str, included: Sequence[float], exact: Sequence[float]) -> str | None:
    """One line when at least half of the answers hold their reference and at most half of those are exact."""
    held, same, rows = _count(included, 1.0), _count(exact, 1.0), _defined(included)
    if held < 2 or 2 * held < rows or 2 * same > held:
        return None
    return (
        f"{system}: exact_match is 1 in {same} of {rows} answers, "
        f"though the reference stands in {held}: see includes"
    )


def _count(values: Sequence[float], wanted: float) -> int:
    return sum(value == wanted for value in values)


def _defined(values: Sequence[float]) -> int:
    return sum(value == value for value in values)  # NaN is not itself
