"""Replacing findings in a text; redacting twice gives what redacting once gives.

Called by the guard with merged findings in offsets of the original text. What a redaction wrote is recognised
afterwards (``barriers``) and never matched again. It deliberately offers no way back to the original values.

The hash is BLAKE2s with the operator's key: an unkeyed hash of a telephone number is undone by trying all
numbers.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable

from ...messages.errors import OptionError
from ...messages.findings import Finding

__all__ = ["Redactor", "barriers", "read_key"]

_MIN_KEY = 16
_WRITTEN = re.compile(
    r"\[(?:EMAIL|PHONE|SSN|CARD|IBAN|IP|PRIVATE_KEY|API_KEY|JWT|PASSWORD|UNSCANNED)(?::[0-9a-f]{8})?\]"
)


def barriers(text: str) -> list[tuple[int, int]]:
    """Spans of placeholders that a redaction wrote."""
    return [match.span() for match in _WRITTEN.finditer(text)] if "]" in text else []


def read_key(reference: str | None) -> bytes:
    """The key behind ``env:NAME``; raises OptionError, which never contains the key."""
    if reference is None or not reference.startswith("env:"):
        raise OptionError("guardrails: hash_key: redact = 'hash' needs a key, given as env:NAME")
    key = os.environ.get(reference[4:], "")
    if len(key) < _MIN_KEY:
        raise OptionError(
            f"guardrails: hash_key: variable {reference[4:]} must hold at least {_MIN_KEY} characters"
        )
    return key.encode()


class Redactor:
    """Writes one mode's replacements."""

    def __init__(self, mode: str, key: bytes = b"") -> None:
        self._mode = mode
        self._key = hashlib.sha256(key).digest()

    def apply(self, text: str, findings: Iterable[Finding]) -> str:
        """The text with every finding replaced; findings must not overlap and be in order."""
        parts: list[str] = []
        done = 0
        for finding in findings:
            value = text[finding.start : finding.end]
            parts += text[done : finding.start], self._write(finding.category, value)
            done = finding.end
        return "".join(parts) + text[done:]

    def _write(self, category: str, value: str) -> str:
        if self._mode == "mask":
            return "*" * len(value)
        if self._mode == "hash" and category != "unscanned":
            digest = hashlib.blake2s(value.encode("utf-8", "surrogatepass"), key=self._key, digest_size=4)
            return f"[{category.upper()}:{digest.hexdigest()}]"
        return f"[{category.upper()}]"
