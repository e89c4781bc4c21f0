import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.adapters.caches.vectors import VectorStore
from crucible.adapters.embeddings.base import EmbeddingName, make_embedder
from crucible.adapters.embeddings.kept import KeptEmbedder


class Letters:
    """Points that say how often a text has each of three letters."""

    method = "letters"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([[text.count(letter) for letter in "abn"] for text in texts], float).reshape(-1, 3)


class Counting(Letters):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.asked += texts
        return super().embed(texts)


def test_each_text_is_computed_once_for_all_runs(tmp_path: Path) -> None:
    inner = Counting()
    texts = ["lamps shine", "dogs bark", "lamps shine"]
    for _ in range(2):
        store = VectorStore(str(tmp_path))
        points = KeptEmbedder(inner, store, "m").embed(texts)
        assert points.tobytes() == Letters().embed(texts).tobytes()
        store.close()
    assert inner.asked == ["lamps shine", "dogs bark"]


def test_another_model_has_its_own_points(tmp_path: Path) -> None:
    inner, store = Counting(), VectorStore(str(tmp_path))
    for identity in ("m", "n"):
        KeptEmbedder(inner, store, identity).embed(["lamps shine"])
    assert inner.asked == ["lamps shine"] * 2
    store.close()


def test_no_text_has_no_point_and_the_result_is_named_after_the_model(tmp_path: Path) -> None:
    store = VectorStore(str(tmp_path))
    kept = KeptEmbedder(Letters(), store, "m")
    assert kept.embed([]).shape == (0, 3)
    again = pickle.loads(pickle.dumps(kept))
    assert again.method == Letters.method
    assert again.embed(["x y"]).shape == (1, 3)
    store.close()


@pytest.mark.parametrize("name", ["tfidf", "lsa"])
def test_what_is_quick_to_compute_is_never_kept(name: EmbeddingName, tmp_path: Path) -> None:
    assert not isinstance(make_embedder(name, "", str(tmp_path / "kept")), KeptEmbedder)
    assert not (tmp_path / "kept").exists()
