from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys

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


def test_word_order_matters_a_little() -> None:
    cosine = float(embed(["drug lowers pressure"])[0] @ embed(["pressure lowers drug"])[0])
    assert 0.6 < cosine < 0.99


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
