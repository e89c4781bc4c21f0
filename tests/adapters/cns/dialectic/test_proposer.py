"""Theses: read from answers, or by rules from the text."""

from __future__ import annotations

import pytest

from crucible.adapters.cns.dialectic.proposer import (
    cited_evidence,
    hypothesis_of,
    propose,
    score_confidence,
    thesis_of_answer,
)
from crucible.adapters.cns.dialectic.stamps import MAX_PARTS, write

from .objects import ANSWER, CLAIM, FOR, PASSAGE, PROMPT, SUPPORT


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Bees were counted.", 0.5),
        ("The trial demonstrated it.", 0.6),
        ("A study shows it and confirms it.", 0.7),
        ("Perhaps it might work.", 0.3),
        ("Something happened.", 0.5),
        ("Maybe perhaps possibly it might, could, and some.", 0.0),
    ],
)
def test_confidence_counts_marker_words_that_stand_alone(text: str, score: float) -> None:
    assert score_confidence(text) == pytest.approx(score)


def test_a_citation_is_evidence_at_its_author_and_year() -> None:
    found = cited_evidence("It works (Smith et al., 2021), as Jones (2019) said.")
    assert [(item.source, item.validity, item.retrieval) for item in found] == [
        ("Smith et al. (2021)", 0.8, "citation"),
        ("Jones (2019)", 0.8, "citation"),
    ]


def test_a_study_that_is_only_mentioned_is_weaker_evidence_and_none_is_none() -> None:
    (mentioned,) = cited_evidence("One survey of schools found fewer colds.")
    assert (mentioned.validity, mentioned.retrieval) == (0.6, "inference")
    assert cited_evidence("Bees fly.") == ()


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Does honey heal wounds?", "Honey heal wounds."),
        ("Bees fly.", None),
        ("?", None),
    ],
)
def test_a_question_becomes_a_hypothesis(question: str, said: str | None) -> None:
    assert hypothesis_of(question) == said


def test_the_thesis_of_an_answer_has_global_ids_and_the_place_of_its_evidence() -> None:
    drafted = thesis_of_answer(ANSWER, "row/1", PASSAGE, SUPPORT, method="openai", confidence=0.9)
    thesis = drafted.sno
    assert thesis is not None
    assert (thesis.id, thesis.claim, thesis.confidence) == ("row/1/c1", CLAIM, 0.9)
    assert [(item.source, item.sentences) for item in thesis.evidence] == [("7", (2,))]
    assert thesis.provenance is not None
    assert (thesis.provenance.origin, thesis.provenance.method) == ("proposer", "openai")
    assert len(thesis.provenance.content_sha256) == 64
    assert write(thesis) == ANSWER


def test_an_answer_without_a_claim_has_no_thesis_and_says_what_was_wrong() -> None:
    drafted = thesis_of_answer("I cannot say.", "e", PASSAGE, SUPPORT, method="openai")
    assert drafted.sno is None
    assert drafted.problems[0] == "line 1: not in the grammar: 'I cannot say.'"


def test_a_runaway_answer_is_cut_and_says_so() -> None:
    answer = "\n".join(f"CLAIM[c{n}]: claim {n}" for n in range(1, 10_001))
    drafted = thesis_of_answer(answer, "e", PASSAGE, SUPPORT, method="openai")
    assert drafted.sno is not None
    assert len(drafted.sno.children) == MAX_PARTS - 1
    assert drafted.problems[-1] == "10000 claims; the first 50 are argued over"


def test_the_rules_take_the_title_as_hypothesis_and_sentences_as_parts_by_what_they_say() -> None:
    drafted = propose(PROMPT, "e")
    assert drafted.method == "heuristic"
    assert drafted.sno is not None
    assert drafted.sno.claim == "Hedges and bees"
    assert [part.id for part in drafted.sno.children] == ["e/c2", "e/c3", "e/c4", "e/c5", "e/c6"]
    assert FOR in [part.claim for part in drafted.sno.children]
    assert {(item.source, item.sentences) for item in drafted.sno.evidence} >= {("7", (2,)), ("8", (0,))}


def test_a_stated_claim_is_the_hypothesis_and_what_opposes_it_refutes_it() -> None:
    prompt = PROMPT.replace("Task:\n1. Restate.", f"Claim: {CLAIM}")
    drafted = propose(prompt, "e")
    assert drafted.sno is not None
    labels = {r.source: r.label for r in drafted.sno.relations}
    by_text = {part.claim: labels[part.id] for part in drafted.sno.children}
    assert drafted.sno.claim == CLAIM
    assert by_text["Hedges did not increase the number of wild bees in sprayed fields."] == "refutes"
    assert by_text[FOR] == "supports"


def test_the_surest_sentences_are_taken_and_never_more_than_ten() -> None:
    sentences = " ".join(f"Sentence number {n} says something." for n in range(20))
    drafted = propose(f"{sentences} The trial conclusively confirms the first point.", "e")
    assert drafted.sno is not None
    assert drafted.sno.claim == "The trial conclusively confirms the first point."
    assert len(drafted.sno.children) == 9


def test_a_sentence_that_doubts_itself_is_no_claim() -> None:
    drafted = propose("Bees visit hedges in spring. Maybe they possibly might, and perhaps some could.", "e")
    assert drafted.sno is not None
    assert (drafted.sno.claim, drafted.sno.children) == ("Bees visit hedges in spring.", ())


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "?!", "。"])
def test_a_text_with_nothing_to_claim_has_no_thesis(text: str) -> None:
    drafted = propose(text, "e")
    assert drafted.sno is None
    assert drafted.problems == ("the text has no sentence to claim",)
