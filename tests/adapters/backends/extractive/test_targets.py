from __future__ import annotations

from crucible.adapters.backends.extractive.targets import Targets, read_targets
from crucible.adapters.cns import parse_passage

PROMPT = (
    "Passage:\nDocument 1: A\n\nTea is hot. Tea calms people down. Coffee wakes people up.\n"
    "Document 2: B\n\nTea calms people down. Milk is white and cold.\n\nTask:\n"
)


def targets(reference: str) -> Targets:
    return read_targets(reference, parse_passage(PROMPT))


def test_evidence_is_found_in_the_document_that_it_names() -> None:
    found = targets(
        "CLAIM[c1]: Tea.\nCLAIM[c2] (Document 2): Tea calms people down.\nRELATION: c2 refutes c1"
    )
    assert found.evidence.tolist() == [0, 0, 0, 1, 0]
    assert found.supports == {3: False}


def test_evidence_of_several_sentences_marks_them_all() -> None:
    text = "Tea calms people down. Coffee wakes people up."
    found = targets(f"CLAIM[c1]: Tea.\nCLAIM[c2] (Document 1): {text}\nRELATION: c2 supports c1")
    assert found.evidence.tolist() == [0, 1, 1, 0, 0]
    assert found.supports == {1: True, 2: True}


def test_evidence_without_a_relation_has_no_direction() -> None:
    found = targets("CLAIM[c1]: Tea.\nCLAIM[c2] (Document 2): Milk is white and cold.")
    assert found.evidence.tolist() == [0, 0, 0, 0, 1]
    assert found.supports == {}


def test_what_is_not_in_the_passage_is_left_out() -> None:
    assert not targets("CLAIM[c1]: Tea is hot.").evidence.any()
    assert not targets("CLAIM[c1]: T.\nCLAIM[c2] (Document 9): Tea is hot.").evidence.any()
    assert not targets("CLAIM[c1]: T.\nCLAIM[c2] (Document 1): Whales sing at night.").evidence.any()
