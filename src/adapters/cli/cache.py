"""``crucible cache``: what is in a cache of replies, and emptying it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["clear", "info"]


def info(folder: Path, /, *, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Say what is in a cache.

    Args:
        folder: The folder that reliability.cache.folder names.
        json: Print one JSON object.
    """
    import msgspec

    from ..caches import inspect

    facts = inspect(folder)
    if json:
        sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
        return 0
    print(f"{folder}: replies {facts.replies}, files {facts.files}, kilobytes {facts.bytes / 1e3:,.0f}")
    if facts.damaged:
        print(f"  damaged entries, which are skipped: {facts.damaged}")
    if facts.in_use:
        print(f"  files that a run is writing to: {facts.in_use}")
    return 0


def clear(folder: Path, /) -> int:
    """Delete all replies of a cache, and nothing else.

    Args:
        folder: The folder that reliability.cache.folder names.
    """
    from ..caches import clear as clear_folder

    print(f"{folder}: files deleted: {clear_folder(folder)}")
    return 0
