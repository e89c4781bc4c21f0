"""Latent semantic analysis: TF-IDF in few coordinates that all texts share.

The default of surrogates and persistent homology, whose clouds hold the claims of many answers: there TF-IDF
itself would take a coordinate for every word of the data. Deerwester et al. (1990): with X the TF-IDF matrix
of sentences by words and X ≈ U S Vᵀ its truncated singular value decomposition, the point of a text with
TF-IDF vector q is q V, brought to length 1. scikit-learn's ``TruncatedSVD`` (ARPACK) gives the same
coordinates.

Where texts are compared two at a time the metrics take TF-IDF as it is: between a SciFact claim and the
sentences of its passage it ranks the evidence better than any number of these coordinates
(``docs/semantic-models.md``).

X holds at most ``MAX_SENTENCES`` sentences, those with the least hash, in that order: neither the order of
rows nor a hash seed of the process changes it. The start vector is seeded and each coordinate has the sign
that makes its largest word positive. Words that X lacks are dropped; a text without any other is the zero
vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...actors.corpus import content_hash
from ...messages.records import Example
from .tfidf import TfIdf, fit_tfidf, sentences_of

__all__ = ["DIMENSIONS", "MAX_SENTENCES", "Lsa", "Unlearned", "fit_lsa", "lsa_of"]

DIMENSIONS = 100
MAX_SENTENCES = 2_000
SEED = 0
KEPT = 1_024
WHOLE_UP_TO = 1_500
"""Sentences, or words, up to which their matrix of cosines is decomposed as a whole: quicker than ARPACK."""
_NOISE = 1e-12
"""Coordinates whose squared singular value is below this share of the largest are rounding."""

Floats = NDArray[np.float64]


class Lsa:
    """Implements ``Embedder``.

    Args:
        tfidf: weighs the words.
        axes: a row of coordinates for each word of ``places``.
        places: row of each word.
        sentences: how many stand behind the axes.
    """

    def __init__(self, tfidf: TfIdf, axes: Floats, places: dict[str, int], sentences: int) -> None:
        self._parts = (tfidf, axes, places, sentences)
        self._tfidf, self._axes, self._places, self._sentences = self._parts
        self._point = lru_cache(maxsize=KEPT)(self._compute)

    def __reduce__(self) -> tuple[type[Lsa], tuple[TfIdf, Floats, dict[str, int], int]]:
        return Lsa, self._parts

    @property
    def method(self) -> str:
        """Coordinates, sentences behind them, and the weights of the words."""
        return f"lsa-{self._axes.shape[1]}: SVD of {self._sentences} sentences; {self._tfidf.method}"

    def embed(self, texts: Sequence[str]) -> Floats:
        """Shape (texts, coordinates)."""
        points = [self._point(text) for text in texts]
        return np.array(points, np.float64).reshape(-1, self._axes.shape[1])

    def _compute(self, text: str) -> Floats:
        known = [
            (self._places[w], weight) for w, weight in self._tfidf.weights(text).items() if w in self._places
        ]
        weights = np.array([weight for _, weight in known])
        point: Floats = (
            weights @ self._axes[[place for place, _ in known]] if known else np.zeros(self._axes.shape[1])
        )
        point /= float(np.linalg.norm(point)) or 1.0
        point.flags.writeable = False
        return point


class Unlearned:
    """Stands where axes will be once the data is known; it has no points."""

    method = "lsa"

    def embed(self, texts: Sequence[str]) -> Floats:  # noqa: ARG002
        """Raises RuntimeError."""
        raise RuntimeError("lsa has learned from no data set: call learn() of the adapter first")


def fit_lsa(examples: Sequence[Example]) -> Lsa:
    """The axes of the sentences of a data set."""
    return lsa_of(fit_tfidf(examples), sentences_of(examples))


def lsa_of(tfidf: TfIdf, sentences: set[str]) -> Lsa:
    """The axes of some sentences whose words are weighed by ``tfidf``."""
    chosen = sorted(sentences, key=lambda text: (content_hash(text), text))[:MAX_SENTENCES]
    weighed = [tfidf.weights(text) for text in chosen]
    places = {word: place for place, word in enumerate(sorted({word for words in weighed for word in words}))}
    if not places:
        return Lsa(tfidf, np.zeros((0, 1)), {}, len(chosen))
    wanted = min(DIMENSIONS, len(chosen), len(places))
    axes = _decompose(weighed, places, wanted)
    top = np.abs(axes).argmax(axis=1)
    axes *= np.sign(axes[np.arange(len(axes)), top])[:, None]
    return Lsa(tfidf, np.ascontiguousarray(axes.T), places, len(chosen))


def _decompose(weighed: Sequence[Any], places: dict[str, int], wanted: int) -> Floats:
    """The right vectors of the largest singular values, falling, shape (coordinates, words)."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import svds

    shape = (len(weighed), len(places))
    rows = np.repeat(np.arange(len(weighed)), [len(words) for words in weighed])
    columns = [places[word] for words in weighed for word in words]
    values = [weight for words in weighed for weight in words.values()]
    matrix = csr_matrix((values, (rows, columns)), shape)
    if min(shape) <= WHOLE_UP_TO:
        tall = shape[0] > shape[1]
        squares, vectors = np.linalg.eigh((matrix.T @ matrix if tall else matrix @ matrix.T).toarray())
        kept = [i for i in range(len(squares)) if squares[i] > _NOISE * squares[-1]][: -wanted - 1 : -1]
        right = vectors[:, kept] if tall else matrix.T @ vectors[:, kept] / np.sqrt(squares[kept])
        return np.asarray(right.T, np.float64)
    start = np.random.default_rng(SEED).uniform(-1.0, 1.0, min(shape))
    _, singular, axes = svds(matrix, k=wanted, v0=start)
    return np.asarray(axes[np.argsort(-singular, kind="stable")], np.float64)
