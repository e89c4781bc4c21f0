from __future__ import annotations

import pytest

from crucible.adapters.cns.opposition import opposition


@pytest.mark.parametrize(
    ("left", "right", "signs"),
    [
        ("Amber lamps lengthen sleep.", "Amber lamps do not lengthen sleep.", ("negation",)),
        ("Amber lamps lengthen sleep.", "Amber lamps don't lengthen sleep.", ("negation",)),
        ("Zinc increases levels of iron.", "Zinc reduced levels of iron.", ("antonym",)),
        ("Sleep grew by 48 minutes.", "Sleep grew by 84 minutes.", ("number",)),
        ("Zinc increases iron.", "Zinc never reduces iron.", ("negation", "antonym")),
        ("Zinc increases iron.", "Zinc increased iron.", ()),
    ],
)
def test_the_signs_that_turn_one_text_against_another(left: str, right: str, signs: tuple[str, ...]) -> None:
    assert opposition(left, right).signs == signs
    assert opposition(right, left) == opposition(left, right)


def test_two_signs_cancel_each_other() -> None:
    assert opposition("Zinc increases iron.", "Zinc never reduces iron.").score == 0.0


def test_texts_about_different_things_do_not_oppose_each_other() -> None:
    assert opposition("Cats purr loudly.", "Dogs do not bark.").score == 0.0


def test_the_score_is_the_share_of_words_in_common() -> None:
    assert opposition(
        "Zinc increases levels of iron.", "Zinc reduced levels of copper."
    ).score == pytest.approx(2 / 3)


def test_a_word_within_a_word_is_no_sign() -> None:
    """The reference finds *no* in *known* and *yes* in *eyes*."""
    assert opposition("It is known to help the eyes.", "It is reported to help the eyes.").signs == ()


def test_a_word_that_both_texts_have_is_no_antonym() -> None:
    text = "Zinc increases iron and reduces copper."
    assert opposition(text, "Zinc reduces copper and increases iron.").signs == ()


def test_is_against_is_not_needs_a_shared_topic() -> None:
    assert opposition("The sky is blue.", "The test is not over.").score == 0.0


@pytest.mark.parametrize("text", ["", "   ", "the of and", "！？", "体内の鉄は増える。"])
def test_any_text_can_be_compared_with_itself(text: str) -> None:
    assert opposition(text, text).score == 0.0
