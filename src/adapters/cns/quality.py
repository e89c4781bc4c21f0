"""One figure for a whole answer, and the targets of a whole set."""

from __future__ import annotations

from .scores import Score

__all__ = ["QUALITY_METHOD", "TARGETS", "WEIGHTS", "meets", "overall_quality"]

WEIGHTS = {"schema": 0.25, "citation": 0.25, "entailment": 0.30, "topology": 0.10, "polarity": 0.10}

TARGETS = {
    "schema_compliance": 0.95,
    "citation_precision": 0.95,
    "citation_recall": 0.95,
    "mean_entailment": 0.50,
}

QUALITY_METHOD = (
    ".25 schema_compliance + .25 citation_f1 + .30 mean_entailment "
    "+ .10 no extra loop + .10 no extra conflict"
)


def overall_quality(
    *, schema: float, citation: Score, entailment: Score, extra_loops: int, extra_conflict: bool
) -> Score:
    """Weighted mean in [0, 1] of five parts; None when the citation or the entailment part is not defined.

    ``citation`` is citation_f1, ``entailment`` mean_entailment. ``extra_loops`` is by how much β₁ exceeds
    that of the reference (that of a tree where there is none); ``extra_conflict`` says that c1 is supported
    and refuted although the reference does not have it so.
    """
    if citation is None or entailment is None:
        return None
    return (
        WEIGHTS["schema"] * schema
        + WEIGHTS["citation"] * citation
        + WEIGHTS["entailment"] * entailment
        + WEIGHTS["topology"] * (1.0 - min(1, extra_loops))
        + WEIGHTS["polarity"] * (not extra_conflict)
    )


def meets(means: dict[str, Score]) -> bool | None:
    """Whether every target is met by the means of a set.

    False as soon as one is missed; None when none is missed but one is not defined.
    """
    values = {name: means.get(name) for name in TARGETS}
    if any(value is not None and value < TARGETS[name] for name, value in values.items()):
        return False
    return None if None in values.values() else True
