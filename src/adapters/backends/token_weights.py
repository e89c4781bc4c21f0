"""Loss weights of the tokens of an answer by the line of the claim grammar that they stand in.

Used by the backends that train language models. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

__all__ = ["line_weights"]


def line_weights(text: str, starts: Sequence[int], *, c1: float, evidence: float) -> list[float]:
    """One for each token, by the line that it begins in; ``starts`` are its places in the text, ascending.

    ``c1`` in the line ``CLAIM[c1]``, ``evidence`` in the other ``CLAIM`` lines, 1 elsewhere.
    """
    if c1 == evidence == 1.0:
        return [1.0] * len(starts)
    ends = accumulate((len(line) for line in text.splitlines(keepends=True)), initial=0)
    lines = [(text[begin:end], end) for begin, end in pairwise(ends)]
    weights, at = [], 0
    for start in starts:
        while at + 1 < len(lines) and start >= lines[at][1]:
            at += 1
        weights.append(_factor(lines[at][0].lstrip() if lines else "", c1, evidence))
    return weights


def _factor(line: str, c1: float, evidence: float) -> float:
    if line.startswith("CLAIM[c1]"):
        return c1
    return evidence if line.startswith("CLAIM[") else 1.0
