"""When two answers are the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.voting.normalise import NORMALISERS, boolean, custom, json_value, numeric, text


def test_text_ignores_case_and_blanks() -> None:
    assert text("  The\n Answer ").key == text("the answer").key
    assert text("Straße").key == text("STRASSE").key


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("The answer is $1,234.50.", "1234.5"),
        ("1e3", "1E+3"),
        ("1,000", "1E+3"),
        ("1000.0", "1E+3"),
        ("-0", "0"),
        ("about −7 °C", "-7"),
        ("-$5", "-5"),
        ("€ .5 each", "0.5"),
        ("between 3 and 4", "3"),
        ("2.5e-3 mol", "0.0025"),
        ("Final: 42.", "42"),
        ("12,345,678", "12345678"),
    ],
)
def test_numbers_are_equal_however_they_are_written(answer: str, key: str) -> None:
    assert numeric(answer).key == key


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("no idea", "no number"), ("3,5", "ambiguous comma in '3,5'"), ("B12 deficiency", "no number")],
)
def test_what_holds_no_certain_number_abstains(answer: str, reason: str) -> None:
    assert numeric(answer) == (None, reason)


def test_the_last_number_can_be_asked_for() -> None:
    assert numeric("2 + 3 = 5", which="last").key == "5"


def test_long_numbers_are_not_rounded_together() -> None:
    assert numeric("1" + "0" * 40 + "1").key != numeric("1" + "0" * 40 + "2").key


def test_json_is_compared_by_value() -> None:
    fenced = 'Here:\n```json\n{"b": 1.0, "a": [true, null]}\n```\nDone.'
    assert json_value(fenced).key == json_value('{"a":[true,null],"b":1}').key == '{"a":[true,null],"b":1}'


@pytest.mark.parametrize("answer", ["{", "", "NaN", '{"a": Infinity}', "[" * 100_000])
def test_what_is_not_json_abstains_with_a_reason(answer: str) -> None:
    key, reason = json_value(answer)
    assert key is None
    assert "JSON" in reason


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ("Yes.", "true"),
        ("**No**, because", "false"),
        ("That is not true", "false"),
        ("The claim is true", "true"),
        ("Yes, there is no doubt", "true"),
        ("No, it is not correct", "false"),
        ("I am not sure, but yes", None),
        ("Maybe", None),
        ("It could be yes or no", None),
        ("The nose knows", None),
        ("", None),
    ],
)
def test_yes_and_no_with_doubt_first(answer: str, key: str | None) -> None:
    assert boolean(answer).key == key


def test_a_custom_normaliser_abstains_by_none_by_nothing_and_by_failing() -> None:
    assert custom(lambda answer: answer[:1])("Bee").key == "B"
    assert custom(lambda _: None)("x").key is None
    assert custom(lambda _: "")("x").key is None
    assert custom(lambda answer: answer[5])("x") == (None, "normaliser failed: IndexError")


def test_a_custom_normaliser_that_gives_no_text_says_so() -> None:
    number: Any = lambda _: 0  # noqa: E731
    assert custom(number)("x") == (None, "normaliser gave int: expected text or None")


@given(st.text(max_size=200), st.sampled_from(sorted(NORMALISERS)))
def test_any_text_has_a_key_or_a_reason(answer: str, name: str) -> None:
    key, reason = NORMALISERS[name](answer)
    assert (key is None) == bool(reason)
    assert key != ""


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3))
def test_a_number_keeps_its_value(number: object) -> None:
    from decimal import Decimal

    key = numeric(f"It is {number:f}.").key
    assert key is not None
    assert Decimal(key) == number
