"""Precision and recall of the guard on labelled texts, with intervals.

Run as ``python -m crucible.adapters.guardrails.evaluation FILE.jsonl [half]`` on rows with ``text``,
``labels`` (the detectors that should fire: injection, jailbreak, pii; empty for an innocent text) and
``half``. It deliberately measures one verdict per text and detector, not offsets.

Intervals: Wilson score (E. B. Wilson, 1927), which stays inside [0, 1] at small n where Wald's does not.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import msgspec

from ...messages.errors import DatasetError
from .guard import RuleGuard
from .options import GuardOptions

__all__ = [
    "DETECTORS",
    "Labelled",
    "Proportion",
    "Quality",
    "evaluate",
    "main",
    "read_labelled",
    "table",
    "wilson",
]

DETECTORS = ("injection", "jailbreak", "pii")
_Z95 = 1.959963984540054


class Labelled(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text and the detectors that should fire on it."""

    id: str
    text: str
    labels: tuple[str, ...]
    half: str = "dev"
    kind: str = ""


class Proportion(msgspec.Struct, frozen=True, kw_only=True):
    """``hits`` of ``n`` with its 95 % Wilson interval; ``value`` is None when n is 0."""

    hits: int
    n: int
    value: float | None
    low: float
    high: float


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How well one detector does; ``f1`` is None where precision or recall is undefined."""

    detector: str
    precision: Proportion
    recall: Proportion
    false_positive_rate: Proportion
    f1: float | None
    n: int


def wilson(hits: int, n: int) -> Proportion:
    """Proportion with its 95 % Wilson score interval; [0, 1] when n is 0."""
    if n == 0:
        return Proportion(hits=0, n=0, value=None, low=0.0, high=1.0)
    share, z2 = hits / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Proportion(hits=hits, n=n, value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))


def read_labelled(path: Path) -> list[Labelled]:
    """Rows of a JSONL file; raises DatasetError naming file and line."""
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            rows.append(msgspec.json.decode(line, type=Labelled))
        except msgspec.DecodeError as error:
            raise DatasetError(str(error), source=str(path), line=number) from None
    return rows


def evaluate(path: Path, *, half: str | None = None, options: GuardOptions | None = None) -> list[Quality]:
    """Quality of each detector, and of "any attack" (injection or jailbreak), over one half or all rows."""
    rows = [row for row in read_labelled(path) if half is None or row.half == half]
    chosen = options or GuardOptions()
    guard, threshold = RuleGuard(chosen), chosen.effective_threshold
    fired = []
    for row in rows:
        verdict, _ = guard.scan(row.text, side="input")
        fired.append({found.detector for found in verdict.findings if found.confidence >= threshold})
    groups = {name: {name} for name in DETECTORS} | {"any attack": {"injection", "jailbreak"}}
    return [
        _quality(
            name,
            [
                (bool(group & set(row.labels)), bool(group & hit))
                for row, hit in zip(rows, fired, strict=True)
            ],
        )
        for name, group in groups.items()
    ]


def _quality(detector: str, pairs: list[tuple[bool, bool]]) -> Quality:
    both = sum(wanted and got for wanted, got in pairs)
    wanted, got = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    precision, recall = wilson(both, got), wilson(both, wanted)
    defined = precision.value is not None and recall.value is not None
    return Quality(
        detector=detector,
        precision=precision,
        recall=recall,
        false_positive_rate=wilson(got - both, len(pairs) - wanted),
        f1=2 * both / (wanted + got) if defined else None,
        n=len(pairs),
    )


def table(qualities: list[Quality]) -> str:
    """A Markdown table: hits/n, value and interval."""
    lines = [
        "| detector | texts | precision | recall | F1 | false positives |",
        "|---|---|---|---|---|---|",
    ]
    for quality in qualities:
        f1 = "undefined" if quality.f1 is None else f"{quality.f1:.2f}"
        cells = [quality.detector, str(quality.n), _cell(quality.precision), _cell(quality.recall), f1]
        lines.append("| " + " | ".join([*cells, _cell(quality.false_positive_rate)]) + " |")
    return "\n".join(lines)


def _cell(share: Proportion) -> str:
    if share.value is None:
        return "undefined (0 texts)"
    return f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}] ({share.hits}/{share.n})"


def main(arguments: list[Any]) -> int:
    """Print the table of one file; exit code 2 on wrong use."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: python -m crucible.adapters.guardrails.evaluation FILE.jsonl [half]\n")
        return 2
    half = arguments[1] if len(arguments) > 1 else None
    sys.stdout.write(table(evaluate(Path(arguments[0]), half=half)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
