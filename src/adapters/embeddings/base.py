"""What an embedding has to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Embedder", "EmbeddingName", "make_embedder"]

EmbeddingName = Literal["hashed_ngrams", "minilm", "wordllama", "sentence_transformers"]


class Embedder(Protocol):
    """Texts to points; the same text always gives the same point. Picklable, safe in several threads."""

    @property
    def method(self) -> str:
        """Name and settings, for the results."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Float array of shape (texts, dimensions); rows have length 1, or 0 for a text without content."""
        ...


def make_embedder(name: EmbeddingName, model: str, cache: str | None = None) -> Embedder:
    """The embedder of that name; ``model`` is for ``sentence_transformers`` only.

    ``cache`` is a folder that keeps the points of trained models from run to run. Raises OptionError when the
    library that it needs is not installed, or the folder cannot be used.
    """
    embedder = _make(name, model)
    if cache is None or name == "hashed_ngrams":  # hashing is quicker than looking up
        return embedder
    from ..caches.vectors import VectorStore, model_identity
    from .kept import KeptEmbedder

    identity = f"{embedder.method} {model_identity(model) if name == 'sentence_transformers' else ''}"
    return KeptEmbedder(embedder, VectorStore(cache), identity)


def _make(name: EmbeddingName, model: str) -> Embedder:
    if name == "sentence_transformers":
        from .sentence_transformers import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(model)
    if name == "minilm":
        from .minilm import MiniLm

        return MiniLm()
    if name == "wordllama":
        from .wordllama import WordLlama

        return WordLlama()
    from .hashed import HashedNgrams

    return HashedNgrams()
