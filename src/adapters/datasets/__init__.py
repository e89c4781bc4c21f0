"""Data sets: loaders that open them and converters that make them.

The registry finds the loaders by name; ``convert_fever`` and ``convert_scifact`` are for the command line. A
name is imported when it is first used, to keep start-up short.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .convert import ConversionReport, convert_fever, convert_scifact
    from .delimited import CsvLoader
    from .fever import FeverLoader
    from .jsonl import JsonlLoader
    from .memory import MemoryLoader
    from .scifact import ScifactLoader

__all__ = [
    "ConversionReport",
    "CsvLoader",
    "FeverLoader",
    "JsonlLoader",
    "MemoryLoader",
    "ScifactLoader",
    "convert_fever",
    "convert_scifact",
]

_HOMES = {
    "ConversionReport": ".convert",
    "CsvLoader": ".delimited",
    "FeverLoader": ".fever",
    "JsonlLoader": ".jsonl",
    "MemoryLoader": ".memory",
    "ScifactLoader": ".scifact",
    "convert_fever": ".convert",
    "convert_scifact": ".convert",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)
