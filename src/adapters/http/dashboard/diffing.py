"""What an answer has beside its reference, word by word. Pure; difflib's matching, bounded in time."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Piece", "word_diff"]

MOST_WORDS = 4_000
"""Longer texts are compared line by line: matching takes up to the square of the number of parts."""
_PARTS = re.compile(r"\s+|[\w]+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A stretch of text: in both, only in the answer, or only in the reference."""

    kind: Literal["same", "added", "missing"]
    text: str


def word_diff(answer: str, reference: str) -> list[Piece]:
    """Pieces that joined without the missing ones give the answer, without the added ones the reference."""
    left, right = _split(reference), _split(answer)
    if max(len(left), len(right)) > MOST_WORDS:
        left, right = reference.splitlines(keepends=True), answer.splitlines(keepends=True)
    if max(len(left), len(right)) > MOST_WORDS:
        return [Piece("missing", reference), Piece("added", answer)]
    pieces: list[Piece] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(left[a:b])))
            continue
        if a < b:
            pieces.append(Piece("missing", "".join(left[a:b])))
        if c < d:
            pieces.append(Piece("added", "".join(right[c:d])))
    return pieces


def _split(text: str) -> list[str]:
    return _PARTS.findall(text)
