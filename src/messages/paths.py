"""Paths inside a document, written as in ``pipeline[3].options.lora_rank``.

One spelling for decoder, line finder and overrides, so that a path found by one is known to the others.
Keys that are not plain words are quoted: ``metadata."a.b"``.
"""

from __future__ import annotations

import json
import re

__all__ = ["child", "is_within", "item", "parent"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LAST = re.compile(r'(?:\[\d+\]|\.?(?:"(?:\\.|[^"\\])*"|[A-Za-z0-9_-]+))$')


def child(path: str, key: str) -> str:
    """The path of a key below ``path``."""
    name = key if _BARE.fullmatch(key) else json.dumps(key)
    return f"{path}.{name}" if path else name


def item(path: str, index: int) -> str:
    """The path of an item of the list at ``path``."""
    return f"{path}[{index}]"


def parent(path: str) -> str:
    """The path without its last key or index; of a single key, the empty path."""
    return _LAST.sub("", path)


def is_within(path: str, ancestor: str) -> bool:
    """Whether ``path`` is ``ancestor`` or lies below it."""
    return path == ancestor or path.startswith((f"{ancestor}.", f"{ancestor}["))
