"""Cuts scientific abstracts into sentences, and finds sentences again.

Called by the passage reader, the metrics and extractive backends. Deterministic rules, English abstracts
only; no model. The rules follow the usual two steps of rule-based splitters (Kiss and Strunk 2006 call them
orthographic and abbreviation heuristics): a candidate is ``.``, ``!`` or ``?`` (with closing quotes or
brackets) before blanks and a character that can open a sentence; it is dropped after a known abbreviation or
an initial. Decimals (p < 0.05, 0.5 mg) never are candidates since no blank follows their point. Rejected: the
learned Punkt model, which needs training text and a download.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from .text import known_tokens, normalise, token_f1, word_set

__all__ = ["MATCH_THRESHOLD", "match_sentence", "split_sentences"]

MATCH_THRESHOLD = 0.5
"""Least token F1 at which a text that is not found verbatim counts as a version of a sentence."""

_MIN_CONTAINED_TOKENS = 3
_BOUNDARY = re.compile(r"[.!?][\"'”’)\]]{0,3}\s+(?=[\"'“‘(\[]{0,3}[A-Z0-9<>≥≤±αβγδκμΔ])")

_OPENERS = word_set(
    "a an the this these those we our it its in on at by for from to of and but however here there thus "
    "both all no not as after although when while with using he she they results methods conclusions "
    "background objective"
)
"""Words that open a sentence after a single capital letter rather than being a surname."""

_NEVER_END = word_set(
    "e.g i.e cf viz vs fig figs eq eqs ref refs tab suppl nos dr prof mr mrs ms sp spp subsp eds dept univ "
    "resp"
)
"""Words (lower case, last point dropped) that never end a sentence."""

_BEFORE_NUMBER = word_set("no vol pp p n ca approx al ed st var ch sec")
"""Words that do not end one before a number or an opening bracket: no. 7, et al. (2009)."""


def split_sentences(text: str) -> tuple[str, ...]:
    """Sentences in order, blanks normalised, none empty; joined by a blank they give the text again."""
    text = " ".join(text.split())
    out: list[str] = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if text[match.start()] == "." and not _ends(text, start, match.start(), match.end()):
            continue
        out.append(text[start : match.end()].rstrip())
        start = match.end()
    if start < len(text):
        out.append(text[start:])
    return tuple(out)


def _ends(text: str, start: int, point: int, after: int) -> bool:
    """Whether the full stop at ``point`` ends the sentence that began at ``start``."""
    begin = max(text.rfind(" ", start, point) + 1, start)
    word = text[begin:point].lstrip("([{\"'“‘").casefold()
    if word in _NEVER_END:
        return False
    if word in _BEFORE_NUMBER and (text[after].isdigit() or text[after] in "(["):
        return False
    if len(word) == 1 and word.isalpha():
        return not _is_initial(text, begin, point, after)
    return True


def _is_initial(text: str, begin: int, point: int, after: int) -> bool:
    """``J. Smith``, ``E. Coli``, ``J. K. Rowling`` against ``in group A. The others``, ``vitamin D. We``."""
    if not text[point - 1].isupper():
        return False
    if text[after + 1 : after + 2] == ".":
        return True
    before = text[:begin].rstrip()
    follows = text[after:].split(" ", 1)[0]
    if follows.casefold().strip(",;:") in _OPENERS or not follows[:1].isupper():
        return False
    return not before or before[-1] in ".;,(" or before.rsplit(" ", 1)[-1][:1].isupper()


def match_sentence(text: str, sentences: Sequence[str]) -> tuple[int, ...]:
    """Which sentences a text covers: indices in rising order, empty when none.

    Texts are compared in lower case with blanks normalised. The first rule that finds something decides:

    1. the text stands verbatim in the sentences joined by blanks: those of which it covers at least half, or
       which hold at least half of it (so a text equal to, within, or running over sentences is found);
    2. sentences of at least 3 tokens stand verbatim in the text: all of them (evidence joined from sentences
       that are not neighbours);
    3. the sentence with the highest token F1, if that is at least ``MATCH_THRESHOLD``; the first of equals.
    """
    wanted = normalise(text)
    return _match(wanted, tuple(sentences)) if wanted and sentences else ()


@lru_cache(maxsize=256)  # every system is compared with the same reference
def _match(wanted: str, sentences: tuple[str, ...]) -> tuple[int, ...]:
    index = _index(sentences)
    found = _covered(wanted, index)
    if found:
        return found
    inside = tuple(
        i
        for i, sentence in enumerate(index.sentences)
        if sentence in wanted and len(known_tokens(sentence)) >= _MIN_CONTAINED_TOKENS
    )
    return inside or _closest(wanted, index)


class _Index(NamedTuple):
    sentences: tuple[str, ...]
    starts: tuple[int, ...]
    joined: str


@lru_cache(maxsize=64)
def _index(sentences: tuple[str, ...]) -> _Index:
    normal = tuple(normalise(sentence) for sentence in sentences)
    starts = tuple(accumulate((len(sentence) + 1 for sentence in normal[:-1]), initial=0))
    return _Index(normal, starts, " ".join(normal))


def _covered(wanted: str, index: _Index) -> tuple[int, ...]:
    begin = index.joined.find(wanted)
    if begin < 0 or (len(known_tokens(wanted)) < _MIN_CONTAINED_TOKENS and wanted not in index.sentences):
        return ()
    end = begin + len(wanted)
    out = []
    for i, (start, sentence) in enumerate(zip(index.starts, index.sentences, strict=True)):
        overlap = min(end, start + len(sentence)) - max(begin, start)
        if overlap > 0 and 2 * overlap >= min(len(sentence), len(wanted)):
            out.append(i)
    return tuple(out)


def _closest(wanted: str, index: _Index) -> tuple[int, ...]:
    scores = [token_f1(wanted, sentence) for sentence in index.sentences]
    best = max(scores)
    return (scores.index(best),) if best >= MATCH_THRESHOLD else ()
