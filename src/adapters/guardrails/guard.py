"""The rule guard: scans a text with weighted patterns and redacts personal data.

Stands behind ``ports.Guard``; the guardrails stage calls ``scan`` for inputs and outputs. It needs no model,
no network and no state, so the same text always gets the same verdict. It deliberately reports every finding,
also those below the threshold, and leaves it to the stage what a flagged text means.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import ClassVar, Literal, cast

import msgspec

from ...messages.errors import OptionError, UnknownNameError
from ...messages.findings import Finding, Verdict
from . import credentials, injection, jailbreak, pii
from .hidden import readings
from .options import GuardOptions
from .redaction import Redactor, barriers, read_key
from .rules import Hit, boost, merge
from .view import View

__all__ = ["CATEGORIES", "RuleGuard"]

CATEGORIES = (
    *injection.CATEGORIES,
    *jailbreak.CATEGORIES,
    *pii.CATEGORIES,
    *credentials.CATEGORIES,
    "unscanned",
)
_PASSES = 8


class RuleGuard:
    """Scans text for prompt injection, jailbreaks, personal data and credentials."""

    Options: ClassVar[type[msgspec.Struct]] = GuardOptions

    def __init__(self, options: GuardOptions | None = None) -> None:
        self._options = options or GuardOptions()
        self._threshold = self._options.effective_threshold
        self._allowed = frozenset(self._options.allow_categories)
        for category in self._options.allow_categories:
            if category not in CATEGORIES:
                raise UnknownNameError("guardrail category", category, CATEGORIES)
        mode = self._options.redact
        key = read_key(self._options.hash_key) if mode == "hash" else b""
        self._redactor = None if mode == "off" else Redactor(mode, key)

    def scan(self, text: str, *, side: str) -> tuple[Verdict, str]:
        """Verdict and the text with personal data redacted (the same text when redaction is off).

        Offsets are code points of ``text``. ``side`` is "input" or "output"; anything else is an OptionError.
        """
        if side not in {"input", "output"}:
            raise OptionError(f"guardrails: side must be 'input' or 'output', not {side!r}")
        findings = self._findings(text)
        redacts = self._options.redact_inputs if side == "input" else self._options.redact_outputs
        redacted = self._redact(text, findings) if redacts else text
        verdict = Verdict(
            side=cast("Literal['input', 'output']", side),
            flagged=any(finding.confidence >= self._threshold for finding in findings),
            findings=tuple(findings),
            redacted=redacted != text,
        )
        return verdict, redacted

    def _findings(self, text: str) -> list[Finding]:
        if len(text) > self._options.max_scan_chars:
            return self._permitted([_unscanned(text)])
        return self._permitted(sorted(self._detect(text), key=lambda finding: (finding.start, finding.end)))

    def _detect(self, text: str) -> list[Finding]:
        view = View(text)
        findings: list[Finding] = []
        if self._options.prompt_injection or self._options.jailbreak:
            others = readings(view)
            if self._options.prompt_injection:
                findings += _weighted("injection", injection.find(view, others), len(text))
            if self._options.jailbreak:
                findings += _weighted("jailbreak", jailbreak.find(view, others), len(text))
        if self._options.pii:
            findings += merge("pii", _outside(barriers(text), [*pii.find(view), *credentials.find(view)]))
        return findings

    def _permitted(self, findings: list[Finding]) -> list[Finding]:
        return [finding for finding in findings if finding.category not in self._allowed]

    def _redact(self, text: str, findings: Sequence[Finding]) -> str:
        """Redact until nothing is left to redact, because removing one value can lay another bare.

        Every pass replaces at least one character by what is never matched again, so it ends; a text that is
        not clean after ``_PASSES`` passes is built to evade and is replaced whole.
        """
        if self._redactor is None:
            return text
        for _ in range(_PASSES):
            chosen = [finding for finding in findings if self._redactable(finding)]
            if not chosen:
                return text
            redacted = self._redactor.apply(text, chosen)
            if redacted == text:
                return text
            text, findings = redacted, self._findings(redacted)
        return self._redactor.apply(text, [_unscanned(text)])

    def _redactable(self, finding: Finding) -> bool:
        return finding.detector in {"pii", "limits"} and finding.confidence >= self._threshold


def _weighted(detector: str, hits: Sequence[Hit], length: int) -> list[Finding]:
    return merge(detector, hits, boost(hits, length)) if hits else []


def _outside(spans: Sequence[tuple[int, int]], hits: list[Hit]) -> list[Hit]:
    """The hits that do not lie inside a placeholder."""
    if not spans:
        return hits
    starts = [start for start, _ in spans]
    return [hit for hit in hits if not _inside(hit, spans, bisect_right(starts, hit.start) - 1)]


def _inside(hit: Hit, spans: Sequence[tuple[int, int]], place: int) -> bool:
    return place >= 0 and hit.end <= spans[place][1]


def _unscanned(text: str) -> Finding:
    return Finding(detector="limits", category="unscanned", confidence=1.0, start=0, end=len(text))
