"""Rows of features: sparse hashed words beside a dense block.

Words and pairs of neighbours share a fixed number of slots by the hashing trick with signs (Weinberger et al.
2009), so that there is no vocabulary to build, to store or to outgrow. The hash is CRC-32: nobody attacks it
here and it costs a fifth of BLAKE2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Matrix", "dense_only", "join", "with_words"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

_SENTENCE, _FIRST, _CLAIM = 1, 2, 3


class Matrix(NamedTuple):
    """Sparse entries (row, column, value) and a dense block of shape (rows, dense features)."""

    rows: Ints
    columns: Ints
    values: Floats
    dense: Floats

    def take(self, chosen: Sequence[int]) -> Matrix:
        """Some of the rows, renumbered in the order given."""
        renumber = np.full(len(self.dense), -1, dtype=np.int32)
        renumber[list(chosen)] = np.arange(len(chosen), dtype=np.int32)
        rows = renumber[self.rows]
        kept = rows >= 0
        return Matrix(rows[kept], self.columns[kept], self.values[kept], self.dense[list(chosen)])


def dense_only(dense: Floats) -> Matrix:
    """A matrix without hashed words."""
    empty = np.zeros(0, dtype=np.int32)
    return Matrix(empty, empty, np.zeros(0), dense)


def with_words(
    dense: Floats, sentences: Sequence[Sequence[str]], claim: Sequence[str] | None, dimension: int
) -> Matrix:
    """Add the words of each sentence, and of the claim to every row; ``dimension`` is a power of two.

    A row with m entries gets values of +-1/sqrt(m), so that its sparse part has length 1 (collisions aside).
    """
    shared = [] if claim is None else _hashes(claim, _CLAIM)
    hashes: list[int] = []
    sizes = []
    for words in sentences:
        own = _hashes(words, _SENTENCE)
        if words:
            own.append(crc32(words[0].encode(), _FIRST))
        hashes += own
        hashes += shared
        sizes.append(len(own) + len(shared))
    raw = np.array(hashes, dtype=np.uint32)
    counts = np.array(sizes)
    rows = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    signs = 1.0 - 2.0 * (raw >> np.uint32(31))
    columns = (raw & np.uint32(dimension - 1)).astype(np.int32)
    return Matrix(rows, columns, signs / np.sqrt(np.maximum(counts, 1))[rows], dense)


def join(matrices: Sequence[Matrix]) -> Matrix:
    """One below the other."""
    sizes = np.array([len(matrix.dense) for matrix in matrices])
    offsets = (np.cumsum(sizes) - sizes).astype(np.int32)
    return Matrix(
        np.concatenate([matrix.rows + offset for matrix, offset in zip(matrices, offsets, strict=True)]),
        np.concatenate([matrix.columns for matrix in matrices]),
        np.concatenate([matrix.values for matrix in matrices]),
        np.concatenate([matrix.dense for matrix in matrices]),
    )


def _hashes(words: Sequence[str], salt: int) -> list[int]:
    """Hashes of the distinct words and pairs; all whole numbers count as one word."""
    coded = [b"#" if word.isdigit() else word.encode() for word in words]
    single = [crc32(code, salt) for code in coded]
    pairs = [crc32(code, before) for code, before in zip(coded[1:], single, strict=False)]
    return list(dict.fromkeys(single + pairs))
