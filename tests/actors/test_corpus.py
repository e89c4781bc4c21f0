from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, cast

from crucible.actors.corpus import MAX_ROWS, Corpus
from crucible.actors.ports import Dataset
from crucible.messages.records import Example


class Rows:
    """A data set that counts how it is read."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = list(examples)
        self.reads: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._examples)

    def read(self, start: int, stop: int) -> list[Example]:
        self.reads.append((start, stop))
        return self._examples[start:stop]


def corpus_of(rows: Rows) -> Corpus:
    return Corpus(cast("Dataset", rows))


def examples(count: int) -> list[Example]:
    return [Example(id=str(i), input=f"text {i}", reference=None) for i in range(count)]


def ids(rows: Sequence[Example]) -> frozenset[str]:
    return frozenset(example.id for example in rows)


def test_all_rows_of_a_small_set_are_shown() -> None:
    assert corpus_of(Rows(examples(700))).once(ids) == {str(i) for i in range(700)}


def test_of_a_large_set_the_same_rows_are_shown_whatever_their_order() -> None:
    rows = examples(MAX_ROWS + 900)
    shuffled = rows[:]
    random.Random(3).shuffle(shuffled)
    shown = corpus_of(Rows(rows)).once(ids)
    assert len(shown) == MAX_ROWS
    assert shown == corpus_of(Rows(shuffled)).once(ids)


def test_the_rows_shown_are_a_sample_and_not_the_first() -> None:
    shown = corpus_of(Rows(examples(2 * MAX_ROWS))).once(ids)
    early = sum(int(number) < MAX_ROWS for number in shown)
    assert 0.45 < early / MAX_ROWS < 0.55


def test_what_two_adapters_learn_alike_is_learned_once() -> None:
    rows = Rows(examples(10))
    corpus = corpus_of(rows)
    made: list[Any] = []

    def learn(shown: Sequence[Example]) -> object:
        made.append(len(shown))
        return object()

    assert corpus.once(learn) is corpus.once(learn)
    assert made == [10]
    assert rows.reads == [(0, 10)]


def test_rows_that_have_lone_surrogates_are_shown_too() -> None:
    rows = [Example(id=str(i), input=f"\ud800 {i}") for i in range(MAX_ROWS + 1)]
    assert len(corpus_of(Rows(rows)).once(ids)) == MAX_ROWS
