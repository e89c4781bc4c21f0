import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crucible.adapters.caches.vectors import VectorStore
from crucible.adapters.embeddings.base import make_embedder
from crucible.adapters.embeddings.hashed import HashedNgrams
from crucible.adapters.embeddings.kept import KeptEmbedder


class Counting(HashedNgrams):
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
        assert points.tobytes() == HashedNgrams().embed(texts).tobytes()
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
    kept = KeptEmbedder(HashedNgrams(), store, "m")
    assert kept.embed([]).shape == (0, 256)
    again = pickle.loads(pickle.dumps(kept))
    assert again.method == HashedNgrams.method
    assert again.embed(["x y"]).shape == (1, 256)
    store.close()


def test_hashing_is_never_kept(tmp_path: Path) -> None:
    assert isinstance(make_embedder("hashed_ngrams", "", str(tmp_path / "kept")), HashedNgrams)
    assert not (tmp_path / "kept").exists()
