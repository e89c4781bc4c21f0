"""Files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from ...actors.synced import sync_folder
from ...messages.control import Artifact
from ...messages.errors import OutputError

__all__ = ["MEDIA_TYPES", "publish", "write_whole"]

MEDIA_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".tex": "application/x-tex; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".mmd": "text/vnd.mermaid",
    ".parquet": "application/vnd.apache.parquet",
}


def write_whole(path: Path, content: bytes) -> Artifact:
    """Write to a temporary neighbour, sync, rename. Raises OutputError naming the file."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    return publish(temporary, path)


def publish(temporary: Path, path: Path) -> Artifact:
    """Give a synced file its final name."""
    try:
        temporary.replace(path)
        sync_folder(path.parent)
        size = path.stat().st_size
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
    return Artifact(name=path.name, path=str(path), media_type=media_type, bytes=size)
