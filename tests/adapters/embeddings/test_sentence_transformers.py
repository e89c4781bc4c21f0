from __future__ import annotations

import importlib.util
import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest

from crucible.adapters.embeddings.base import make_embedder
from crucible.messages.errors import OptionError


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is not None, reason="sentence-transformers is installed"
)
def test_a_missing_library_is_refused_and_never_replaced() -> None:
    with pytest.raises(OptionError, match="sentence-transformers"):
        make_embedder("sentence_transformers", "some-model")


class FakeModel:
    """Knows two dimensions; refuses a model named missing."""

    def __init__(self, name: str) -> None:
        if name == "missing":
            raise OSError("no such model")

    def get_sentence_embedding_dimension(self) -> int:
        return 2

    def encode(self, texts: list[str], *, normalize_embeddings: bool, **_: object) -> np.ndarray[Any, Any]:
        assert normalize_embeddings
        return np.array([[1.0, 0.0] for _ in texts], dtype=np.float32)


def test_a_trained_model_is_named_in_the_method_and_survives_pickling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = types.SimpleNamespace(SentenceTransformer=FakeModel)
    monkeypatch.setitem(sys.modules, "sentence_transformers", fake)
    embedder = pickle.loads(pickle.dumps(make_embedder("sentence_transformers", "some-model")))
    assert embedder.method == "sentence_transformers:some-model"
    assert embedder.embed(["a", "b"]).tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert embedder.embed([]).shape == (0, 2)
    with pytest.raises(OptionError, match="'missing' cannot be loaded"):
        make_embedder("sentence_transformers", "missing")
