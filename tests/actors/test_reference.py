"""Scores of answers against their rows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.reference import extra_scores, reference_scores
from crucible.messages.records import Example

ODD = st.text(
    alphabet=st.one_of(st.sampled_from("AB0123456789.,/-+$%()*#=½² \n{}\\e−"), st.characters()), max_size=40
)


def row(reference: str | None, *alternatives: str, **fields: Any) -> Example:
    return Example(id="r", input="?", reference=reference, alternatives=alternatives, fields=fields)


def test_token_f1_by_hand() -> None:
    # mine: x b b c (4), gold: x b d (3), shared x b = 2; 2*2/(4+3)
    assert reference_scores("x b B c", ["X b d."])["token_f1"] == pytest.approx(4 / 7)


@pytest.mark.parametrize("answer", ["Paris", "Paris.", "**Paris**", " the paris\n"])
def test_exact_match_looks_past_case_punctuation_articles_and_markdown(answer: str) -> None:
    assert reference_scores(answer, ["Paris"]) == {"exact_match": 1.0, "token_f1": 1.0}


def test_without_reference_there_is_no_score() -> None:
    assert reference_scores("x", []) == {"exact_match": None, "token_f1": None}
    assert extra_scores("x", row(None)) == {}


def test_an_empty_answer_to_a_reference_scores_zero() -> None:
    assert reference_scores("", ["a"]) == {"exact_match": 0.0, "token_f1": 0.0}


def test_the_best_of_several_right_answers_counts() -> None:
    both = ["USA", "United States"]
    assert reference_scores("the United States", both) == {"exact_match": 1.0, "token_f1": 1.0}
    assert reference_scores("United", both)["token_f1"] == pytest.approx(2 / 3)
    assert extra_scores("It is the United States.", row(*both))["includes"] == 1.0


def test_a_row_has_the_scores_that_its_reference_allows() -> None:
    assert extra_scores("It is Paris.", row("Paris")) == {"includes": 1.0}
    assert extra_scores("4,000 and some", row("4000")) == {"includes": 1.0, "numeric_match": 1.0}
    assert extra_scores("4 and 5", row("4")) == {"includes": 1.0, "numeric_match": 0.0}
    assert extra_scores("no number", row("4")) == {"includes": 0.0, "numeric_match": 0.0}
    assert extra_scores("four or 4", row("4", "four")) == {"includes": 1.0}
    assert extra_scores("B", row("Tokyo", choices=["Paris", "Tokyo"])) == {
        "includes": 0.0,
        "choice_match": 1.0,
    }
    assert extra_scores("A", row("Tokyo", choices=["Paris", "Tokyo"]))["choice_match"] == 0.0
    assert "choice_match" not in extra_scores("A", row("Rome", choices=["Paris", "Tokyo"]))


def test_an_empty_reference_stands_in_no_answer() -> None:
    assert extra_scores("x", row("")) == {}


@given(ODD, st.lists(ODD, max_size=4))
def test_a_reference_is_right_as_an_answer_of_its_own(reference: str, choices: list[str]) -> None:
    scores = extra_scores(reference, row(reference, choices=choices))
    assert {**scores, **reference_scores(reference, [reference])} == dict.fromkeys(
        ["exact_match", "token_f1", *scores], 1.0
    )


@given(ODD, ODD, st.lists(ODD, max_size=4))
def test_scores_of_any_answer_are_between_0_and_1(answer: str, reference: str, choices: list[str]) -> None:
    found = {**extra_scores(answer, row(reference, choices=choices)), **reference_scores(answer, [reference])}
    assert all(value is not None and 0.0 <= value <= 1.0 for value in found.values())
