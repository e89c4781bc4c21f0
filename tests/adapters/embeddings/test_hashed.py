from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest

from crucible.adapters.embeddings.base import make_embedder
from crucible.adapters.embeddings.hashed import HashedNgrams
from crucible.messages.errors import OptionError

TEXTS = ["Amber lamps lengthened sleep.", "Lamps of amber lengthen the sleep.", "Cats purr loudly."]
embed = HashedNgrams().embed


def test_rows_have_length_one_and_the_stated_shape() -> None:
    points = embed(TEXTS)
    assert points.shape == (3, 256)
    assert np.linalg.norm(points, axis=1) == pytest.approx(1.0)
    assert embed([]).shape == (0, 256)


def test_a_text_without_content_is_the_zero_vector() -> None:
    assert not embed(["of the"]).any()


def test_texts_that_share_words_are_closer() -> None:
    cosines = embed(TEXTS) @ embed(TEXTS).T
    assert cosines[0, 1] > 0.5 > 0.2 > abs(cosines[0, 2])


def test_inflections_of_a_word_are_closer_than_other_words() -> None:
    lamp, lamps, cat = embed(["lamp", "lamps", "cat"])
    assert lamp @ lamps > 0.05 + abs(lamp @ cat)


def test_a_repeated_word_weighs_more() -> None:
    once, twice, word = embed(["lamp cat", "lamp lamp cat", "lamp"])
    assert twice @ word > once @ word


def test_what_is_returned_may_be_written_to_without_harm() -> None:
    points = embed(TEXTS)
    before = points.copy()
    points[:] = 0.0
    assert np.array_equal(embed(TEXTS), before)


def test_another_process_with_another_hash_seed_gives_the_same_bits() -> None:
    code = (
        "import hashlib; from crucible.adapters.embeddings.hashed import HashedNgrams as H;"
        f"print(hashlib.sha256(H().embed({TEXTS!r}).tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {hashlib.sha256(embed(TEXTS).tobytes()).hexdigest()}


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
