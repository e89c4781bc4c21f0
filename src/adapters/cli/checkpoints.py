"""``crucible checkpoints``: what the Tinker service keeps of trained models.

Key and address come from TINKER_API_KEY and TINKER_BASE_URL, as in experiments.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

if TYPE_CHECKING:
    from ..backends.tinker.storage import Storage

__all__ = ["delete", "download", "info", "list_all"]

Flag = Parameter(negative="")
T = TypeVar("T")


def list_all(*, json_output: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """List the checkpoints of the account.

    Args:
        json_output: One JSON object a line.
    """
    for each in _run(lambda storage: storage.all()):
        size = each.size_bytes
        if json_output:
            facts = {"path": each.tinker_path, "kind": each.checkpoint_type, "bytes": size}
            print(json.dumps({**facts, "time": each.time.isoformat()}))
        else:
            shown = "?" if size is None else f"{size:,}"
            print(f"{each.time:%Y-%m-%d %H:%M}  {each.checkpoint_type:<8}  {shown:>15}  {each.tinker_path}")
    return 0


def info(path: str, /) -> int:
    """Show which model a checkpoint is of.

    Args:
        path: Its path, tinker://RUN/weights/NAME.
    """
    found = _run(lambda storage: storage.info(path))
    for name in ("base_model", "is_lora", "lora_rank", "train_mlp", "train_attn", "train_unembed"):
        value = getattr(found, name, None)
        if value is not None:
            print(f"{name:<14} {json.dumps(value) if isinstance(value, bool) else value}")
    return 0


def download(path: str, /, *, output: Path) -> int:
    """Download the files of a checkpoint; memory stays flat however large they are.

    Args:
        path: Its path, tinker://RUN/weights/NAME.
        output: Folder to write them to.
    """

    def progress(name: str, done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{name}: {done / 1e6:,.0f} MB", end="", file=sys.stderr)

    for file in _run(lambda storage: storage.download(path, output, progress)):
        print(f"{file}  {file.stat().st_size:,} bytes")
    return 0


def delete(*paths: str, yes: Annotated[bool, Flag] = False) -> int:
    """Delete checkpoints for good.

    Args:
        paths: Their paths, tinker://RUN/weights/NAME.
        yes: Really delete them.
    """
    from ...messages.errors import InputError
    from ..backends.tinker.storage import parse_path

    if not paths:
        raise InputError("checkpoints delete: expected at least one path")
    for path in paths:
        parse_path(path)
    if not yes:
        raise InputError(f"checkpoints delete: {len(paths)} would be deleted for good: add --yes")

    async def delete_all(storage: Storage) -> None:
        for path in paths:
            await storage.delete(path)
            print(f"deleted {path}")

    _run(delete_all)
    return 0


def _run(work: Callable[[Storage], Coroutine[Any, Any, T]]) -> T:
    from ..backends.tinker.options import TinkerOptions
    from ..backends.tinker.storage import Storage

    async def with_storage() -> T:
        async with Storage(TinkerOptions(base_model="-")) as storage:
            return await work(storage)

    return asyncio.run(with_storage())
