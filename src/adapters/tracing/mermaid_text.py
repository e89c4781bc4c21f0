"""Foreign text in Mermaid diagrams.

Mermaid has no escape for its own signs that holds in every kind of diagram, so ASCII punctuation becomes its
full-width form, and what cannot be seen becomes a question mark.
"""

from __future__ import annotations

__all__ = ["inert_label"]

MAX_LABEL = 60
PLAIN = frozenset(" _-.()")
FULL_WIDTH = 0xFEE0


def inert_label(text: str, longest: int = MAX_LABEL) -> str:
    """One line that no diagram takes for syntax."""
    flat = " ".join(text.split())
    shown = flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
    return "".join(_inert(sign) for sign in shown) or "unnamed"


def _inert(sign: str) -> str:
    if sign.isalnum() or sign in PLAIN or sign == "…":
        return sign
    if sign.isascii() and sign.isprintable():
        return chr(ord(sign) + FULL_WIDTH)
    return "?"
