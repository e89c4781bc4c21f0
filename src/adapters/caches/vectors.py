"""Vectors that trained models computed, kept on disk from run to run: points of texts, verdicts on pairs.

One SQLite file in a folder of the user's choice, shared by any number of runs and threads. It is a cache:
what a crash takes is computed again, and a file that cannot be used is an error only when it is opened.
Numbers are kept as float64, so a vector that comes back is the one that went in, to the last bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import OptionError

__all__ = ["VectorStore", "model_identity", "vector_key"]

FILE = "vectors.sqlite"
ASKED_AT_ONCE = 500
WAIT_S = 30.0


def vector_key(method: str, *texts: str) -> bytes:
    """16 bytes that stand for a method and what it was given."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (method, *texts):
        content = part.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.digest()


def model_identity(model: str) -> str:
    """A model by name; one in a folder also by names, sizes and times of its files: it may be trained on."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{folder.resolve()} {hashlib.sha256(repr(facts).encode()).hexdigest()}"


class VectorStore:
    """Vectors by key. Blocking, safe in several threads, picklable.

    Raises OptionError when the folder cannot be used. A failure later on is not one of the run: what cannot
    be read counts as unknown, what cannot be written is not kept, and ``failure`` says why.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.failure: str | None = None
        path = Path(folder).expanduser() / FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=WAIT_S, check_same_thread=False, isolation_level=None
            )
            for statement in (
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = NORMAL",
                "CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, numbers BLOB NOT NULL)",
            ):
                self._connection.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise OptionError(f"model_cache: {path}: cannot be used: {error}") from error

    def __reduce__(self) -> tuple[type[VectorStore], tuple[str]]:
        return VectorStore, (self._folder,)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float64]]:
        """The vectors that are there."""
        found: dict[bytes, NDArray[np.float64]] = {}
        try:
            with self._lock:
                for start in range(0, len(keys), ASKED_AT_ONCE):
                    some = keys[start : start + ASKED_AT_ONCE]
                    marks = ",".join("?" * len(some))
                    rows = self._connection.execute(
                        f"SELECT key, numbers FROM vector WHERE key IN ({marks})",  # noqa: S608 - marks only
                        some,
                    )
                    found.update((key, np.frombuffer(numbers, "<f8")) for key, numbers in rows)
        except sqlite3.Error as error:
            self.failure = str(error)
        return found

    def put(self, vectors: Mapping[bytes, Sequence[float] | NDArray[np.float64]]) -> None:
        """Keep vectors."""
        rows = [(key, np.asarray(numbers, "<f8").tobytes()) for key, numbers in vectors.items()]
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    self._connection.executemany("INSERT OR IGNORE INTO vector VALUES (?, ?)", rows)
                finally:
                    self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.failure = str(error)

    def close(self) -> None:
        """Release the file. Idempotent."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self._connection.close()
