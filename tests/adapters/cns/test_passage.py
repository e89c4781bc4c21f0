from __future__ import annotations

from crucible.adapters.cns import parse_passage, stated_claim

PROMPT = """You read abstracts.

Passage:
Document 12: On lamps

First sentence. Second: one.

Document A-7: Other lamps: a trial

Only one here.

Task:
1. Write CLAIM[c1].
Document 99: not part of the passage
"""


def test_documents_come_in_order_with_title_and_sentences() -> None:
    first, second = parse_passage(PROMPT)
    assert (first.id, first.title, first.sentences) == ("12", "On lamps", ("First sentence.", "Second: one."))
    assert (second.id, second.title, second.sentences) == ("A-7", "Other lamps: a trial", ("Only one here.",))


def test_a_prompt_without_markers_has_no_documents() -> None:
    assert parse_passage("Say something about lamps.") == ()


def test_a_passage_without_document_lines_is_one_document_without_an_id() -> None:
    (document,) = parse_passage("Passage:\nA lamp is lit. It burns.\n\nTask:\n1. Go.")
    assert (document.id, document.sentences) == ("", ("A lamp is lit.", "It burns."))


def test_documents_are_found_without_the_passage_marker() -> None:
    assert [d.id for d in parse_passage("Document 3: T\n\nText.")] == ["3"]


def test_a_stated_claim_is_read_and_ends_the_passage() -> None:
    prompt = "Passage:\nDocument 1: T\n\nA text.\n\nClaim: Lamps  help.\n\nTask:\nDecide."
    assert stated_claim(prompt) == "Lamps help."
    assert parse_passage(prompt)[0].sentences == ("A text.",)


def test_a_stated_claim_may_stand_before_the_passage_and_on_the_next_line() -> None:
    prompt = "Claim:\nLamps help.\n\nPassage:\nDocument 1: T\n\nText.\n"
    assert stated_claim(prompt) == "Lamps help."
    assert parse_passage(prompt)[0].sentences == ("Text.",)


def test_a_prompt_without_a_claim_line_states_none() -> None:
    assert stated_claim(PROMPT) is None
    assert stated_claim("Claim:  ") is None
