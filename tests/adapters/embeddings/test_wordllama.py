"""The constants were computed once by the package's own inference."""

from __future__ import annotations

import importlib.util
import pickle

import numpy as np
import pytest

from crucible.adapters.embeddings.base import make_embedder
from crucible.messages.errors import OptionError

HAS_MODEL = all(importlib.util.find_spec(name) for name in ("wordllama", "tokenizers", "safetensors"))
with_model = pytest.mark.skipif(not HAS_MODEL, reason="wordllama or tokenizers is not installed")


@pytest.mark.skipif(HAS_MODEL, reason="the model is installed")
def test_without_its_packages_wordllama_is_refused_and_never_replaced() -> None:
    with pytest.raises(OptionError, match="'wordllama' needs the package"):
        make_embedder("wordllama", "")


@with_model
def test_points_equal_those_of_the_package() -> None:
    texts = [
        "The drug lowered blood pressure in all patients.",
        "Antihypertensive treatment reduced arterial tension.",
        "Cats purr.",
        "Zażółć gęślą jaźń — 血圧 \U0001f600 café",
    ]
    expected = [
        [-0.0397423, -0.12585056, 0.03492489, -0.08597404, 0.03969426, -0.05901145],
        [-0.00684455, -0.08142263, -0.0060299, -0.09473702, -0.00030045, -0.05851314],
        [-0.00586861, 0.03824549, -0.029995, -0.07279748, 0.00408042, -0.00095472],
        [-0.07438235, -0.03841516, 0.04242868, -0.05502811, -0.00525418, -0.00852144],
    ]
    points = make_embedder("wordllama", "").embed(texts)
    np.testing.assert_allclose(points[:, [0, 1, 2, 100, 200, 255]], expected, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-12)


@with_model
def test_order_does_not_count_and_blanks_are_the_zero_vector() -> None:
    embedder = pickle.loads(pickle.dumps(make_embedder("wordllama", "")))
    points = embedder.embed(["dog bites man", "man bites dog", " \n", "\ud83d"])
    assert points[0] @ points[1] > 0.97
    assert not points[2].any()
    assert embedder.embed([]).shape == (0, 256)
    assert embedder.method.startswith("wordllama")
