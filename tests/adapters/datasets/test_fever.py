"""Claims in FEVER format, with the quirks of the real files: loader, conversion, bad input."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.cli.app import invoke
from crucible.adapters.cns.parser import parse_claims
from crucible.adapters.cns.passage import parse_passage, stated_claim
from crucible.adapters.datasets.convert import convert_fever
from crucible.adapters.datasets.fever import FeverLoader, FeverOptions
from crucible.adapters.datasets.indexed import IndexedDataset
from crucible.messages.errors import DatasetError, OutputError
from crucible.messages.experiment import DatasetRef
from crucible.training import prepare_source

CAFE = "Café_-LRB-band-RRB-"
DECOMPOSED = "Cafe\u0301_-LRB-band-RRB-"
PAGES: list[dict[str, Any]] = [
    {"id": "", "text": "", "lines": ""},  # each real file begins with one
    {
        "id": "Green_tea",
        "text": "Green tea is a drink . ",
        "lines": "0\tGreen tea is a drink .\tdrink\tDrink\n1\t\n"
        "2\tIt was first brewed in China .\tChina\tChina\n3\t",
    },
    {"id": "Unused_page", "text": "x", "lines": "broken \t"},
    {
        "id": DECOMPOSED,
        "text": "x",
        "lines": "0\tThe Café is a band from Leeds .\n1\tIt has four members .\n",
    },
]
CLAIMS: list[dict[str, Any]] = [
    {
        "id": 7,
        "verifiable": "VERIFIABLE",
        "label": "SUPPORTS",
        "claim": "Green tea was first brewed in China.",
        "evidence": [[[1, 10, "Green_tea", 2]], [[2, 11, "Green_tea", 2]], [[3, 12, "Green_tea", 0]]],
    },
    {
        "id": 8,
        "verifiable": "VERIFIABLE",
        "label": "REFUTES",
        "claim": "The Café, a band, drinks no green tea.",
        "evidence": [[[4, 13, CAFE, 0], [4, 13, "Green_tea", 0]]],
    },
    {
        "id": 9,
        "verifiable": "NOT VERIFIABLE",
        "label": "NOT ENOUGH INFO",
        "claim": "Green tea is liked by bands.",
        "evidence": [[[5, None, None, None]]],
    },
]


class Files:
    """A claims file, a folder of pages in two files, and where the output goes."""

    def __init__(self, folder: Path) -> None:
        self.claims, self.wiki, self.output = folder / "claims.jsonl", folder / "wiki", folder / "rows.jsonl"
        self.wiki.mkdir()
        self.write(CLAIMS, PAGES)

    def write(self, claims: list[dict[str, Any]], pages: list[dict[str, Any]]) -> None:
        self.claims.write_text("".join(json.dumps(row) + "\n" for row in claims))
        for number, rows in enumerate((pages[:3], pages[3:]), start=1):
            file = self.wiki / f"wiki-{number:03}.jsonl"
            file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def rows(self, **options: Any) -> list[dict[str, Any]]:
        convert_fever(self.claims, self.wiki, self.output, force=True, **options)
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def refusal(self) -> str:
        with pytest.raises(DatasetError) as caught:
            convert_fever(self.claims, self.wiki, self.output)
        assert not self.output.exists()
        return str(caught.value).replace(str(self.claims), "CLAIMS").replace(str(self.wiki), "WIKI")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def opened() -> Iterator[list[IndexedDataset]]:
    data: list[IndexedDataset] = []
    yield data
    for item in data:
        item.close()


def load(files: Files, opened: list[IndexedDataset], **given: Any) -> IndexedDataset:
    raw = {"claims": files.claims.name, "wiki": files.wiki.name, **given}
    options = msgspec.convert(raw, FeverOptions)
    base = files.claims.parent
    opened.append(FeverLoader().open(DatasetRef(name="fever"), options, seed=0, base=base))
    return opened[-1]


def test_the_passage_is_the_whole_page_and_the_answer_cites_it(files: Files) -> None:
    first = files.rows()[0]
    assert stated_claim(first["prompt"]) == "Green tea was first brewed in China."
    assert (
        "Document Green_tea: Green tea\n\nGreen tea is a drink . It was first brewed in China ."
        in first["prompt"]
    )
    assert first["completion"] == (
        "CLAIM[c1]: Green tea was first brewed in China.\n"
        "CLAIM[c2] (Document Green_tea): Green tea is a drink .\n"
        "RELATION: c2 supports c1\n"
        "CLAIM[c3] (Document Green_tea): It was first brewed in China .\n"
        "RELATION: c3 supports c1"
    )
    assert "encyclopedia pages" in first["prompt"]


def test_equal_evidence_of_several_annotators_counts_once(files: Files) -> None:
    assert files.rows()[0]["metadata"]["evidence"] == {"Green_tea": [[0], [2]]}


def test_a_set_over_two_pages_becomes_one_claim_line_for_each(files: Files) -> None:
    second = files.rows()[1]
    assert [line.split(":")[0] for line in second["completion"].splitlines()] == [
        "CLAIM[c1]",
        f"CLAIM[c2] (Document {CAFE})",
        "RELATION",
        "CLAIM[c3] (Document Green_tea)",
        "RELATION",
    ]
    assert second["metadata"]["doc_ids"] == [CAFE, "Green_tea"]
    assert second["metadata"]["label"] == "refutes"


def test_titles_are_found_in_any_unicode_form_and_shown_without_their_code(files: Files) -> None:
    assert DECOMPOSED != CAFE
    documents = parse_passage(files.rows()[1]["prompt"])
    assert [(each.id, each.title) for each in documents] == [
        (CAFE, "Café (band)"),
        ("Green_tea", "Green tea"),
    ]


def test_completions_follow_the_strict_grammar(files: Files) -> None:
    assert all(parse_claims(row["completion"], strict=True).diagnostics == () for row in files.rows())


def test_a_claim_without_a_page_is_left_out_and_counted(files: Files) -> None:
    report = convert_fever(files.claims, files.wiki, files.output)
    assert (report.rows, report.left_out) == (2, {"not enough info, so no page": 1})
    assert (report.labels, report.evidence_sets, report.documents) == ({"refutes": 1, "supports": 1}, 4, 2)
    assert report.first_sentence_share == 0.75


def test_the_task_extract_does_not_state_the_claim(files: Files) -> None:
    assert all("Claim:" not in row["prompt"] for row in files.rows(task="extract"))


def test_without_pages_the_verdict_is_asked_for(files: Files) -> None:
    convert_fever(files.claims, None, files.output, task="label")
    rows = [json.loads(line) for line in files.output.read_text().splitlines()]
    assert [row["completion"] for row in rows] == ["supports", "refutes", "not enough evidence"]
    assert [row["id"] for row in rows] == ["fever_7", "fever_8", "fever_9"]
    assert rows[1]["metadata"]["doc_ids"] == [CAFE, "Green_tea"]
    assert "Passage" not in rows[0]["prompt"]


# the loader


def test_the_loader_gives_the_rows_that_the_converter_writes(
    files: Files, opened: list[IndexedDataset]
) -> None:
    written = files.rows()
    data = load(files, opened)
    read = data.read(0, 9)
    assert [(row.id, row.input, row.reference) for row in read] == [
        (row["id"], row["prompt"], row["completion"]) for row in written
    ]
    assert [row.line for row in read] == [1, 2]
    shards = [str(files.wiki / f"wiki-00{number}.jsonl") for number in (1, 2)]
    assert data.facts.sources == (str(files.claims), *shards)


def test_the_hash_covers_claims_and_pages(files: Files, opened: list[IndexedDataset]) -> None:
    first = load(files, opened).facts.sha256
    assert load(files, opened).facts.sha256 == first
    files.write(CLAIMS, [*PAGES[:2], {**PAGES[2], "text": "other"}, PAGES[3]])
    assert load(files, opened).facts.sha256 != first


def test_pages_may_be_packed(files: Files, opened: list[IndexedDataset]) -> None:
    whole = [row.input for row in load(files, opened).read(0, 9)]
    shard = files.wiki / "wiki-002.jsonl"
    (files.wiki / "wiki-002.jsonl.gz").write_bytes(gzip.compress(shard.read_bytes()))
    shard.unlink()
    assert [row.input for row in load(files, opened).read(0, 9)] == whole


def test_claims_about_one_page_stay_in_one_split(files: Files, opened: list[IndexedDataset]) -> None:
    more = [{**CLAIMS[0], "id": 100 + n} for n in range(8)]
    apart = [{**CLAIMS[1], "id": 200 + n, "evidence": [[[1, 1, CAFE, 0]]]} for n in range(4)]
    files.write([*more, *apart], PAGES)
    split = {"train": 0.7, "test": 0.3, "group_by": "metadata.doc_ids"}
    rows = load(files, opened, split=split).read(0, 99)
    assert {(row.fields["metadata"]["doc_ids"][0], row.split) for row in rows} == {
        ("Green_tea", "train"),
        (CAFE, "test"),
    }


def test_bad_claims_are_tolerated_when_told_to(files: Files, opened: list[IndexedDataset]) -> None:
    files.write([{**CLAIMS[0], "id": 1, "label": "MAYBE"}, *CLAIMS], PAGES)
    data = load(files, opened, max_bad_rows=1)
    assert [row.line for row in data.read(0, 9)] == [2, 3]
    assert [(bad.line, bad.field) for bad in data.bad_rows] == [(1, "label")]


def test_a_page_that_is_written_to_meanwhile_is_noticed(files: Files, opened: list[IndexedDataset]) -> None:
    data = load(files, opened)
    with (files.wiki / "wiki-001.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(DatasetError, match="was changed while it was in use"):
        data.read(0, 1)


def test_a_task_with_a_passage_needs_pages() -> None:
    with pytest.raises(msgspec.ValidationError, match="task 'verify' needs `wiki`, the folder of pages"):
        msgspec.convert({"claims": "c"}, FeverOptions)
    assert msgspec.convert({"claims": "c", "task": "label"}, FeverOptions).wiki is None


def test_a_folder_that_is_not_there_is_named(files: Files, opened: list[IndexedDataset]) -> None:
    with pytest.raises(DatasetError, match="nowhere: no such folder of wiki pages"):
        load(files, opened, wiki="nowhere")


def test_training_prepares_rows_from_the_files_with_their_lineage(files: Files) -> None:
    options = {"claims": str(files.claims), "wiki": str(files.wiki), "group_by": "metadata.doc_ids"}
    ref = DatasetRef(name="fever", provider="fever", options=options)
    prepared = prepare_source(ref, split=(1.0, 0.0, 0.0), seed=3)
    assert prepared.counts == {"train": 2, "validation": 0, "test": 0}
    assert next(line.source for line in prepared.lineage) == str(files.claims)
    assert prepared.lineage[0].transformations == ("loaded by fever",)
    assert len(prepared.lineage[0].sha256) == 64


# bad input


def claim(**change: Any) -> dict[str, Any]:
    return {**CLAIMS[0], "id": 4, **change}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            claim(label="SUPPORT"),
            "label: unknown label 'SUPPORT'; expected SUPPORTS, REFUTES or NOT ENOUGH INFO",
        ),
        (claim(label=None), "label: unknown label None; expected SUPPORTS, REFUTES or NOT ENOUGH INFO"),
        (claim(evidence={}), "evidence: expected a list of evidence sets"),
        (claim(evidence=[[]]), "evidence[0]: expected a list of [annotation, evidence, page, sentence]"),
        (
            claim(evidence=[[[1, 2, "Green_tea"]]]),
            "evidence[0][0]: expected [annotation, evidence, page, sentence]",
        ),
        (
            claim(evidence=[[[1, 2, "Green tea", 0]]]),
            "evidence[0][0][2]: expected a page: text without spaces",
        ),
        (
            claim(evidence=[[[1, 2, "Green_tea", "0"]]]),
            "evidence[0][0][3]: expected a sentence number, from 0",
        ),
        (
            claim(evidence=[[[1, 2, "Green_tea", True]]]),
            "evidence[0][0][3]: expected a sentence number, from 0",
        ),
        (claim(evidence=[[[1, None, None, None]]]), "evidence: no evidence for the label SUPPORTS"),
        (claim(evidence=[[[1, 2, "Black_tea", 0]]]), "evidence: page 'Black_tea' is not in WIKI"),
        (claim(evidence=[[[1, 2, "Green_tea", 9]]]), "evidence: page 'Green_tea' has no sentence 9"),
        (claim(evidence=[[[1, 2, "Green_tea", 1]]]), "evidence: page 'Green_tea' has no sentence 1"),
        (claim(claim=" "), "claim: expected a text that is not empty"),
        ({"id": 4, "claims": "c", "label": "SUPPORTS"}, "claim: missing; did you mean 'claims'?"),
        (claim(id=[4]), "id: expected a whole number or a string"),
        (claim(id=7), "id: 7 is already the id of line 1"),
    ],
)
def test_a_claim_that_cannot_be_used_stops_the_conversion_with_its_line(
    files: Files, given: dict[str, Any], problem: str
) -> None:
    files.write([*CLAIMS, given], PAGES)
    assert files.refusal().startswith(f"CLAIMS:4: {problem}")


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (
            {"id": "Green_tea", "lines": "0\tx"},
            "id: 'Green_tea' is already the title of WIKI/wiki-001.jsonl:2",
        ),
        ({"id": CAFE, "lines": ["0\tx"]}, "lines: expected a text of numbered sentences"),
        ({"id": CAFE, "lines": "0\t\n1\t"}, "lines: the page has no text"),
        (
            {"id": CAFE, "lines": "1\ta\n0\tb"},
            "lines: sentence 0 after sentence 1: expected numbers that rise",
        ),
        ({"id": CAFE, "lines": "999999999999\ta"}, "lines: sentence 999999999999 after sentence -1"),
        ({"id": CAFE}, "lines: missing"),
        ({"title": CAFE, "lines": "0\tx"}, "id: missing"),
    ],
)
def test_a_page_that_cannot_be_used_stops_the_conversion_with_file_and_line(
    files: Files, page: dict[str, Any], problem: str
) -> None:
    files.write(CLAIMS, [*PAGES[:3], page])
    assert files.refusal().startswith(f"WIKI/wiki-002.jsonl:1: {problem}")


def test_a_page_that_no_claim_points_at_may_look_as_it_likes(files: Files) -> None:
    assert "Unused_page" in (files.wiki / "wiki-001.jsonl").read_text()
    assert len(files.rows()) == 2


def test_a_malformed_page_line_names_its_file(files: Files) -> None:
    (files.wiki / "wiki-003.jsonl").write_text("{oops\n")
    assert files.refusal().startswith("WIKI/wiki-003.jsonl:1: not valid JSON")


def test_a_folder_without_pages_is_refused(files: Files) -> None:
    for path in files.wiki.iterdir():
        path.unlink()
    assert files.refusal() == "WIKI: holds no .jsonl files of wiki pages"


def test_the_output_cannot_be_one_of_the_inputs(files: Files) -> None:
    with pytest.raises(OutputError, match="one of the files to read"):
        convert_fever(files.claims, files.wiki, files.wiki / "wiki-001.jsonl", force=True)


# the command


def test_the_command_says_what_it_wrote(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--claims", files.claims, "--wiki", files.wiki, "--output", files.output]
    assert invoke(["data", "convert", "fever", *map(str, given)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{files.output}: 2 rows",
        "  refutes: 1",
        "  supports: 1",
        "  left out, not enough info, so no page: 1",
        "  evidence that holds the first sentence: 75.0%",
    ]
    assert invoke(["data", "check", str(files.output), "--required", "reference"]) == 0


def test_the_command_without_pages_names_the_option(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["data", "convert", "fever", "--claims", str(files.claims), "--output", str(files.output)]
    assert invoke(given) == 2
    assert capsys.readouterr().err == (
        "crucible: --wiki: the task verify needs the folder of wiki pages; only label works without\n"
    )
    assert invoke([*given, "--task", "label"]) == 0
