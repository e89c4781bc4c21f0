"""Word lists and patterns of scientific English, and what they say about one sentence.

Stems are matched as prefixes of lower-case tokens. The lists are short on purpose: the hashed words learn the
rest. Negation and hedging cues follow the cue classes of BioScope (Vincze et al. 2008); section headings are
those of structured abstracts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

__all__ = ["SECTIONS", "Cues", "find_cues", "numbers", "section_of", "stem"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NEGATIONS = frozenset(
    _words(
        "no not nor neither never none without cannot lack lacks lacked lacking absence fail fails failed "
        "failure unable unchanged unaffected t"
    )
)
HEDGES = _words("may might could suggest possib appear likely potential seem hypothes")
FINDINGS = _words(
    "show found find demonstrat reveal observ associat identif indicat result conclu report confirm correlat "
    "evidence"
)
METHODS = _words(
    "method design measur assess investigat examin evaluat random recruit enrol aim objective perform analys "
    "analyz participants setting"
)
UP = _words(
    "increas high elevat enhanc promot upregul improv great more activat induc stimul accelerat gain rise "
    "rising longer better stronger positive"
)
DOWN = _words(
    "decreas reduc low inhibit suppress impair downregul less fewer loss prevent block attenuat declin "
    "diminish shorter worse weaker negative deplet abrogat"
)
_CLASSES = (HEDGES, FINDINGS, METHODS, UP, DOWN)
FIRST_PERSON = frozenset(_words("we our here"))

SECTIONS = ("background", "methods", "results", "conclusion")
_SECTION = re.compile(
    r"(?P<background>BACKGROUND|CONTEXT|OBJECTIVES?|PURPOSE|AIMS?|INTRODUCTION|IMPORTANCE|RATIONALE)"
    r"|(?P<methods>METHODS?|DESIGN|SETTING|PARTICIPANTS|PATIENTS|SAMPLE|INTERVENTIONS?|MATERIALS?"
    r"|MAIN OUTCOME|DATA SOURCES?|STUDY|METHODOLOGY)"
    r"|(?P<results>RESULTS?|FINDINGS?|PRINCIPAL FINDINGS|MAIN RESULTS)"
    r"|(?P<conclusion>CONCLUSIONS?|INTERPRETATION|SIGNIFICANCE|CLINICAL RELEVANCE|DISCUSSION)"
)
_TITLED = re.compile(
    r"(?:Background|Context|Objectives?|Purpose|Aims?|Introduction|Methods?|Design|Results?|Findings"
    r"|Conclusions?|Interpretation|Significance|Principal Findings|Methodology)"
    r"(?=[:/.]|[A-Z]| (?:The|We|In|Of|To|This|Our)\b)"
)
_LONGEST_HEADING = 20
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_STATISTIC = re.compile(r"[<>=≤≥±%]|\b(?:CI|HR|OR|RR)\b|odds ratio")
_STEM = 6


class Cues(NamedTuple):
    """What the lists find in a sentence, each from 0 to 1; counts are cut at 3."""

    negation: float
    hedge: float
    finding: float
    method: float
    up: float
    down: float
    first_person: float
    statistic: float


def find_cues(text: str, words: Sequence[str]) -> Cues:
    """Cues of a sentence whose lower-case tokens are ``words``."""
    hits = [sum(column) for column in zip(*map(_classes, words), strict=True)] or [0] * len(_CLASSES)
    hedge, finding, method, up, down = (min(count, 3) / 3 for count in hits)
    return Cues(
        negation=float(not NEGATIONS.isdisjoint(words)),
        hedge=hedge,
        finding=finding,
        method=method,
        up=up,
        down=down,
        first_person=float(not FIRST_PERSON.isdisjoint(words)),
        statistic=min(len(_STATISTIC.findall(text)), 3) / 3,
    )


@lru_cache(maxsize=2**15)
def _classes(word: str) -> tuple[bool, ...]:
    return tuple(word.startswith(stems) for stems in _CLASSES)


def numbers(text: str) -> frozenset[str]:
    """Numbers as written."""
    return frozenset(_NUMBER.findall(text))


def section_of(sentence: str, before: int | None) -> int | None:
    """Index in SECTIONS of the part of a structured abstract that a sentence belongs to.

    A sentence without a heading continues the section ``before``; None in an unstructured abstract.
    """
    match = _SECTION.match(sentence)
    if match is None and _TITLED.match(sentence):
        match = _SECTION.match(sentence[:_LONGEST_HEADING].upper())
    if match is None or match.lastgroup is None:
        return before
    return SECTIONS.index(match.lastgroup)


def stem(word: str) -> str:
    """The first letters: a crude but stateless stem, so that inhibits matches inhibition."""
    return word[:_STEM]
