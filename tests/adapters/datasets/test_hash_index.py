"""The index of 64-bit hashes against a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.datasets.hash_index import HashIndex


@given(st.lists(st.integers(0, 300).map(str), max_size=600))
def test_it_numbers_strings_like_a_dictionary(values: list[str]) -> None:
    index, known = HashIndex(), dict[str, int]()
    for value in values:
        assert index.add(value) == known.get(value)
        known.setdefault(value, len(known))
    assert len(index) == len(known)


def test_it_grows_past_its_first_table() -> None:
    index = HashIndex()
    assert all(index.add(str(i)) is None for i in range(5000))
    assert [index.add(str(i)) for i in range(5000)] == list(range(5000))
