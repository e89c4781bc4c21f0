from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.entailment.lexical import LexicalEntailment
from crucible.messages.claims import PassageDocument

DOCUMENT = PassageDocument(
    id="1",
    title="Amber lamps",
    sentences=(
        "Amber lamps lengthened sleep by 48 minutes.",
        "Pain did not differ.",
        "Staff were tired at night.",
    ),
)
support = LexicalEntailment().support


@pytest.mark.parametrize(
    "claim",
    [
        "Amber lamps lengthened sleep by 48 minutes.",
        "amber  lamps lengthened sleep",
        "Amber lamps lengthened sleep by 48 minutes. Staff were tired at night.",
    ],
)
def test_what_stands_in_the_document_is_covered_fully(claim: str) -> None:
    assert support(claim, DOCUMENT) == pytest.approx(1.0)


def test_what_does_not_stand_there_is_not_covered() -> None:
    assert support("Cats purr.", DOCUMENT) == 0.0
    assert support("the of", DOCUMENT) == 0.0


def test_a_changed_number_or_negation_lowers_the_score() -> None:
    assert 0.5 < support("Amber lamps lengthened sleep by 84 minutes.", DOCUMENT) < 1.0
    assert 0.5 < support("Amber lamps not lengthened sleep by 48 minutes.", DOCUMENT) < 1.0


def test_one_sentence_of_a_claim_is_covered_by_one_sentence_of_the_document() -> None:
    assert support("Amber lamps made staff tired.", DOCUMENT) < 0.7


def test_the_mass_is_weighted_by_rarity_in_the_document() -> None:
    document = PassageDocument(id="1", title="", sentences=("sleep lamp", "sleep bed", "sleep ward"))
    # idf: sleep ln(1 + 3/3.5) = .6190, xenon ln(1 + 3/.5) = 1.9459
    assert support("sleep xenon", document) == pytest.approx(0.6190 / (0.6190 + 1.9459), abs=1e-4)


def test_a_document_without_text_bears_nothing_out() -> None:
    assert support("Amber.", PassageDocument(id="1", title="", sentences=())) == 0.0


@given(st.text(), st.lists(st.text(min_size=1), max_size=4))
def test_the_score_is_between_zero_and_one(claim: str, sentences: list[str]) -> None:
    assert -1e-12 <= support(claim, PassageDocument(id="1", title="", sentences=tuple(sentences))) <= 1.0
