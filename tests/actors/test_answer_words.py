"""The words of answers: as SQuAD's script has them, but for what it makes equal by mistake."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.answer_words import holds_words, words_of


def squad(text: str) -> str:
    """``normalize_answer`` of SQuAD's official evaluation script (version 1.1), written anew."""
    text = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


@pytest.mark.parametrize(
    "text",
    [
        "Paris.",
        "**Rome**",
        "The capital of Japan is Tokyo.",
        "  an   Apple \n a day ",
        "U.S.A.",
        "well-known 'author'",
        "in 1,000 km",
        "the theatre, an anthem",
        "snake_case & `code`",
        "$5 (five dollars)",
        "about 50%",
    ],
)
def test_ordinary_texts_come_out_as_in_the_official_script(text: str) -> None:
    assert " ".join(words_of(text)) == squad(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-3.5", "-3.5"),
        ("**−3.5**", "-3.5"),
        ("-$1,000.50.", "-1000.50"),
        ("3.14", "3.14"),
        ("€5", "5"),
        ("10:30", "10:30"),
        ("10–12", "10-12"),
        ("1,5", "1,5"),
        ("½", "1/2"),
        ("3½", "3 1/2"),
        ("10²", "10^2"),
        ("2+3=5", "2 3 5"),
        ("C++.", "c++"),
        ("C#", "c#"),
        ("A", "a"),
        ("(A)", "a"),
        ("A. The cat", "a cat"),
        ("vitamin A", "vitamin a"),
        ("The", "the"),
        ("**+**", "+"),
        ("...", "..."),
        ("", ""),
        (" \n", ""),
    ],
)
def test_what_the_script_would_confuse_stays_apart(text: str, words: str) -> None:
    assert " ".join(words_of(text)) == words


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("“Straße”", "STRASSE"),
        ("ﬁne", "fine"),
        ("Ｐａｒｉｓ！", "paris"),
        ("東京。", "東京"),
        ("¿Qué?", "qué"),
        ("don’t", "don't"),
    ],
)
def test_forms_of_unicode_are_one(left: str, right: str) -> None:
    assert words_of(left) == words_of(right)


@pytest.mark.parametrize(
    ("answer", "part", "held"),
    [
        ("The capital of Japan is Tokyo.", "tokyo", True),
        ("It is New   Delhi, in India", "New Delhi", True),
        ("Delhi is new", "New Delhi", False),
        ("Romeo", "Rome", False),
        ("It is -5.", "5", False),
        ("答えは東京です。", "東京", True),
        ("anything", "", False),
    ],
)
def test_a_part_stands_in_an_answer_as_whole_words_in_a_row(answer: str, part: str, held: bool) -> None:
    assert holds_words(words_of(answer), words_of(part)) is held


@given(st.text())
def test_words_are_never_empty_and_blanks_around_them_do_not_matter(text: str) -> None:
    found = words_of(text)
    assert all(found)
    assert bool(found) == bool(text.strip())
    assert words_of(f" {text}\t") == found
