"""The shipped sample data set: well-formed, citable, balanced, and not solvable by position.

Plain json and regular expressions only, so that a fault of our own parser cannot hide a fault of the data.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

DATA = Path(__file__).parents[2] / "config" / "data"
HYPOTHESIS = re.compile(r"CLAIM\[c1\]: (\S.*\S)")
EVIDENCE = re.compile(r"CLAIM\[(c\d+)\] \(Document (\d+)\): (\S.*\S)")
RELATION = re.compile(r"RELATION: (c\d+) (supports|refutes) (c\d+)")
DOCUMENT = re.compile(r"^Document (\d+): (.+)\n\n(.+)$", re.MULTILINE)

NEGATION = re.compile(
    r"\b(no|not|nor|neither|never|nothing|without|fail\w*|contrary|un\w+ed)\b", re.IGNORECASE
)


class Evidence(NamedTuple):
    """One cited sentence and what it says of the hypothesis."""

    claim: str
    document: str
    text: str
    label: str


class Row(NamedTuple):
    """One row, taken apart."""

    id: str
    prompt: str
    metadata: dict[str, Any]
    passages: dict[str, str]  # document id -> abstract
    hypothesis: str
    evidence: tuple[Evidence, ...]


def parse(raw: dict[str, Any]) -> Row:
    """Take a row apart; a line that fits no rule of the grammar is an assertion error."""
    first, *rest = raw["completion"].split("\n")
    hypothesis = HYPOTHESIS.fullmatch(first)
    assert hypothesis, f"{raw['id']}: {first!r} is not a c1 line"
    assert rest, f"{raw['id']}: no evidence"
    assert len(rest) % 2 == 0, f"{raw['id']}: a claim without its relation"
    evidence = []
    for claim_line, relation_line in zip(rest[::2], rest[1::2], strict=True):
        claim, relation = EVIDENCE.fullmatch(claim_line), RELATION.fullmatch(relation_line)
        assert claim, f"{raw['id']}: {claim_line!r} is not an evidence line"
        assert relation, f"{raw['id']}: {relation_line!r} is not a relation line"
        resolves = (relation[1], relation[3]) == (claim[1], "c1")
        assert resolves, f"{raw['id']}: {relation_line!r} does not resolve"
        evidence.append(Evidence(claim[1], claim[2], claim[3], relation[2]))
    body = raw["prompt"].split("\nPassage:\n")[1].split("\nTask:\n")[0]
    passages = {document: abstract for document, _, abstract in DOCUMENT.findall(body)}
    return Row(raw["id"], raw["prompt"], raw["metadata"], passages, hypothesis[1], tuple(evidence))


@cache
def load() -> tuple[Row, ...]:
    """Return every row of the file."""
    lines = (DATA / "claims.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(parse(json.loads(line)) for line in lines)


def sentences(abstract: str) -> list[str]:
    """Split an abstract; the data set holds no full stop inside a sentence that a space follows."""
    return re.split(r"(?<=\.) ", abstract)


def cited_sentences() -> dict[tuple[str, str], Evidence]:
    """Return each evidence sentence once, though several rows may share its document."""
    return {(e.document, e.text): e for row in load() for e in row.evidence}


def positions() -> list[tuple[int, int]]:
    """Return (index of the evidence sentence, sentences in its abstract) for each cited sentence."""
    abstracts = {document: text for row in load() for document, text in row.passages.items()}
    found = []
    for document, text in cited_sentences():
        parts = sentences(abstracts[document])
        found.append((parts.index(text), len(parts)))
    return found


def test_there_are_at_least_72_rows_with_unique_ids_and_prompts() -> None:
    rows = load()
    assert len(rows) >= 72
    assert len({row.id for row in rows}) == len(rows)
    assert len({row.prompt for row in rows}) == len(rows)


def test_each_prompt_has_role_passage_and_three_instructions() -> None:
    passage = r"(?:Document \d+: [^\n]+\n\n[^\n]+\n\n)+"
    layout = re.compile(rf"[^\n]+\.\n\nPassage:\n{passage}Task:\n1\. .+\n2\. .+\n3\. .+\n")
    assert [row.id for row in load() if not layout.fullmatch(row.prompt)] == []


def test_each_passage_has_five_to_nine_sentences() -> None:
    lengths = {document: len(sentences(text)) for row in load() for document, text in row.passages.items()}
    assert {d: n for d, n in lengths.items() if not 5 <= n <= 9} == {}


def test_the_hypothesis_stands_in_the_passage_up_to_its_capital_and_full_stop() -> None:
    for row in load():
        core = row.hypothesis.removesuffix(".")
        variants = (core, core[0].lower() + core[1:])
        assert any(v in text for v in variants for text in row.passages.values()), row.id


def test_each_evidence_claim_is_a_whole_sentence_of_the_document_it_cites() -> None:
    for row in load():
        for evidence in row.evidence:
            assert evidence.text in sentences(row.passages[evidence.document]), (row.id, evidence.claim)


def test_no_evidence_sentence_is_the_one_that_states_the_hypothesis() -> None:
    for row in load():
        core = row.hypothesis.removesuffix(".").lower()
        assert [e.claim for e in row.evidence if core in e.text.lower()] == [], row.id


def test_claim_ids_run_from_c1_without_a_gap() -> None:
    for row in load():
        assert [e.claim for e in row.evidence] == [f"c{n}" for n in range(2, len(row.evidence) + 2)], row.id


def test_metadata_names_the_documents_of_the_prompt_and_the_terms_of_use() -> None:
    for row in load():
        assert row.metadata["doc_ids"] == list(row.passages), row.id
        assert {e.document for e in row.evidence} <= set(row.passages), row.id
        assert (row.metadata["source"], row.metadata["license"]) == ("crucible-sample", "CC0-1.0"), row.id
        assert "invented" in row.metadata["note"], row.id
        assert row.metadata["topic"], row.id


def test_a_document_id_always_means_the_same_text() -> None:
    texts = {(document, text) for row in load() for document, text in row.passages.items()}
    assert len({document for document, _ in texts}) == len(texts)
    assert len({text for _, text in texts}) == len(texts)


def test_a_sentence_keeps_its_label_in_every_row_that_cites_it() -> None:
    labels = {(e.document, e.text, e.label) for row in load() for e in row.evidence}
    assert len(labels) == len(cited_sentences())


def test_supports_and_refutes_are_balanced_about_three_to_two() -> None:
    counts = Counter(e.label for row in load() for e in row.evidence)
    assert 0.57 <= counts["supports"] / counts.total() <= 0.67


def test_some_rows_hold_evidence_on_both_sides() -> None:
    mixed = [row.id for row in load() if len({e.label for e in row.evidence}) == 2]
    assert 6 <= len(mixed) <= 10


@pytest.mark.parametrize("label", ["supports", "refutes"])
def test_negation_does_not_give_the_label_away(label: str) -> None:
    negated = [bool(NEGATION.search(e.text)) for e in cited_sentences().values() if e.label == label]
    assert 0.1 < sum(negated) / len(negated) < 0.6


def test_the_first_two_sentences_hold_less_than_a_third_of_the_evidence() -> None:
    places = [index for index, _ in positions()]
    early = sum(index < 2 for index in places) / len(places)
    assert 0 < early < 0.35


def test_no_single_position_holds_most_of_the_evidence() -> None:
    places = Counter(index for index, _ in positions())
    assert max(places.values()) / places.total() < 0.35
    last = [index == length - 1 for index, length in positions()]
    assert 0.1 < sum(last) / len(last) < 0.4


def test_eight_rows_or_so_have_two_documents() -> None:
    sizes = Counter(len(row.passages) for row in load())
    assert set(sizes) == {1, 2}
    assert sizes[2] >= 8


def test_at_least_six_groups_of_rows_share_documents() -> None:
    rows_of: dict[str, set[str]] = {}
    for row in load():
        for document in row.passages:
            rows_of.setdefault(document, set()).add(row.id)
    pairs = [row for row in load() if len(row.passages) == 2]
    neighbourhoods = {frozenset[str]().union(*(rows_of[d] for d in row.passages)) for row in pairs}
    groups = [rows for rows in neighbourhoods if len(rows) > 1]
    assert len(groups) >= 6
    assert {len(rows) for rows in groups} == {2, 3}


def test_the_readme_says_that_the_studies_are_invented_and_free_to_use() -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert "CC0-1.0" in readme
    assert "invented" in readme
