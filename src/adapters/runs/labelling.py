"""Answers of a finished run for people to judge, and what the machine thought of the same ones.

Called by ``crucible label``. A queue is a list of answers, the most doubtful first, that a person labels
``accept``, ``reject`` or ``unsure``. It does not say what the machine thinks, so that it does not lead the
person; the rule that the machine judges by stands in each line, and its verdict is formed anew when labels
come back.

The rule is either a score with a threshold, or the flags of the antagonist (accept: no flag). Pure functions
over ``SampleLine``; files are read and written by ``label_files``.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from ...messages.base import Message
from ...messages.errors import InputError
from ..cns.flags import Flag, FlagThresholds, flag_answer
from ..cns.graph import polarity_conflict
from ..cns.opposition import contested
from ..cns.parser import read_answer
from ..cns.text import token_f1
from ..reports.samples import SampleLine

__all__ = [
    "Label",
    "LabelItem",
    "Order",
    "Rule",
    "Verdict",
    "flag_sample",
    "judged",
    "queue",
    "rule_of",
]

Label = Literal["accept", "reject", "unsure"]
Verdict = Literal["accept", "reject"]
Order = Literal["doubt", "flags", "random"]
_SEVERITY = {"high": 3, "medium": 2, "low": 1}


class Rule(Message, frozen=True):
    """How the machine judges: a score from a threshold on, or no flag."""

    metric: str | None = None
    threshold: float = 0.5
    flags: FlagThresholds | None = None


class LabelItem(Message, frozen=True):
    """One line of a queue; people fill in ``label``, and ``labeller`` and ``note`` as they like."""

    example: Annotated[str, Meta(min_length=1)]
    system: Annotated[str, Meta(min_length=1)]
    rule: Rule
    input: str = ""
    output: str = ""
    reference: str | None = None
    label: Label | None = None
    labeller: str = ""
    note: str = ""


def rule_of(metric: str | None, threshold: float, flags: FlagThresholds) -> Rule:
    """The rule of these options."""
    if metric is None:
        return Rule(flags=flags)
    if not math.isfinite(threshold):
        raise InputError(f"threshold: expected a finite number, got {threshold}")
    return Rule(metric=metric, threshold=threshold)


def flag_sample(sample: SampleLine, system: str, thresholds: FlagThresholds) -> Flag | None:
    """The flag of one system's answer to one example."""
    answer = read_answer(sample.outputs[system].text)[1]
    reference = read_answer(sample.reference)[1] if sample.reference else None
    said = [
        next((claim.text for claim in document.claims if claim.id == "c1"), None)
        for document in (answer, reference)
        if document is not None
    ]
    both = [text for text in said if text]
    return flag_answer(
        sample.id,
        system,
        sample.scores.get(system, {}),
        contradiction=contested(both[0], both[1], token_f1) if len(both) == 2 else None,
        conflict_expected=reference is not None and bool(polarity_conflict(reference)),
        thresholds=thresholds,
    )


def judged(sample: SampleLine, system: str, rule: Rule) -> Verdict | None:
    """What the machine thinks of an answer; None where the score that it judges by is not defined."""
    if rule.metric is None:
        return "reject" if flag_sample(sample, system, rule.flags or FlagThresholds()) else "accept"
    value = sample.scores.get(system, {}).get(rule.metric)
    return None if value is None else "accept" if value >= rule.threshold else "reject"


def queue(
    samples: Iterable[SampleLine],
    rule: Rule,
    *,
    size: int,
    order: Order = "doubt",
    systems: Sequence[str] = (),
    seed: int = 0,
) -> list[tuple[str, str]]:
    """Example and system of the answers to be labelled, first things first.

    Args:
        samples: of the run.
        rule: how the machine judges; an answer that it cannot judge is left out.
        size: most answers.
        order: ``doubt``: scores closest to the threshold (under flags to the nearest threshold) first;
            ``flags``: gravest flags first; ``random``: a seeded draw, the only one whose agreement speaks for
            the whole run.
        systems: whose answers; all by default.
        seed: of the draw, and of ties.
    """
    if order == "flags" and rule.metric is not None:
        raise InputError("order: flags goes by flags; it cannot be used with a metric")

    def ranked() -> Iterator[tuple[tuple[float, float], str, str, str]]:
        for sample in samples:
            for system in sample.outputs:
                if systems and system not in systems:
                    continue
                rank = _rank(sample, system, rule, order)
                if rank is not None:
                    yield rank, _draw(seed, sample.id, system), sample.id, system

    return [(example, system) for *_, example, system in heapq.nsmallest(size, ranked())]


def _rank(sample: SampleLine, system: str, rule: Rule, order: Order) -> tuple[float, float] | None:
    if judged(sample, system, rule) is None:
        return None
    if order == "random":
        return 0.0, 0.0
    if order == "flags":
        flag = flag_sample(sample, system, rule.flags or FlagThresholds())
        return (-_SEVERITY[flag.severity], -len(flag.issues)) if flag else (0.0, 0.0)
    return _distance(sample, system, rule), 0.0


def _distance(sample: SampleLine, system: str, rule: Rule) -> float:
    """How far the scores are from where the verdict would turn."""
    scores = sample.scores.get(system, {})
    limits = rule.flags or FlagThresholds()
    pairs = (
        [(scores.get(rule.metric), rule.threshold)]
        if rule.metric is not None
        else [
            (scores.get("chirality"), limits.chirality),
            (scores.get("mean_entailment"), limits.entailment),
        ]
    )
    return min((abs(value - limit) for value, limit in pairs if value is not None), default=math.inf)


def _draw(seed: int, example: str, system: str) -> str:
    return hashlib.sha256(f"{seed}\0{example}\0{system}".encode("utf-8", "surrogatepass")).hexdigest()
