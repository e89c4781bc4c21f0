"""Data sets: loaders that open them and converters that make them.

The registry finds the loaders by name; ``convert_scifact`` and the options are for the command line. Names
are imported when they are first used, to keep start-up short.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .jsonl import JsonlLoader

__all__ = ["JsonlLoader"]

_HOMES = {"JsonlLoader": ".jsonl"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)
