"""An embedder that looks into a store of vectors before it asks its model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..caches.vectors import VectorStore, vector_key
from .base import Embedder

__all__ = ["KeptEmbedder"]


class KeptEmbedder:
    """Implements ``Embedder``: the points of ``inner``, each computed once for all runs that share ``store``.

    ``identity`` stands for the model; what it is given for another model is never mixed up.
    """

    def __init__(self, inner: Embedder, store: VectorStore, identity: str) -> None:
        self._inner = inner
        self._store = store
        self._identity = identity

    def __reduce__(self) -> tuple[type[KeptEmbedder], tuple[Embedder, VectorStore, str]]:
        return KeptEmbedder, (self._inner, self._store, self._identity)

    @property
    def method(self) -> str:
        """That of the model: where a point was kept changes nothing."""
        return self._inner.method

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Shape (texts, dimensions of the model)."""
        if not texts:
            return self._inner.embed(texts)
        keys = [vector_key(self._identity, text) for text in texts]
        points = self._store.get(list(dict.fromkeys(keys)))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in points}
        if missing:
            fresh = dict(zip(missing, self._inner.embed(list(missing.values())), strict=True))
            self._store.put(fresh)
            points |= fresh
        return np.array([points[key] for key in keys], np.float64)
