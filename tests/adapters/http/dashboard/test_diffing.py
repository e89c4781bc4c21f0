import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.http.dashboard.diffing import Piece, word_diff

TEXT = st.text(alphabet="ab .\n<é", max_size=60)


def test_words_that_differ_are_told_apart_from_those_that_do_not() -> None:
    assert word_diff("the cat sat", "the dog sat") == [
        Piece("same", "the "),
        Piece("missing", "dog"),
        Piece("added", "cat"),
        Piece("same", " sat"),
    ]


@given(TEXT, TEXT)
def test_the_pieces_hold_both_texts_whole(answer: str, reference: str) -> None:
    pieces = word_diff(answer, reference)
    assert "".join(piece.text for piece in pieces if piece.kind != "missing") == answer
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == reference


@pytest.mark.parametrize("lines", [1, 5_000])
def test_texts_too_long_to_match_are_still_whole(lines: int) -> None:
    answer, reference = "a b\n" * 5_000, "c d e f " * 1_500 + "x\n" * lines
    pieces = word_diff(answer, reference)
    assert "".join(piece.text for piece in pieces if piece.kind != "missing") == answer
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == reference
