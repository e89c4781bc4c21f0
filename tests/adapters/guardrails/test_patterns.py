import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from crucible.adapters.guardrails import (
    GuardOptions,
    RuleGuard,
    credentials,
    hidden,
    injection,
    jailbreak,
    pii,
)

PARSER = importlib.import_module("re._parser")
UNLIMITED = PARSER.MAXREPEAT
# Matched at one place and never searched for, each a single class of characters.
ANCHORED = {credentials._BODY.pattern, credentials._TAIL.pattern, credentials._WORD_TAIL.pattern}


def patterns() -> Iterator[re.Pattern[str]]:
    for each in (*injection.RULES.rules, *jailbreak.RULES.rules):
        yield each.pattern
    for module in (credentials, hidden, injection, pii):
        for value in vars(module).values():
            if isinstance(value, re.Pattern) and value.pattern not in ANCHORED:
                yield value


def repeats(node: Any) -> Iterator[tuple[int, int]]:
    """Limits of every variable repeat, and how many variable repeats lie around it."""

    def walk(item: Any, depth: int) -> Iterator[tuple[int, int]]:
        if isinstance(item, tuple) and len(item) == 2 and str(item[0]) in {"MAX_REPEAT", "MIN_REPEAT"}:
            low, high, body = item[1]
            inner = depth + (high > 1 and high != low)
            if inner > depth:
                yield int(high), inner
            yield from walk(body, inner)
        elif isinstance(item, (tuple, list, PARSER.SubPattern)):
            for part in item:
                yield from walk(part, depth)

    return walk(node, 0)


def test_every_searched_pattern_has_only_limited_repeats() -> None:
    seen = 0
    for pattern in patterns():
        for high, _ in repeats(PARSER.parse(pattern.pattern)):
            seen += 1
            assert high < UNLIMITED, pattern.pattern
    assert seen > 100


def test_repeats_within_repeats_are_few_and_at_most_two_deep() -> None:
    for pattern in patterns():
        nested = [(high, depth) for high, depth in repeats(PARSER.parse(pattern.pattern)) if depth > 1]
        assert all(depth == 2 and high <= 62 for high, depth in nested), pattern.pattern


def test_the_check_notices_an_unlimited_repeat() -> None:
    assert list(repeats(PARSER.parse(r"(?:a+)+"))) == [(UNLIMITED, 1), (UNLIMITED, 2)]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("piece", ["de89 ", "@", "ignore the "])
def test_a_megabyte_of_hostile_text_is_scanned(piece: str) -> None:
    anchors = {word for each in injection.RULES.rules for group in each.anchors for word in group}
    text = piece * (1_000_000 // len(piece)) + " ".join(sorted(anchors)) + " mail a@example.org"
    guard = RuleGuard(GuardOptions(max_scan_chars=2_000_000, jailbreak=False))
    assert [each.category for each in guard.scan(text, side="input")[0].findings][-1] == "email"
