from __future__ import annotations

import math
import pickle
import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from crucible.adapters.cns.text import content_tokens
from crucible.adapters.embeddings.tfidf import TfIdf, fit_tfidf, sentences_of
from crucible.messages.records import Example

PROMPT = """Passage:
Document 7: Lamps on a ward

Amber lamps lengthened night sleep by 48 minutes. Pain scores did not differ. Staff found the light tiring.

Task:
1. Write the hypothesis.
"""
GOLD = "CLAIM[c1]: Amber lamps lengthen night sleep.\nCLAIM[c2] (Document 7): Pain scores did not differ."
SENTENCES = {
    "Lamps on a ward",
    "Amber lamps lengthened night sleep by 48 minutes.",
    "Pain scores did not differ.",
    "Staff found the light tiring.",
    "Amber lamps lengthen night sleep.",
}


def example(number: int = 1, prompt: str = PROMPT, gold: str | None = GOLD) -> Example:
    return Example(id=str(number), input=prompt, reference=gold)


def random_texts(count: int, seed: int) -> list[str]:
    words = [f"word{i}" for i in range(60)]
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=draw.randint(1, 25))) for _ in range(count)]


def fitted_on(texts: list[str]) -> TfIdf:
    return fit_tfidf([Example(id=str(i), input="", reference=text) for i, text in enumerate(texts)])


def test_cosines_equal_those_of_scikit_learn_for_the_words_it_knows() -> None:
    texts = [*random_texts(200, 1), "word1 word1 word1 word2"]
    peer = TfidfVectorizer(analyzer=content_tokens, sublinear_tf=True, smooth_idf=True, norm="l2").fit(texts)
    asked = random_texts(40, 2)
    theirs = (peer.transform(asked) @ peer.transform(asked).T).toarray()
    points = fitted_on(texts).embed(asked)
    assert points @ points.T == pytest.approx(theirs, rel=1e-12, abs=1e-12)


def test_every_idf_equals_that_of_scikit_learn() -> None:
    texts = random_texts(50, 3)
    peer = TfidfVectorizer(analyzer=content_tokens, sublinear_tf=True).fit(texts)
    mine = fitted_on(texts)
    assert {word: mine.idf(word) for word in peer.vocabulary_} == pytest.approx(
        {word: peer.idf_[place] for word, place in peer.vocabulary_.items()}, rel=1e-14
    )


def test_a_word_that_the_data_lacks_weighs_most_and_counts_when_shared() -> None:
    mine = fitted_on(["lamp sleep", "lamp pain", "lamp light"])
    assert mine.idf("zebra") == pytest.approx(math.log(4) + 1)
    assert mine.idf("zebra") > mine.idf("sleep") > mine.idf("lamp") == 1.0
    one, other = mine.embed(["zebra lamp", "zebra light"])
    assert one @ other > 0.5


def test_what_is_learned_from_are_sentences_titles_and_the_claims_of_the_reference() -> None:
    assert sentences_of([example()]) == SENTENCES
    plain = Example(id="p", input="Who wrote Emma? Answer briefly.", reference="Jane Austen.")
    assert sentences_of([plain]) == {"Who wrote Emma?", "Answer briefly.", "Jane Austen."}


def test_a_sentence_that_stands_in_many_rows_counts_once() -> None:
    once, often = fit_tfidf([example()]), fit_tfidf([example(i) for i in range(5)])
    assert often.method == once.method == "tfidf: sublinear tf, smoothed idf of 5 sentences of the data"
    assert np.array_equal(once.embed(sorted(SENTENCES)), often.embed(sorted(SENTENCES)))


def test_the_order_of_rows_changes_no_bit() -> None:
    rows = [Example(id=str(i), input=text) for i, text in enumerate(random_texts(30, 4))]
    asked = random_texts(5, 5)
    assert np.array_equal(fit_tfidf(rows).embed(asked), fit_tfidf(rows[::-1]).embed(asked))


def test_without_data_all_words_weigh_the_same_and_the_method_says_so() -> None:
    bare = TfIdf()
    assert bare.method == "tfidf: sublinear tf, no idf"
    first, second = bare.embed(["lamp sleep", "lamp pain"])
    assert first @ second == pytest.approx(0.5)


def test_rows_have_length_one_or_none_at_all() -> None:
    points = fitted_on(["lamp sleep"]).embed(["lamp", "of the", "sleep lamp lamp", ""])
    assert np.linalg.norm(points, axis=1) == pytest.approx([1.0, 0.0, 1.0, 0.0])
    assert TfIdf().embed([]).shape == (0, 1)
    assert TfIdf().embed(["of the"]).shape == (1, 1)


def test_what_was_learned_survives_pickling() -> None:
    mine = fit_tfidf([example()])
    again = pickle.loads(pickle.dumps(mine))
    assert again.method == mine.method
    assert np.array_equal(again.embed(sorted(SENTENCES)), mine.embed(sorted(SENTENCES)))


def test_negations_weigh_and_stop_words_do_not() -> None:
    words = TfIdf().weights("the drug did not work")
    assert set(words) == {"drug", "not", "work"}
