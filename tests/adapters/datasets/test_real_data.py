"""Counts on real claim sets; skipped where the sets are not beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from crucible.adapters.datasets.claim_prompts import Task
from crucible.adapters.datasets.convert import convert_scifact
from crucible.adapters.datasets.jsonl import JsonlLoader, JsonlOptions
from crucible.adapters.datasets.options import SplitOptions
from crucible.messages.experiment import DatasetRef

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data"
CLAIM_ROWS = FOLDER / "scifact" / "claim_extractor_train.jsonl"
CITATIONS = FOLDER / "citation-integrity"


@pytest.mark.skipif(not CLAIM_ROWS.exists(), reason="the SciFact claim-extractor rows are not here")
def test_the_scifact_rows_split_by_document_without_a_document_in_two_splits() -> None:
    options = JsonlOptions(path=str(CLAIM_ROWS), split=SplitOptions(group_by="metadata.doc_ids"))
    data = JsonlLoader().open(DatasetRef(name="scifact"), options, seed=0, base=Path())
    rows = data.read(0, len(data))
    data.close()
    assert data.facts.splits == {"train": 404, "validation": 51, "test": 50}
    splits: dict[str, set[str]] = {}
    for row in rows:
        for document in row.fields["metadata"]["doc_ids"]:
            splits.setdefault(document, set()).add(row.split)
    assert len(splits) == 365
    assert all(len(names) == 1 for names in splits.values())
    assert len({row.group for row in rows}) == 325


@pytest.mark.skipif(not CITATIONS.exists(), reason="the citation-integrity claims are not here")
@pytest.mark.parametrize(
    ("name", "task", "rows", "left_out"),
    [("train", "extract", 1995, 143), ("train", "verify", 2138, 0), ("dev", "extract", 292, 24)],
)
def test_citation_integrity_converts_with_all_evidence_in_first_place(
    tmp_path: Path, name: str, task: Task, rows: int, left_out: int
) -> None:
    claims, output = CITATIONS / f"claims_{name}.jsonl", tmp_path / "rows.jsonl"
    report = convert_scifact(claims, CITATIONS / "corpus.jsonl", output, task=task, source="ci")
    assert (report.rows, sum(report.left_out.values())) == (rows, left_out)
    assert report.first_sentence_share == 1.0
    report = convert_scifact(
        claims, CITATIONS / "corpus.jsonl", output, task=task, shuffle_sentences=7, force=True
    )
    assert report.first_sentence_share == pytest.approx(0.2, abs=0.03)
