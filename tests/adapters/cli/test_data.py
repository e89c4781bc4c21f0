"""``crucible data``: conversion, checks and profiles of data sets."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.cli.app import invoke

CORPUS = [
    {"doc_id": 1, "title": "Cells", "abstract": ["Cells divide.", "They die."], "structured": False},
    {"doc_id": 2, "title": "Moss", "abstract": ["Moss grows.", "It is green."], "structured": False},
]
CLAIMS = [
    {
        "id": 10,
        "claim": "Cells split.",
        "evidence": {"1": [{"sentences": [0], "label": "SUPPORT"}]},
        "cited_doc_ids": [1],
    },
    {
        "id": 11,
        "claim": "Moss is red.",
        "evidence": {"2": [{"sentences": [1], "label": "CONTRADICT"}]},
        "cited_doc_ids": [2],
    },
    {"id": 12, "claim": "Nobody knows.", "evidence": {}, "cited_doc_ids": [2]},
]


def write_lines(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def convert(tmp_path: Path) -> list[str]:
    claims = write_lines(tmp_path / "claims.jsonl", CLAIMS)
    corpus = write_lines(tmp_path / "corpus.jsonl", CORPUS)
    output = tmp_path / "rows.jsonl"
    arguments = ["--claims", claims, "--corpus", corpus, "--output", output]
    return ["data", "convert", "scifact", *map(str, arguments)]


def test_a_conversion_says_what_it_wrote_and_left_out(
    convert: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(convert) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/rows.jsonl: 2 rows",
        "  refutes: 1",
        "  supports: 1",
        "  left out, no evidence: 1",
        "  evidence that holds the first sentence: 50.0%",
    ]
    first, second = (json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines())
    assert "RELATION: c2 supports c1" in first["completion"]
    assert "CLAIM[c2] (Document 2): It is green." in second["completion"]


def test_converted_rows_pass_the_check(
    convert: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(convert) == 0
    capsys.readouterr()
    assert invoke(["data", "check", str(tmp_path / "rows.jsonl"), "--required", "reference"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/rows.jsonl: 2 rows, 0 bad\n"


def test_a_conversion_does_not_overwrite_unless_told_to(
    convert: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text("precious")
    assert invoke(convert) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"crucible: {tmp_path}/rows.jsonl: already exists\n")
    assert (tmp_path / "rows.jsonl").read_text() == "precious"
    assert invoke([*convert, "--force"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["claims.jsonl", "corpus.jsonl", "rows.jsonl"]


def test_a_conversion_of_a_bad_record_names_its_line_and_writes_nothing(
    convert: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(tmp_path / "claims.jsonl", [CLAIMS[0], {"id": 3}])
    assert invoke(convert) == 2
    assert capsys.readouterr().err.startswith(f"crucible: {tmp_path}/claims.jsonl:2: claim: ")
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A good row, one without a completion, two that cannot be loaded."""
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "c"}, {"promt": "d"}, {"prompt": ""}]
    return write_lines(tmp_path / "mixed.jsonl", rows)


def test_a_check_lists_every_bad_row_with_its_line_and_field(
    mixed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["data", "check", str(mixed), "--required", "reference"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{mixed}:3: prompt: missing; did you mean 'promt'?",
        f"{mixed}:4: prompt: the text is empty",
        f"{mixed}:2: reference: missing",
        f"{mixed}: 2 rows, 3 bad",
    ]


def test_a_check_as_json_never_says_passed_when_its_exit_code_does_not(
    mixed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["data", "check", str(mixed), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["rows"], found["bad_rows"], found["issues"]) == (False, 2, 2, [])
    assert [(row["line"], row["field"]) for row in found["unusable_rows"]] == [(3, "prompt"), (4, "prompt")]


def test_a_check_of_a_table_reads_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("question,answer\na,b\nc,d\n")
    assert invoke(["data", "check", str(table), "--input-key", "question", "--output-key", "answer"]) == 0
    assert capsys.readouterr().out == f"{table}: 2 rows, 0 bad\n"


def test_a_profile_counts_rows_and_fields(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "profile", str(mixed), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["rows"] == 2
    assert content["fields"]["reference"]["missing"] == 1
    assert invoke(["data", "profile", str(mixed)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"{mixed}: 2 rows, 2 bad", "  rows: 2"]


def test_a_profile_is_written_in_words_and_not_in_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"prompt": "a", "completion": "b", "metadata": {"lab": lab, "open": True}} for lab in ("x", "x", "y")
    ]
    assert invoke(["data", "profile", str(write_lines(tmp_path / "rows.jsonl", rows))]) == 0
    printed = capsys.readouterr().out
    assert "      chars: n 3, min 1, mean 1, stdev 0, p50 1, p95 1, max 1, quantiles_exact yes\n" in printed
    assert "      top: x (2), y (1)\n" in printed
    assert "      missing: 0\n" in printed
    assert not re.search(r"True|False|None|[\[\]{}\'\"]", printed)


def test_a_file_is_named_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(tmp_path / "rows.jsonl", [{"promt": "a"}])
    monkeypatch.chdir(tmp_path)
    assert invoke(["data", "check", "rows.jsonl"]) == 2
    assert capsys.readouterr().err.startswith("crucible: rows.jsonl:1: prompt: missing")


@pytest.mark.parametrize("command", ["check", "profile"])
def test_a_file_without_a_usable_row_is_bad_input(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_lines(tmp_path / "rows.jsonl", [{"promt": "a"}])
    assert invoke(["data", command, str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"crucible: {file}:1: prompt: missing")


def test_an_empty_answer_beside_others_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"q": "a", "answer": "x"}, {"q": "b", "answer": ""}, {"q": "c", "answer": " "}]
    file = write_lines(tmp_path / "rows.jsonl", rows)
    assert invoke(["data", "check", str(file), "--input-key", "q", "--output-key", "answer"]) == 0
    note, last = capsys.readouterr().out.splitlines()
    assert note.startswith(f"note: {file}:2: answer: empty in 2 of 3 rows; only an empty answer is right")
    assert last == f"{file}: 3 rows, 0 bad"


def test_answers_that_are_all_empty_or_absent_are_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_lines(tmp_path / "rows.jsonl", [{"prompt": "a", "completion": None}, {"prompt": "b"}])
    assert invoke(["data", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: 2 rows, 0 bad\n"


def test_rows_are_checked_against_a_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_lines(tmp_path / "rows.jsonl", [{"question": "a"}, {"queston": "b"}])
    assert invoke(["data", "check", str(file), "--template", "Q: {question}"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:2: question: missing, but the template names it; did you mean 'queston'?",
        f"{file}: 1 rows, 1 bad",
    ]
