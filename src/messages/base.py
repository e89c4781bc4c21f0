"""The common shape of all messages: frozen, keyword-only, strict about unknown fields."""

from __future__ import annotations

import msgspec

__all__ = ["Message"]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every record that travels or is stored. No behaviour beyond validation."""
