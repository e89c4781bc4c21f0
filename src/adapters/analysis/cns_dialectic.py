"""What the agents of a dialectic know of claims, made from options: words, or a trained model of entailment.

Called by the composition. Rows are argued over in several threads; a trained model is asked by one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...messages.claims import PassageDocument
from ..cns.critics import LEXICAL, model_profile
from ..cns.critics.profiles import Judged
from ..cns.dialectic import CnsArguments
from ..entailment.lexical import LexicalEntailment

if TYPE_CHECKING:
    from ..entailment.nli import NliEntailment

__all__ = ["OneAtATime", "make_arguments"]


class OneAtATime:
    """A model of natural-language inference that one thread at a time may ask."""

    def __init__(self, model: NliEntailment) -> None:
        self._model = model
        self._turn = threading.Lock()

    @property
    def method(self) -> str:
        """The model's name."""
        return self._model.method

    def verdicts(self, pairs: Sequence[tuple[str, str]]) -> Sequence[Judged]:
        """Probabilities of (premise, hypothesis) pairs."""
        with self._turn:
            return self._model.verdicts(pairs)

    def support(self, claim: str, document: PassageDocument) -> float:
        """How far a document bears out a claim."""
        with self._turn:
            return self._model.support(claim, document)


def make_arguments(
    *, weights: Mapping[str, float], most: int, nli: NliEntailment | None = None
) -> CnsArguments:
    """``nli`` is None for words alone; with it, evidence, opposition and critics are the model's."""
    if nli is None:
        return CnsArguments(LexicalEntailment().support, weights=weights, most=most, profile=LEXICAL)
    model = OneAtATime(nli)
    return CnsArguments(model.support, weights=weights, most=most, profile=model_profile(scorer=model))
