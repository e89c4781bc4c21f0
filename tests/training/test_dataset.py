"""Objects and files as prompts and completions, dealt to splits."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.messages.claims import Evidence, Sno
from crucible.messages.errors import ExperimentError, InputError
from crucible.messages.experiment import DatasetRef
from crucible.training import prepare_dataset, prepare_source, prepare_triplets
from crucible.training.dataset import split_sizes


def sno(number: int, *, confidence: float = 0.9, sources: tuple[str, ...] = ("doc1",)) -> Sno:
    evidence = tuple(Evidence(source=name, content=f"seen in {name}", validity=0.876) for name in sources)
    return Sno(id=f"s{number}", claim=f"Claim {number}.", confidence=confidence, evidence=evidence)


@pytest.mark.parametrize(
    ("n", "shares", "sizes"),
    [
        (0, (0.8, 0.1, 0.1), (0, 0, 0)),
        (1, (0.8, 0.1, 0.1), (1, 0, 0)),
        (3, (0.8, 0.1, 0.1), (2, 0, 1)),
        (10, (0.6, 0.2, 0.2), (6, 2, 2)),
        (505, (0.8, 0.1, 0.1), (404, 50, 51)),
    ],
)
def test_the_sizes_of_the_splits(
    n: int, shares: tuple[float, float, float], sizes: tuple[int, int, int]
) -> None:
    assert split_sizes(n, shares) == sizes
    counts = prepare_dataset([sno(number) for number in range(n)], split=shares).counts
    assert tuple(counts.values()) == sizes


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(0, 3))
def test_objects_that_share_a_group_stay_in_one_split(groups: list[int], seed: int) -> None:
    snos = [sno(number, sources=(f"doc{group}",)) for number, group in enumerate(groups)]
    rows = prepare_dataset(snos, seed=seed, group_by=lambda s: [e.source for e in s.evidence]).rows
    splits = {
        group: {row.split for row in rows if row.group == (group,)} for (group,) in {r.group for r in rows}
    }
    assert all(len(found) == 1 for found in splits.values())
    assert [row.id for row in rows] == [s.id for s in snos]


def test_the_seed_decides_who_is_in_which_split() -> None:
    snos = [sno(number) for number in range(30)]
    first, again, other = ([row.split for row in prepare_dataset(snos, seed=seed).rows] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_dialectical_rows_ask_for_the_claim_and_show_its_evidence() -> None:
    (row,) = prepare_dataset([sno(1)]).rows
    assert row.output == "Claim 1."
    assert row.input.endswith("Claim: Claim 1.\n\nEvidence:\n[doc1] seen in doc1 (validity: 0.88)")
    assert (row.metadata["claim"], row.metadata["confidence"]) == ("Claim 1.", 0.9)


def test_evidence_can_be_left_out() -> None:
    (row,) = prepare_dataset([sno(1)], include_evidence=False).rows
    assert "doc1" not in row.input


def test_qa_answers_with_the_evidence_or_says_that_there_is_none() -> None:
    rows = prepare_dataset([sno(1, sources=("a", "b")), sno(2, sources=())], format="qa").rows
    assert rows[0].input.startswith("Question: What is the evidence for the claim: Claim 1.")
    assert rows[0].output == "- a: seen in a\n- b: seen in b"
    assert rows[1].output == "There is no evidence for this claim."


@pytest.mark.parametrize(("confidence", "label"), [(0.71, "entailment"), (0.7, "neutral"), (0.0, "neutral")])
def test_nli_labels_by_confidence(confidence: float, label: str) -> None:
    (row,) = prepare_dataset([sno(1, confidence=confidence)], format="nli").rows
    assert row.output == label
    assert row.input.startswith("Premise: Claim 1.")


def test_a_triplet_asks_for_the_synthesis_and_keeps_its_parts_in_one_split() -> None:
    thesis, antithesis = sno(1, confidence=0.8), sno(2, confidence=0.6)
    triplets = [(thesis, antithesis, sno(number)) for number in range(3, 9)]
    data = prepare_triplets(triplets, split=(0.5, 0, 0.5))
    assert data.rows[0].input.startswith(
        "Thesis (confidence 0.80): Claim 1.\nAntithesis (confidence 0.60): Claim 2."
    )
    assert data.rows[0].output == "Claim 3."
    assert data.rows[0].metadata["antithesis_confidence"] == 0.6
    assert len({row.split for row in data.rows}) == 1


def test_objects_may_come_as_json_and_are_checked() -> None:
    (row,) = prepare_dataset([{"id": "a", "claim": "It rains."}]).rows
    assert row.output == "It rains."
    with pytest.raises(ExperimentError, match=r"snos\[1\]\.confidence: expected .*got 2"):
        prepare_dataset([{"id": "a", "claim": "x"}, {"id": "b", "claim": "y", "confidence": 2}])


def test_two_objects_with_one_id_are_refused() -> None:
    with pytest.raises(InputError, match="two rows have the id 's1'"):
        prepare_dataset([sno(1), sno(1)])


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.9, 0.1, 0.1), (1.2, -0.1, -0.1)])
def test_shares_that_are_none_are_refused(split: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="three shares that add up to 1"):
        prepare_dataset([sno(1)], split=split)


def test_a_file_is_prepared_with_its_lineage(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [
        {"id": f"r{n}", "prompt": f"p{n}", "completion": f"c{n}" if n else None, "metadata": {"n": n}}
        for n in range(11)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = prepare_source(DatasetRef(name="rows", provider="jsonl", options={"path": str(file)}))
    assert data.counts == {"train": 8, "validation": 1, "test": 1}
    assert data.rows[0].metadata == {"n": 1}
    (lineage,) = data.lineage
    assert (lineage.source, len(lineage.sha256)) == (str(file), 64)
    assert lineage.transformations == ("loaded by jsonl", "1 rows without a reference left out")


EVIDENCE = {"11": [{"sentences": [1], "label": "SUPPORT"}]}
PAGE = {"id": "Tea", "text": "x", "lines": "0\tTea is a drink .\n1\tIt helps sleep ."}
REAL_FILES: dict[str, tuple[dict[str, str], dict[str, str], dict[str, Any]]] = {
    "csv": (
        {"rows.csv": "prompt,completion,metadata\nAsk 1,Say 1,of a table\nAsk 2,Say 2,of a table\n"},
        {"path": "rows.csv"},
        {"metadata": "of a table"},
    ),
    "scifact": (
        {
            "claims.jsonl": json.dumps({"id": 7, "claim": "Tea helps.", "evidence": EVIDENCE}),
            "corpus.jsonl": json.dumps(
                {"doc_id": 11, "title": "Tea", "abstract": ["We gave tea.", "It helped."]}
            ),
        },
        {"claims": "claims.jsonl", "corpus": "corpus.jsonl"},
        {"label": "supports", "doc_ids": ["11"]},
    ),
    "fever": (
        {
            "claims.jsonl": json.dumps(
                {"id": 7, "label": "SUPPORTS", "claim": "Tea helps.", "evidence": [[[1, 10, "Tea", 1]]]}
            ),
            "wiki/wiki-001.jsonl": json.dumps(PAGE),
        },
        {"claims": "claims.jsonl", "wiki": "wiki"},
        {"label": "supports", "doc_ids": ["Tea"]},
    ),
}


@pytest.mark.parametrize("provider", REAL_FILES)
def test_real_files_are_prepared_whatever_their_format(provider: str, tmp_path: Path) -> None:
    files, options, metadata = REAL_FILES[provider]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    ref = DatasetRef(name="rows", provider=provider, options=dict(options))
    data = prepare_source(ref, base=tmp_path)
    assert data.counts["train"] == 1
    assert data.rows[0].output
    assert data.rows[0].metadata.items() >= metadata.items()
    assert {len(each.sha256) for each in data.lineage} == {64}
    assert {each.transformations for each in data.lineage} == {(f"loaded by {provider}",)}
    assert Path(data.lineage[0].source).name == next(iter(files))
