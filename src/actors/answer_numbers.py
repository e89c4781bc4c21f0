"""The number that an answer comes to: its last one, as in the usual scoring of GSM8K (Cobbe et al. 2021).

Called by the scores that compare an answer with its reference. Numbers are read as an ensemble's ``numeric``
normaliser reads them (signs, currency signs, thousands separators, exponents), and fractions besides. Units
are not understood: ``50%`` is 50, and 3 km are not 3000 m.
"""

from __future__ import annotations

import re
from fractions import Fraction

from .answer_words import unified
from .voting.normalise import numeric

__all__ = ["last_number", "number_of"]

_FRACTION = re.compile(r"(?<![\w.,/])([-+]?[0-9]{1,18})\s?/\s?([0-9]{1,18})(?![\w/]|[.,][0-9])")
_ONLY_A_NUMBER = re.compile(
    r"[-+]?\s?[$€£¥]?\s?[-+]?(?:[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?"
    r"|[-+]?[0-9]{1,18}\s?/\s?[0-9]{1,18}"
)
_FINAL = "####"
"""Before the result in the references of GSM8K, whose steps stand in front of it."""
_LATEX = re.compile(r"\\[dt]?frac\{(-?[0-9]{1,18})\}\{([0-9]{1,18})\}")
_MOST_DIGITS = 1_000
"""A longer number is none; Python itself refuses to read one of 4,300 digits."""
_TAIL = 20_000
"""Characters from the end that are looked at."""


def number_of(reference: str) -> Fraction | None:
    """The number that ``reference`` is, perhaps with a currency or percent sign; None when it is none."""
    text = _plain(reference.rpartition(_FINAL)[2]).strip().removesuffix(".").rstrip("%$€£¥ ")
    return last_number(text) if len(text) <= _MOST_DIGITS and _ONLY_A_NUMBER.fullmatch(text) else None


def last_number(answer: str) -> Fraction | None:
    """The last number of ``answer``; None when there is none, or it could be two (``3,5``) or is too long."""
    text = _plain(answer[-_TAIL:])
    fractions = list(_FRACTION.finditer(text))
    if fractions and not any(char.isdecimal() for char in text[fractions[-1].end() :]):
        numerator, denominator = fractions[-1].groups()
        below = int(denominator)
        return Fraction(int(numerator), below) if below else None
    key = numeric(text, "last").key
    return None if key is None or len(key) > _MOST_DIGITS else Fraction(key)


def _plain(text: str) -> str:
    return _LATEX.sub(r"\1/\2", unified(text))
