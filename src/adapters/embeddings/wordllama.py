"""Static embeddings: the mean of the vectors of a text's tokens, from the table of the package wordllama.

The table (32,000 tokens, 256 numbers each) was trained from the token embeddings of language models. It
knows related words and no order: "dog bites man" and "man bites dog" are one point. Only its two files are
used; the package is not imported, and its download of other tables never happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .packaged import load_tensors, load_tokenizer, package_folder

__all__ = ["WordLlama"]

NAME = "wordllama"
TABLE_SHA256 = "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
TOKENIZER_SHA256 = "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68"
DIMENSIONS = 256
MAX_TOKENS = 8_192


class WordLlama:
    """Implements ``Embedder`` in 256 dimensions. Of a text, the first 8,192 tokens count.

    Args:
        folder: of the package; None: where it is installed.
    """

    method = f"wordllama: l2_supercat_{DIMENSIONS}, mean of static token vectors"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        place = folder or package_folder(NAME, NAME, NAME)
        tokenizer = place / "tokenizers" / "l2_supercat_tokenizer_config.json"
        self._tokens = load_tokenizer(NAME, tokenizer, TOKENIZER_SHA256, max_tokens=MAX_TOKENS)
        table = place / "weights" / f"l2_supercat_{DIMENSIONS}.safetensors"
        self._table: NDArray[np.float16] = load_tensors(NAME, table, TABLE_SHA256)["embedding.weight"]

    def __reduce__(self) -> tuple[type[WordLlama], tuple[Path | None]]:
        return WordLlama, (self._folder,)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (texts, 256). A text of blanks only is the zero vector."""
        return np.array([self._point(text) for text in texts], np.float64).reshape(-1, DIMENSIONS)

    def _point(self, text: str) -> NDArray[np.float64]:
        if not text.strip():
            return np.zeros(DIMENSIONS)
        plain = text.encode("utf-8", "replace").decode()
        numbers = np.asarray(self._tokens.encode(plain, add_special_tokens=False).ids)
        total = self._table[np.minimum(numbers, len(self._table) - 1)].sum(axis=0, dtype=np.float64)
        return np.asarray(total / (np.linalg.norm(total) or 1.0))
