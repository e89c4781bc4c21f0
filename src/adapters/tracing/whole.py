"""A file that has its final name only once it is complete."""

from __future__ import annotations

import os
from pathlib import Path

from ...actors.synced import sync_folder
from ...messages.control import Artifact
from ...messages.errors import OutputError

__all__ = ["WholeFile"]


class WholeFile:
    """Writes to ``NAME.partial`` and renames on ``finish``. Raises OutputError naming the file."""

    def __init__(self, path: Path, media_type: str) -> None:
        if not path.name:
            raise OutputError(f"{path}: cannot be written: expected the name of a file")
        self._path, self._media_type = path, media_type
        self._partial = path.with_name(f"{path.name}.partial")
        self._artifact: Artifact | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("wb")
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror}") from error

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._file.closed

    def write(self, content: bytes) -> None:
        """Append, and hand it to the system."""
        try:
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._partial}: cannot be written: {error.strerror}") from error

    def abandon(self) -> None:
        """Close and remove what was written, unless it is finished."""
        self._file.close()
        if self._artifact is None:
            self._partial.unlink(missing_ok=True)

    def finish(self) -> Artifact:
        """Sync, close, rename. Idempotent."""
        if self._artifact is None:
            try:
                with self._file as file:
                    file.flush()
                    os.fsync(file.fileno())
                self._partial.replace(self._path)
                sync_folder(self._path.parent)
                size = self._path.stat().st_size
            except OSError as error:
                raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error
            self._artifact = Artifact(
                name=self._path.name, path=str(self._path), media_type=self._media_type, bytes=size
            )
        return self._artifact
