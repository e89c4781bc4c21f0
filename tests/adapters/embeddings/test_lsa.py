from __future__ import annotations

import hashlib
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from crucible.adapters.cns.text import content_tokens
from crucible.adapters.embeddings import lsa
from crucible.adapters.embeddings.lsa import DIMENSIONS, Lsa, Unlearned, fit_lsa
from crucible.messages.records import Example


def texts_of(count: int, seed: int, words: int = 500) -> list[str]:
    vocabulary = [f"word{i}" for i in range(words)]
    draw = random.Random(seed)
    return [" ".join(draw.choices(vocabulary, k=draw.randint(5, 25))) for _ in range(count)]


def rows(texts: list[str]) -> list[Example]:
    return [Example(id=str(i), input=text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("sentences", "words", "whole_up_to"), [(400, 500, 1_500), (500, 300, 1_500), (400, 500, 100)]
)
def test_cosines_equal_those_of_truncated_svd(
    sentences: int, words: int, whole_up_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsa, "DIMENSIONS", 40)
    monkeypatch.setattr(lsa, "WHOLE_UP_TO", whole_up_to)
    texts, asked = texts_of(sentences, 1, words), texts_of(30, 2, words)
    peer = TfidfVectorizer(analyzer=content_tokens, sublinear_tf=True)
    matrix = peer.fit_transform(texts)
    svd = TruncatedSVD(40, algorithm="arpack", random_state=0).fit(matrix)
    theirs = svd.transform(peer.transform(asked))
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    points = fit_lsa(rows(texts)).embed(asked)
    assert points.shape == (30, 40)
    assert points @ points.T == pytest.approx(theirs @ theirs.T, abs=1e-9)


def test_with_few_sentences_cosines_of_the_data_are_those_of_tfidf() -> None:
    texts = texts_of(40, 3)
    peer = TfidfVectorizer(analyzer=content_tokens, sublinear_tf=True).fit_transform(texts)
    mine = fit_lsa(rows(texts))
    points = mine.embed(texts)
    assert points.shape[1] == 40
    assert points @ points.T == pytest.approx((peer @ peer.T).toarray(), abs=1e-9)


def test_words_that_stand_with_the_same_words_come_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsa, "DIMENSIONS", 10)
    contexts = ["lowers pressure in patients", "taken daily for pressure", "reduces arterial pressure"]
    texts = [f"{drug} {context}" for drug in ("atenolol", "losartan") for context in contexts]
    texts += texts_of(40, 4, words=20)
    atenolol, losartan, other = fit_lsa(rows(texts)).embed(["atenolol", "losartan", "word7"])
    assert atenolol @ losartan > 0.8 > 0.3 > abs(atenolol @ other)


@pytest.mark.parametrize("whole_up_to", [1_500, 100])
def test_neither_the_order_of_rows_nor_the_hash_seed_changes_a_bit(
    whole_up_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsa, "WHOLE_UP_TO", whole_up_to)
    texts = texts_of(300, 5)
    code = (
        "import hashlib, random; from crucible.adapters.embeddings import lsa; fit_lsa = lsa.fit_lsa;"
        f"lsa.WHOLE_UP_TO = {whole_up_to};"
        "from crucible.messages.records import Example;"
        f"t = {texts!r}; random.Random(9).shuffle(t);"
        "m = fit_lsa([Example(id=str(i), input=x) for i, x in enumerate(t)]);"
        "print(hashlib.sha256(m.embed(sorted(t)).tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    mine = hashlib.sha256(fit_lsa(rows(texts)).embed(sorted(texts)).tobytes()).hexdigest()
    assert digests == {mine}


def test_each_coordinate_is_positive_for_its_largest_word() -> None:
    _, axes, _, _ = fit_lsa(rows(texts_of(400, 6)))._parts
    assert (axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] > 0).all()


def test_of_many_sentences_a_sample_is_decomposed_and_the_method_says_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lsa, "MAX_SENTENCES", 250)
    texts = texts_of(400, 7)
    mine = fit_lsa(rows(texts))
    assert mine.method == (
        f"lsa-{DIMENSIONS}: SVD of 250 sentences; "
        "tfidf: sublinear tf, smoothed idf of 400 sentences of the data"
    )
    assert np.array_equal(mine.embed(texts[:5]), fit_lsa(rows(texts[::-1])).embed(texts[:5]))


def test_many_sentences_of_few_words_have_as_many_coordinates_as_words() -> None:
    texts = sorted({f"lamp {'and ' * i}sleep" for i in range(1_100)})
    assert fit_lsa(rows(texts)).embed(texts).shape == (1_100, 1)


def test_a_text_of_unknown_words_is_the_zero_vector() -> None:
    mine = fit_lsa(rows(texts_of(20, 8)))
    assert not mine.embed(["zebra", "of the", ""]).any()
    assert mine.embed([]).shape == (0, mine.embed(["x"]).shape[1])


@pytest.mark.parametrize("texts", [[], ["of the"], ["lamp"], ["lamp", "lamp lamp"]])
def test_data_with_hardly_a_word_has_axes_all_the_same(texts: list[str]) -> None:
    points = fit_lsa(rows(texts)).embed(["lamp", "sleep"])
    assert np.isfinite(points).all()
    assert points.shape == (2, 1)


def test_what_was_learned_survives_pickling_and_points_cannot_be_harmed() -> None:
    texts = texts_of(30, 9)
    mine = fit_lsa(rows(texts))
    before = mine.embed(texts)
    again: Lsa = pickle.loads(pickle.dumps(mine))
    assert np.array_equal(again.embed(texts), before)
    mine.embed(texts)[:] = 0.0
    assert np.array_equal(mine.embed(texts), before)


def test_without_data_there_are_no_points() -> None:
    with pytest.raises(RuntimeError, match="learned from no data set"):
        Unlearned().embed(["a text"])
