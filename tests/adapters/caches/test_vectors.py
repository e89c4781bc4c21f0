import pickle
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from crucible.adapters.caches.vectors import FILE, VectorStore, model_identity, vector_key
from crucible.messages.errors import OptionError


def test_a_vector_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    store = VectorStore(str(tmp_path / "kept"))
    point = np.random.default_rng(1).normal(size=384)
    key = vector_key("m", "text")
    assert store.get([key]) == {}
    store.put({key: point})
    again = pickle.loads(pickle.dumps(store))
    assert again.get([key, vector_key("m", "other")])[key].tobytes() == point.tobytes()
    store.close()
    again.close()


def test_keys_tell_methods_and_texts_apart() -> None:
    keys = {vector_key("m", "ab", "c"), vector_key("m", "a", "bc"), vector_key("ma", "b", "c"),
            vector_key("m", "abc")}  # fmt: skip
    assert len(keys) == 4
    assert vector_key("m", "\ud800") != vector_key("m", "?")


def test_two_threads_and_two_stores_may_write_the_same(tmp_path: Path) -> None:
    stores = [VectorStore(str(tmp_path)) for _ in range(2)]

    def work(number: int) -> None:
        store = stores[number % 2]
        for text in range(50):
            store.put({vector_key("m", str(text)): [float(text)]})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    keys = [vector_key("m", str(text)) for text in range(50)]
    found = stores[0].get(keys)
    assert [found[key].tolist() for key in keys] == [[float(text)] for text in range(50)]
    assert [store.failure for store in stores] == [None, None]
    for store in stores:
        store.close()


def test_more_keys_than_one_question_takes(tmp_path: Path) -> None:
    store = VectorStore(str(tmp_path))
    vectors = {vector_key("m", str(number)): [float(number)] for number in range(1201)}
    store.put(vectors)
    assert len(store.get(list(vectors))) == 1201
    store.close()


def test_a_file_that_is_no_store_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("something else, and long enough to look like a file of its own" * 20)
    with pytest.raises(OptionError, match=r"model_cache: .*vectors\.sqlite: cannot be used"):
        VectorStore(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="cannot be used"):
        VectorStore(str(tmp_path / "file"))


def test_a_failure_while_the_run_goes_on_is_none_of_its_business(tmp_path: Path) -> None:
    store = VectorStore(str(tmp_path))
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("DROP TABLE vector")
    other.close()
    key = vector_key("m", "t")
    store.put({key: [1.0]})
    assert store.get([key]) == {}
    assert store.failure == "no such table: vector"
    store.close()


def test_a_model_in_a_folder_is_another_one_when_its_files_change(tmp_path: Path) -> None:
    assert model_identity("org/model") == "org/model"
    (tmp_path / "weights").write_bytes(b"1")
    first = model_identity(str(tmp_path))
    assert model_identity(str(tmp_path)) == first
    (tmp_path / "weights").write_bytes(b"12")
    assert model_identity(str(tmp_path)) != first
