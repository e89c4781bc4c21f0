"""Claims with evidence: conversion to rows, and the loader that joins on the fly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.cns.parser import parse_claims
from crucible.adapters.cns.passage import parse_passage, stated_claim
from crucible.adapters.datasets.claim_prompts import Task
from crucible.adapters.datasets.convert import convert_scifact
from crucible.adapters.datasets.indexed import IndexedDataset
from crucible.adapters.datasets.jsonl import JsonlLoader, JsonlOptions
from crucible.adapters.datasets.scifact import ScifactLoader, ScifactOptions
from crucible.messages.errors import DatasetError, OutputError
from crucible.messages.experiment import DatasetRef

CORPUS: list[dict[str, Any]] = [
    {
        "doc_id": 11,
        "title": "Tea and sleep",
        "abstract": ["We gave tea.", "Sleep got longer.", "Pulse fell."],
    },
    {"doc_id": 5, "title": "", "abstract": ["Cups differ.", "Sleep got shorter."]},
]
CLAIMS: list[dict[str, Any]] = [
    {
        "id": 1,
        "claim": "Tea helps sleep.",
        "evidence": {
            "11": [{"sentences": [2, 1], "label": "SUPPORT"}],
            "5": [{"sentences": [1], "label": "CONTRADICT"}],
        },
        "cited_doc_ids": [11, 5],
    },
    {"id": 2, "claim": "Tea is green.", "evidence": {}, "cited_doc_ids": [5]},
    {
        "id": 3,
        "claim": "Tea harms sleep.",
        "evidence": {"11": [{"sentences": [1], "label": "REFUTE"}]},
        "cited_doc_ids": [11, 5],
    },
]


class Files:
    """A claims file, a corpus file and where the output goes."""

    def __init__(self, folder: Path) -> None:
        self.claims, self.corpus = folder / "claims.jsonl", folder / "corpus.jsonl"
        self.output = folder / "rows.jsonl"
        self.write(CLAIMS, CORPUS)

    def write(self, claims: list[dict[str, Any]], corpus: list[dict[str, Any]]) -> None:
        self.claims.write_text("".join(json.dumps(row) + "\n" for row in claims))
        self.corpus.write_text("".join(json.dumps(row) + "\n" for row in corpus))

    def rows(self, task: Task = "extract", **options: Any) -> list[dict[str, Any]]:
        convert_scifact(self.claims, self.corpus, self.output, task=task, force=True, **options)
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def refusal(self) -> str:
        with pytest.raises(DatasetError) as caught:
            convert_scifact(self.claims, self.corpus, self.output)
        assert not self.output.exists()
        text = str(caught.value)
        return text.replace(str(self.claims), "CLAIMS").replace(str(self.corpus), "CORPUS")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def opened() -> Iterator[list[IndexedDataset]]:
    data: list[IndexedDataset] = []
    yield data
    for item in data:
        item.close()


def test_each_evidence_set_becomes_a_claim_line_and_its_relation(files: Files) -> None:
    assert files.rows()[0]["completion"] == (
        "CLAIM[c1]: Tea helps sleep.\n"
        "CLAIM[c2] (Document 5): Sleep got shorter.\n"
        "RELATION: c2 refutes c1\n"
        "CLAIM[c3] (Document 11): Sleep got longer. Pulse fell.\n"
        "RELATION: c3 supports c1"
    )


def test_the_prompt_holds_the_documents_by_number_in_the_layout_that_analysis_reads(files: Files) -> None:
    prompt = files.rows()[0]["prompt"]
    assert (
        "\n\nPassage:\nDocument 5:\n\nCups differ. Sleep got shorter.\n\nDocument 11: Tea and sleep\n\n"
        in prompt
    )
    assert "\n\nTask:\n1. " in prompt
    assert [(d.id, d.title, d.sentences) for d in parse_passage(prompt)] == [
        ("5", "", ("Cups differ.", "Sleep got shorter.")),
        ("11", "Tea and sleep", ("We gave tea.", "Sleep got longer.", "Pulse fell.")),
    ]


def test_completions_follow_the_strict_grammar(files: Files) -> None:
    for row in files.rows("verify"):
        document = parse_claims(row["completion"], strict=True)
        codes = {item.code for item in document.diagnostics}
        assert codes <= ({"no_relation"} if row["metadata"]["label"] == "not_enough_evidence" else set())


def test_extract_shows_only_evidence_documents_and_leaves_out_claims_without_evidence(files: Files) -> None:
    rows = files.rows("extract")
    assert [row["metadata"]["claim_id"] for row in rows] == [1, 3]
    assert rows[1]["metadata"]["doc_ids"] == ["11"]
    assert all("Claim:" not in row["prompt"] for row in rows)


def test_verify_states_the_claim_shows_all_cited_documents_and_keeps_claims_without_evidence(
    files: Files,
) -> None:
    rows = files.rows("verify")
    assert [row["metadata"]["label"] for row in rows] == ["mixed", "not_enough_evidence", "refutes"]
    assert [row["metadata"]["doc_ids"] for row in rows] == [["5", "11"], ["5"], ["5", "11"]]
    assert rows[1]["completion"] == "CLAIM[c1]: Tea is green."
    assert [stated_claim(row["prompt"]) for row in rows] == [claim["claim"] for claim in CLAIMS]


def test_metadata_points_at_the_gold_sentences(files: Files) -> None:
    assert files.rows(source="tea", license_name="CC0-1.0")[0]["metadata"] == {
        "source": "tea",
        "task": "extract",
        "claim_id": 1,
        "doc_ids": ["5", "11"],
        "label": "mixed",
        "evidence": {"5": [[1]], "11": [[1, 2]]},
        "license": "CC0-1.0",
    }


def test_the_report_counts_rows_labels_and_what_was_left_out(files: Files) -> None:
    report = convert_scifact(files.claims, files.corpus, files.output)
    assert (report.rows, report.left_out, report.labels) == (
        2,
        {"no evidence": 1},
        {"mixed": 1, "refutes": 1},
    )
    assert (report.evidence_sets, report.first_sentence_share, report.documents) == (3, 0.0, 2)


def test_the_report_tells_how_often_evidence_is_the_first_sentence(files: Files) -> None:
    first = {"id": 9, "claim": "c", "evidence": {"5": [{"sentences": [0], "label": "SUPPORT"}]}}
    files.write([*CLAIMS, first], CORPUS)
    report = convert_scifact(files.claims, files.corpus, files.output)
    assert report.first_sentence_share == 0.25


def test_shuffled_sentences_keep_the_evidence_text_and_move_its_position(files: Files) -> None:
    many = [f"Sentence {i}." for i in range(8)]
    claims = [
        {
            "id": i,
            "claim": "c",
            "evidence": {"7": [{"sentences": [i], "label": "SUPPORT"}]},
            "cited_doc_ids": [7],
        }
        for i in range(8)
    ]
    files.write(claims, [{"doc_id": 7, "title": "t", "abstract": many}])
    rows = files.rows(shuffle_sentences=3)
    assert len({row["prompt"] for row in rows}) == 1
    (document,) = parse_passage(rows[0]["prompt"])
    assert document.sentences != tuple(many)
    assert sorted(document.sentences) == many
    for number, row in enumerate(rows):
        ((index,),) = row["metadata"]["evidence"]["7"]
        assert document.sentences[index] == f"Sentence {number}."
        assert f"(Document 7): Sentence {number}.\n" in row["completion"]
    assert files.rows(shuffle_sentences=3) == rows
    assert files.rows(shuffle_sentences=4) != rows


def test_line_breaks_and_markers_in_the_text_cannot_break_the_layout(files: Files) -> None:
    corpus = [{"doc_id": 5, "title": "A\nTask: b", "abstract": ["Task: ignore\nthis.", "Document 9: that."]}]
    claim = {"id": 1, "claim": "one\ntwo", "evidence": {"5": [{"sentences": [1], "label": "SUPPORT"}]}}
    files.write([claim], corpus)
    (row,) = files.rows("verify", shuffle_sentences=0)
    (document,) = parse_passage(row["prompt"])
    assert (document.id, document.title) == ("5", "A Task: b")
    assert sorted(document.sentences) == ["Document 9 - that.", "Task - ignore this."]
    assert stated_claim(row["prompt"]) == "one two"
    assert parse_claims(row["completion"], strict=True).diagnostics == ()


def evidence(**change: Any) -> dict[str, Any]:
    return {"id": 4, "claim": "c", "evidence": {"5": [{"sentences": [0], "label": "SUPPORT", **change}]}}


@pytest.mark.parametrize(
    ("claim", "problem"),
    [
        (
            evidence(label="NOT_ENOUGH_INFO"),
            "evidence.5.label: unknown label 'NOT_ENOUGH_INFO'; expected SUPPORT, REFUTE or CONTRADICT",
        ),
        (
            evidence(label=None),
            "evidence.5.label: unknown label None; expected SUPPORT, REFUTE or CONTRADICT",
        ),
        (evidence(sentences=[2]), "evidence.5.sentences: no sentence 2: the document has 2, counted from 0"),
        (
            evidence(sentences=[-1]),
            "evidence.5.sentences: no sentence -1: the document has 2, counted from 0",
        ),
        (evidence(sentences=["0"]), "evidence.5.sentences: expected whole numbers"),
        (evidence(sentences=[]), "evidence.5.sentences: expected a list of sentence numbers"),
        (
            {"id": 4, "claim": "c", "evidence": {"6": []}},
            "evidence.6: document '6' is not in CORPUS",
        ),
        (
            {"id": 4, "claim": "c", "evidence": {}, "cited_doc_ids": [6]},
            "cited_doc_ids: document '6' is not in CORPUS",
        ),
        ({"id": 4, "claim": "c"}, "evidence: missing"),
        ({"id": 4, "claims": "c", "evidence": {}}, "claim: missing; did you mean 'claims'?"),
        ({"id": 4, "claim": " ", "evidence": {}}, "claim: expected a text that is not empty"),
        ({"id": 4, "claim": "c", "evidence": []}, "evidence: expected an object of document ids"),
        ({**CLAIMS[0]}, "id: 1 is already the id of line 1"),
    ],
)
def test_a_claim_that_cannot_be_used_stops_the_conversion_with_its_line(
    files: Files, claim: dict[str, Any], problem: str
) -> None:
    files.write([*CLAIMS, claim], CORPUS)
    assert files.refusal() == f"CLAIMS:4: {problem}"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"doc_id": 5, "abstract": ["x"]}, "doc_id: '5' is already the id of line 2"),
        ({"doc_id": "a b", "abstract": ["x"]}, "doc_id: expected a document id"),
        ({"doc_id": 6, "abstract": "x"}, "abstract: expected a list of sentences"),
        ({"doc_id": 6, "abstract": [" "]}, "abstract: the document has no text"),
        ({"id": 6, "abstract": ["x"]}, "doc_id: missing"),
    ],
)
def test_a_document_that_cannot_be_used_stops_the_conversion_with_its_line(
    files: Files, document: dict[str, Any], problem: str
) -> None:
    files.write(CLAIMS, [*CORPUS, document])
    assert files.refusal().startswith(f"CORPUS:3: {problem}")


def test_a_malformed_line_stops_the_conversion_and_leaves_no_file_behind(files: Files) -> None:
    with files.claims.open("a") as file:
        file.write("{oops\n")
    assert files.refusal().startswith("CLAIMS:4: not valid JSON")
    assert sorted(path.name for path in files.output.parent.iterdir()) == ["claims.jsonl", "corpus.jsonl"]


def test_an_existing_file_is_kept_unless_forced(files: Files) -> None:
    files.output.write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        convert_scifact(files.claims, files.corpus, files.output)
    assert files.output.read_text() == "mine"
    convert_scifact(files.claims, files.corpus, files.output, force=True)
    assert files.output.read_text() != "mine"


def test_the_output_cannot_be_one_of_the_inputs(files: Files) -> None:
    with pytest.raises(OutputError, match="one of the files to read"):
        convert_scifact(files.claims, files.corpus, files.claims, force=True)


@pytest.mark.parametrize("task", ["extract", "verify"])
@pytest.mark.parametrize("shuffle", [None, 5])
def test_the_loader_joins_the_same_rows_that_the_converter_writes(
    files: Files, opened: list[IndexedDataset], task: Task, shuffle: int | None
) -> None:
    written = files.rows(task, shuffle_sentences=shuffle)
    options = ScifactOptions(
        claims="claims.jsonl", corpus="corpus.jsonl", task=task, shuffle_sentences=shuffle
    )
    base, ref = files.output.parent, DatasetRef(name="set", provider="scifact")
    opened.append(ScifactLoader().open(ref, options, seed=0, base=base))
    opened.append(JsonlLoader().open(ref, JsonlOptions(path="rows.jsonl"), seed=0, base=base))
    joined, read = (data.read(0, 10) for data in opened)
    keep = ("id", "input", "reference", "fields")
    assert [[getattr(row, k) for k in keep] for row in joined] == [
        [getattr(row, k) for k in keep] for row in read
    ]
    assert [row.id for row in joined] == [row["id"] for row in written]
    assert opened[0].facts.sources == (str(files.claims), str(files.corpus))


def test_the_loader_tolerates_bad_claims_when_told_to(files: Files, opened: list[IndexedDataset]) -> None:
    files.write([evidence(label="MAYBE"), *CLAIMS], CORPUS)
    raw = {"claims": str(files.claims), "corpus": str(files.corpus), "max_bad_rows": 1}
    options = msgspec.convert(raw, ScifactOptions)
    opened.append(ScifactLoader().open(DatasetRef(name="set"), options, seed=0, base=Path("/")))
    assert [row.line for row in opened[0].read(0, 9)] == [2, 4]
    assert opened[0].bad_rows[0].field == "evidence.5.label"
