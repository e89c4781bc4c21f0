"""Which patterns are let in."""

from __future__ import annotations

import pytest

from crucible.adapters.expectations.patterns import compile_pattern


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a*b?)*", "((a{2,})c)+x", "(?:x(y+))*", "([a-z]+,)*", "(a{1,9})+"]
)
def test_a_repeat_inside_a_repeat_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="repeat inside a repeat"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["^a+$", "(ab)+", r"(\(\+\))+", "([+*])*", "(a{3})+", "(a+)?", "a+(b)c*", r"\d{4}-\d{2}", "[]()+]+"],
)
def test_other_patterns_are_let_in(pattern: str) -> None:
    assert compile_pattern(pattern).pattern == pattern
