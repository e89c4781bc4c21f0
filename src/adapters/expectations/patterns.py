"""Regular expressions that come from an experiment file: refuses the kind that can hang, and bounds the rest.

Python's ``re`` backtracks and holds the interpreter lock while it does, so one bad pattern would stop a whole
run. A repeat inside a repeat (``(a+)+``) takes exponential time and is refused; texts longer than
``MAX_TEXT`` are not tried. Ambiguous alternatives such as ``(a|a)*`` are not recognised.
"""

from __future__ import annotations

import re

__all__ = ["MAX_TEXT", "compile_pattern"]

MAX_TEXT = 10_000
"""Characters of the longest text that a pattern is tried on."""

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[*+?]|\{\d*,?\d*\}|[()]|.", re.DOTALL)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The compiled pattern. Raises ValueError when it is malformed or repeats a repeat."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if _repeats_a_repeat(pattern):
        raise ValueError("a repeat inside a repeat can take forever; write the pattern without it")
    return compiled


def _repeats_a_repeat(pattern: str) -> bool:
    tokens = _TOKEN.findall(pattern)
    varies = [False]  # for each open group: does it hold something of varying length?
    for part, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if part == "(":
            varies.append(False)
        elif part == ")" and len(varies) > 1:
            inner = varies.pop()
            if inner and _is_repeat(following):
                return True
            varies[-1] |= inner
        elif _is_repeat(part):
            varies[-1] = True
    return False


def _is_repeat(part: str) -> bool:
    return part in ("*", "+") or (part.startswith("{") and "," in part)
