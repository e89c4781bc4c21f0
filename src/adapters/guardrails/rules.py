"""Weighted patterns, the hits they make, and how hits become findings.

Used by the injection and jailbreak detectors for matching and by all detectors for merging. A rule first asks
for its anchors, words that are cheap to look up, and runs its pattern only when every group of anchors has a
member among the words of the text. It deliberately knows no category and no threshold.

All patterns are bounded: no quantifier without an upper limit, so a scan is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import NamedTuple

from ...messages.findings import Finding
from .words import LONG_WORD, OTHER_SCRIPT, words_of

__all__ = ["LONG_WORD", "OTHER_SCRIPT", "Hit", "Rule", "RuleSet", "boost", "merge", "rule"]


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source)


class Rule(NamedTuple):
    """A pattern over the lower-cased view, with the confidence that one match deserves."""

    name: str
    category: str
    confidence: float
    anchors: tuple[frozenset[str], ...]
    source: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled on first need: most texts need few patterns, and compiling all takes long."""
        return _compiled(self.source)


class Hit(NamedTuple):
    """One match of one rule at [start, end) of whatever text was searched."""

    rule: str
    category: str
    confidence: float
    start: int
    end: int

    def at(self, span: tuple[int, int]) -> Hit:
        """The same hit at other offsets."""
        return self._replace(start=span[0], end=span[1])


def rule(name: str, category: str, confidence: float, anchors: Sequence[str], pattern: str) -> Rule:
    """A rule; each of ``anchors`` lists alternative words, a space in ``pattern`` is a gap between words."""
    groups = tuple(frozenset(group.split()) for group in anchors)
    return Rule(name, category, confidence, groups, pattern.replace(" ", r"[\W_]{1,8}"))


class RuleSet:
    """Rules of one detector, and all their anchors."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules
        self._anchors = frozenset(word for each in rules for group in each.anchors for word in group)

    def match(self, text: str, words: AbstractSet[str] | None = None) -> list[Hit]:
        """All matches in a lower-cased text; ``words`` are its ``words_of`` if they are known."""
        present = self._anchors & (words_of(text) if words is None else words)
        hits: list[Hit] = []
        if not present:
            return hits
        for each in self.rules:
            for group in each.anchors:  # a plain loop, because it runs for every rule on every text
                if group.isdisjoint(present):
                    break
            else:
                spans = [found.span() for found in each.pattern.finditer(text)]
                hits += [Hit(each.name, each.category, each.confidence, *span) for span in spans]
        return hits


def boost(hits: Sequence[Hit], length: int) -> float:
    """Extra confidence: 0.05 for every further distinct rule (at most 0.2), and a little for short texts.

    A short text consists of what was found, a long one merely contains it: 0.05 below 50 characters, 0.02
    below 200.
    """
    further = min(0.2, 0.05 * (len({hit.rule for hit in hits}) - 1))
    return further + (0.05 if length < 50 else 0.02 if length < 200 else 0.0)


def merge(detector: str, hits: Iterable[Hit], extra: float = 0.0) -> list[Finding]:
    """Findings in order of start; overlapping hits become one with the category of the strongest."""
    merged: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.confidence)):
        last = merged[-1] if merged else None
        if last is None or hit.start >= last.end:
            merged.append(hit)
            continue
        strongest = last if last.confidence >= hit.confidence else hit
        merged[-1] = strongest._replace(start=last.start, end=max(last.end, hit.end))
    return [
        Finding(
            detector=detector,
            category=hit.category,
            confidence=round(min(1.0, hit.confidence + extra), 4),
            start=hit.start,
            end=hit.end,
        )
        for hit in merged
    ]
