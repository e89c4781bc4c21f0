"""Sentence embeddings of a trained model, through the optional library sentence-transformers.

The library and the model are loaded at construction, so a missing one is reported before a run starts.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...messages.errors import OptionError

__all__ = ["SentenceTransformerEmbedder"]


class SentenceTransformerEmbedder:
    """Implements ``Embedder``. Encoding runs one text after another in the calling thread."""

    def __init__(self, model: str) -> None:
        self._name = model
        self._model = _load(model)

    def __reduce__(self) -> tuple[type[SentenceTransformerEmbedder], tuple[str]]:
        return SentenceTransformerEmbedder, (self._name,)

    @property
    def method(self) -> str:
        """``sentence_transformers:`` and the name of the model."""
        return f"sentence_transformers:{self._name}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (texts, dimensions of the model)."""
        if not texts:
            return np.zeros((0, _dimensions(self._model)))
        encoded = self._model.encode(
            list(texts), convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(encoded, dtype=np.float64)


def _dimensions(model: Any) -> int:
    """Under the name that the method has in recent versions of the library, or the one before."""
    named = getattr(model, "get_embedding_dimension", None)
    return int(named() if named is not None else model.get_sentence_embedding_dimension())


def _load(model: str) -> Any:
    try:
        library = importlib.import_module("sentence_transformers")
    except ImportError as error:
        raise OptionError(
            "embedding: 'sentence_transformers' needs the package sentence-transformers (not installed)"
        ) from error
    try:
        return library.SentenceTransformer(model)
    except (OSError, ValueError) as error:
        raise OptionError(f"embedding_model: {model!r} cannot be loaded: {type(error).__name__}") from error
