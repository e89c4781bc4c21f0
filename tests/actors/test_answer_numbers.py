"""The number that an answer comes to."""

from fractions import Fraction

import pytest

from crucible.actors.answer_numbers import last_number, number_of


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("72", 72),
        ("-3.50", Fraction(-7, 2)),
        ("−3", -3),
        ("1,000", 1000),
        ("$5", 5),
        ("-$5", -5),
        ("50%", 50),
        ("5 €", 5),
        ("1e3", 1000),
        (".5", Fraction(1, 2)),
        ("1/2", Fraction(1, 2)),
        ("½", Fraction(1, 2)),
        (r"\frac{1}{2}", Fraction(1, 2)),
        ("She has 3 left and buys 4.\n#### 7", 7),
    ],
)
def test_a_reference_that_is_a_number_has_its_value(reference: str, number: Fraction) -> None:
    assert number_of(reference) == number


@pytest.mark.parametrize("reference", ["", "Paris", "12 apples", "C3", "1,5", "2024-05-01", "3 1/2", "1/0"])
def test_a_reference_that_is_more_or_less_than_a_number_has_none(reference: str) -> None:
    assert number_of(reference) is None


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("The answer is 42.", 42),
        ("**72**", 72),
        ("She had 3 and got 4, which makes 7 apples.", 7),
        ("2+3=5", 5),
        ("x = -7", -7),
        ("between 10-12", 12),
        ("So \\boxed{\\frac{3}{4}}.", Fraction(3, 4)),
        ("1/2 of 10", 10),
        ("It costs $1,234.50", Fraction(2469, 2)),
        ("none at all", None),
        ("3 or 4,5", None),
        ("x = 1/0", None),
        ("1" * 5_000, None),
        ("1e9999", Fraction(10) ** 9999),
    ],
)
def test_an_answer_comes_to_its_last_number(answer: str, number: Fraction | None) -> None:
    assert last_number(answer) == number
