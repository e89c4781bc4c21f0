"""What an embedding has to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ...actors.corpus import Corpus

__all__ = ["EMBEDDINGS", "Embedder", "EmbeddingName", "learned", "make_embedder"]

EmbeddingName = Literal["tfidf", "lsa", "minilm", "wordllama", "sentence_transformers"]

EMBEDDINGS = "minilm, wordllama or sentence_transformers"
"""The trained ones, for descriptions of options."""


class Embedder(Protocol):
    """Texts to points; equal texts give equal points, those of ``tfidf`` within a call only.

    Picklable, safe in several threads.
    """

    @property
    def method(self) -> str:
        """Name and settings, for the results."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Float array of shape (texts, dimensions); rows have length 1, or 0 for a text without content."""
        ...


def make_embedder(name: EmbeddingName, model: str, cache: str | None = None) -> Embedder:
    """The embedder of that name; ``model`` is for ``sentence_transformers`` only.

    ``tfidf`` and ``lsa`` learn from a data set first, see ``learned``. ``cache`` is a folder that keeps the
    points of trained models from run to run. Raises OptionError when the library that it needs is not
    installed, or the folder cannot be used.
    """
    embedder = _make(name, model)
    if cache is None or name in ("tfidf", "lsa"):  # quicker to compute than to look up
        return embedder
    from ..caches.vectors import VectorStore, model_identity
    from .kept import KeptEmbedder

    identity = f"{embedder.method} {model_identity(model) if name == 'sentence_transformers' else ''}"
    return KeptEmbedder(embedder, VectorStore(cache), identity)


def learned(name: EmbeddingName, embedder: Embedder, corpus: Corpus) -> Embedder:
    """The embedder after it has seen the data of a run; trained ones are as they were. Blocking."""
    if name == "tfidf":
        from .tfidf import fit_tfidf

        return corpus.once(fit_tfidf)
    if name == "lsa":
        from .lsa import fit_lsa

        return corpus.once(fit_lsa)
    return embedder


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
    if name == "lsa":
        from .lsa import Unlearned

        return Unlearned()
    from .tfidf import TfIdf

    return TfIdf()
