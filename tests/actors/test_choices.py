"""Which option an answer chose."""

from typing import Any

import pytest

from crucible.actors.choices import chosen, lettered, options_of, right_option

CITIES = options_of({"choices": ["Paris", "Tokyo", "New York", "York"]})


@pytest.mark.parametrize(
    "fields",
    [
        {"choices": ["x", "y"]},
        {"options": {"A": "x", "B": "y"}},
        {"choices": {"text": ["x", "y"], "label": ["A", "B"]}},
    ],
)
def test_options_stand_in_the_row_in_three_forms(fields: dict[str, Any]) -> None:
    assert [(option.label, option.text) for option in options_of(fields)] == [("A", "x"), ("B", "y")]


@pytest.mark.parametrize(
    "fields",
    [{}, {"choices": ["x"]}, {"choices": "x, y"}, {"choices": ["x", ""]}, {"choices": ["x", None]}],
)
def test_what_is_no_two_texts_is_no_options(fields: dict[str, Any]) -> None:
    assert options_of(fields) == ()


@pytest.mark.parametrize(
    ("reference", "label"), [("B", "B"), ("(b)", "B"), ("tokyo.", "B"), ("1", None), ("E", None)]
)
def test_a_reference_names_its_option_by_letter_or_text(reference: str, label: str | None) -> None:
    assert named(right_option(CITIES, reference)) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(B)", "B"),
        ("B) Tokyo", "B"),
        ("**B**", "B"),
        ("Tokyo.", "B"),
        ("B because Paris is not in Japan", "B"),
        ("Let me think. Paris is in France.\nANSWER: B", "B"),
        ("Answer: **B**", "B"),
        ("The correct option is (B).", "B"),
        ("The answer is Tokyo, not Paris.", "B"),
        ("The answer is A.", "A"),
        ("I would pick option B here.", "B"),
        (r"\boxed{B}", "B"),
        ("I think it is Tokyo", "B"),
        ("I say B", "B"),
        ("I would go for A.", "A"),
        ("It must be New York.", "C"),
        ("Tokyo or Paris", None),
        ("Either (A) or (B), I cannot tell.", None),
        ("The answer is A dog", None),
        ("A dog", None),
        ("C++", None),
        ("", None),
    ],
)
def test_an_answer_names_its_option_and_nothing_is_guessed(answer: str, label: str | None) -> None:
    assert named(chosen(CITIES, answer)) == label


def test_options_are_lettered_for_a_prompt() -> None:
    assert lettered(["Paris", "Rome"]) == "A. Paris\nB. Rome"
    assert lettered("Paris") is None


def named(at: int | None) -> str | None:
    return None if at is None else CITIES[at].label
