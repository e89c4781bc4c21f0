"""When a dialectic ends, as pure functions of what was measured. Called by the coordinator.

The rule of the CNS reference (confidence >= .85, coherence >= .80, evidence >= .35) is one of several here:
without evidence its recursion of confidences falls to 0.25, so that it alone may never hold. The rule on
chirality and entanglement is that of the theory: a synthesis is worth making where both sides stand apart
over the same evidence. A change is one of text and of score, not of confidence alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...messages.dialectic import Assessment, StopReason
from .settings import DialecticOptions

__all__ = ["Stop", "after_objections", "after_round", "chosen_round"]


class Stop(NamedTuple):
    """Why it ends."""

    reason: StopReason
    why: str


def after_objections(
    options: DialecticOptions, *, chirality: float, rival: bool, entanglement: float | None
) -> Stop | None:
    """Whether what was objected is worth a synthesis.

    Args:
        options: of the stage.
        chirality: mean over the challenges, 0 without any.
        rival: whether there is an antithesis.
        entanglement: of thesis and antithesis; None when neither has evidence, which ends nothing.
    """
    if not rival and chirality < options.min_chirality:
        told = f"no antithesis, and challenges of a mean weight of {chirality:.2f}"
        return Stop("no_conflict", f"{told}, below min_chirality = {options.min_chirality:g}")
    if rival and entanglement is not None and entanglement < options.min_entanglement:
        told = f"thesis and antithesis share {entanglement:.2f} of their evidence"
        return Stop("apart", f"{told}, below min_entanglement = {options.min_entanglement:g}")
    return None


def after_round(options: DialecticOptions, rounds: Sequence[Assessment]) -> Stop | None:
    """Whether it ends now; ``rounds`` are the thesis and then each synthesis so far."""
    done, now = len(rounds) - 1, rounds[-1]
    if done >= options.min_rounds:
        stop = _good(options, now) or (_settled(options, rounds[-2], now) if done else None)
        if stop is not None:
            return stop
    if done >= options.max_rounds:
        return Stop("max_rounds", f"max_rounds = {options.max_rounds} rounds were held")
    return None


def _good(options: DialecticOptions, now: Assessment) -> Stop | None:
    if now.score is not None and now.score >= options.target:
        return Stop("target", f"the critics give {now.score:.3f}, target = {options.target:g}")
    measured = (now.confidence, now.coherence, now.evidence)
    if (
        now.confidence >= options.confidence
        and now.coherence >= options.coherence
        and now.evidence >= options.evidence
    ):
        return Stop("coherent", "confidence {:.2f}, coherence {:.2f}, evidence {:.2f}".format(*measured))
    return None


def _settled(options: DialecticOptions, before: Assessment, now: Assessment) -> Stop | None:
    if now.change is None or (before.score is None) != (now.score is None):
        return None
    moved = 0.0 if before.score is None or now.score is None else abs(now.score - before.score)
    if now.change < options.epsilon and moved < options.epsilon:
        told = f"text changed by {now.change:.3f}, score by {moved:.3f}"
        return Stop("settled", f"{told}, epsilon = {options.epsilon:g}")
    return None


def chosen_round(options: DialecticOptions, rounds: Sequence[Assessment]) -> int:
    """Which of thesis (0) and syntheses is the answer: the last, or the best scored, the later of equals."""
    if options.keep == "last":
        return len(rounds) - 1
    return max(range(len(rounds)), key=lambda number: (_score(rounds[number]), number))


def _score(found: Assessment) -> float:
    return -1.0 if found.score is None else found.score
