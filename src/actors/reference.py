"""Scores that need nothing but the answer and its row, so that ``bench`` always has data.

Exact match and token F1 over normalised words (``answer_words``), the best over all right answers, as in
SQuAD (Rajpurkar et al. 2016). ``extra_scores`` has those that only some rows can have. Pure functions;
nothing is defined for a row without a reference. They do not judge meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..messages.records import Example
from . import answer_words
from .answer_numbers import last_number, number_of
from .answer_words import holds_words, words_of
from .choices import chosen, options_of, right_option

__all__ = ["EXTRA_METHODS", "METHOD", "extra_scores", "reference_scores", "right_answers"]

METHOD = answer_words.METHOD
EXTRA_METHODS = {
    "includes": METHOD,
    "numeric_match": "last number of the answer",
    "choice_match": "letter or text of the option",
}
"""How each of ``extra_scores`` comes about."""


def right_answers(example: Example) -> tuple[str, ...]:
    """All right answers of a row, the reference first; none without a reference."""
    return () if example.reference is None else (example.reference, *example.alternatives)


def reference_scores(text: str, references: Sequence[str]) -> dict[str, float | None]:
    """``exact_match`` and ``token_f1`` in [0, 1], each the best over ``references``; None without one."""
    if not references:
        return {"exact_match": None, "token_f1": None}
    mine = words_of(text)
    found = [_match(mine, words_of(reference)) for reference in references]
    return {"exact_match": max(exact for exact, _ in found), "token_f1": max(f1 for _, f1 in found)}


def _match(mine: tuple[str, ...], gold: tuple[str, ...]) -> tuple[float, float]:
    exact = float(mine == gold)
    if not mine or not gold:
        return exact, exact
    shared = sum((Counter(mine) & Counter(gold)).values())
    return exact, 2 * shared / (len(mine) + len(gold))


def extra_scores(text: str, example: Example) -> dict[str, float]:
    """The scores that this row can have.

    ``includes``: a right answer stands in the answer, as whole words in a row. ``numeric_match``, where all
    right answers are numbers: the last number of the answer is one of them. ``choice_match``, where the row
    has options and the reference names one: the answer chose it.
    """
    references = right_answers(example)
    if not references:
        return {}
    mine = words_of(text)
    parts = [part for part in map(words_of, references) if part]
    scores: dict[str, float] = {}
    if parts:
        scores["includes"] = float(any(holds_words(mine, part) for part in parts))
    numbers = [number_of(reference) for reference in references]
    if None not in numbers:
        scores["numeric_match"] = float(last_number(text) in numbers)
    options = options_of(example.fields)
    right = right_option(options, references[0]) if options else None
    if right is not None:
        scores["choice_match"] = float(chosen(options, text) == right)
    return scores
