"""The jsonl loader: what it reads, and how it says what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crucible.adapters.datasets.indexed import MAX_BAD_ROWS_KEPT, IndexedDataset
from crucible.adapters.datasets.jsonl import JsonlLoader, JsonlOptions
from crucible.messages.errors import DatasetError, UnknownNameError
from crucible.messages.experiment import DatasetRef

OPENED: list[IndexedDataset] = []
GOOD = b'{"id": "a", "prompt": "p", "completion": "c"}\n'


def open_file(path: Path, *, wanted: Any = "all", seed: int = 0, **options: Any) -> IndexedDataset:
    decoded = msgspec.convert({"path": str(path), **options}, JsonlOptions)
    ref = DatasetRef(name="set", provider="jsonl", split=wanted)
    return keep(JsonlLoader().open(ref, decoded, seed=seed, base=Path("/")))


def keep(data: IndexedDataset) -> IndexedDataset:
    OPENED.append(data)
    return data


@pytest.fixture(autouse=True)
def close_all() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def write(folder: Path, content: bytes | list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    path = folder / name
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content).encode()
    path.write_bytes(content)
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        open_file(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{path}", "FILE")


def test_a_row_becomes_an_example_with_its_place_and_its_other_fields(tmp_path: Path) -> None:
    path = write(tmp_path, b"\n" + GOOD + b'{"id": 7, "prompt": "q", "topic": {"x": [1]}}\n')
    first, second = open_file(path).read(0, 10)
    assert (first.id, first.input, first.reference, first.line) == ("a", "p", "c", 2)
    assert (second.id, second.reference, second.fields) == ("7", None, {"topic": {"x": [1]}})
    assert (second.source, second.line, second.split, second.group) == (str(path), 3, "all", None)


def test_reading_goes_by_position_and_in_any_order(tmp_path: Path) -> None:
    data = open_file(write(tmp_path, [{"id": f"r{i}", "prompt": "p" * (i + 1)} for i in range(50)]))
    assert len(data) == 50
    assert [row.id for row in data.read(40, 43)] == ["r40", "r41", "r42"]
    assert [row.id for row in data.read(0, 1)] == ["r0"]
    assert data.read(50, 60) == []


def test_the_last_line_needs_no_line_end(tmp_path: Path) -> None:
    assert len(open_file(write(tmp_path, GOOD + b'{"prompt": "q"}'))) == 2


def test_facts_carry_the_hash_of_the_whole_file_even_with_a_limit(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": i, "prompt": "p"} for i in range(9)])
    facts = open_file(path, limit=2).facts
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts.rows, facts.splits, facts.sources) == (2, {"all": 2}, (str(path),))


def test_a_gzip_file_reads_like_the_plain_one_and_hashes_as_packed(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(GOOD * 1 + b'{"prompt": "q"}\n'), "rows.jsonl.gz")
    data = open_file(path)
    assert [row.input for row in data.read(0, 2)] == ["p", "q"]
    assert data.facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_byte_order_mark_at_the_start_is_accepted_and_hashed(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + GOOD)
    data = open_file(path)
    assert data.read(0, 1)[0].id == "a"
    assert data.facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    assert len(open_file(write(tmp_path, GOOD.replace(b"\n", b"\r\n") + b"\r\n"))) == 1


def test_keys_with_dots_reach_into_objects(tmp_path: Path) -> None:
    path = write(tmp_path, [{"in": {"text": "p"}, "out": {"gold": "c"}, "meta": {"key": 4}}])
    (row,) = open_file(path, input_key="in.text", output_key="out.gold", id_key="meta.key").read(0, 1)
    assert (row.id, row.input, row.reference) == ("4", "p", "c")


def test_a_key_that_contains_a_dot_itself_wins(tmp_path: Path) -> None:
    path = write(tmp_path, [{"a.b": "flat", "a": {"b": "deep"}}])
    assert open_file(path, input_key="a.b").read(0, 1)[0].input == "flat"


def test_without_an_id_the_claim_id_then_name_and_line_are_used(tmp_path: Path) -> None:
    path = write(tmp_path, [{"prompt": "p", "metadata": {"claim_id": 12}}, {"prompt": "q"}])
    assert [row.id for row in open_file(path).read(0, 2)] == ["12", "set_2"]


# Files that cannot be used at all.


def test_a_missing_file_is_named_with_where_it_was_sought(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.jsonl") == "FILE: no such data file"
    decoded = JsonlOptions(path="none.jsonl")
    with pytest.raises(DatasetError, match=r"^none\.jsonl: no such data file \(looked in .*\)$"):
        JsonlLoader().open(DatasetRef(name="set"), decoded, seed=0, base=tmp_path)


def test_a_path_that_cannot_be_looked_at_says_so(tmp_path: Path) -> None:
    assert refusal(tmp_path / ("x" * 300)) == "FILE: cannot be read: File name too long"


def test_a_relative_path_counts_from_the_experiment_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    ref = DatasetRef(name="set")
    assert len(keep(JsonlLoader().open(ref, JsonlOptions(path="rows.jsonl"), seed=0, base=tmp_path))) == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "FILE: is a folder, not a data file"


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, b"")) == "FILE: the file is empty"


def test_a_file_of_blank_lines_says_so(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, b"\n  \n\r\n")) == "FILE: has only blank lines (3)"


def test_a_file_in_utf16_says_so(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, GOOD.decode().encode("utf-16")))
    assert text == "FILE:1: is in UTF-16; save it as UTF-8"


def test_a_gzip_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(hashlib.sha256(bytes([i])).hexdigest().encode() for i in range(200)))
    assert refusal(write(tmp_path, packed[:-20])) == "FILE: the gzip file is cut off"


def test_a_damaged_gzip_file_says_so(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, b"\x1f\x8bnothing like it")).startswith(
        "FILE: the gzip file cannot be unpacked"
    )


# Rows that cannot be used.


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{'a': 1}", "not valid JSON: Expecting property name enclosed in double quotes (column 2)"),
        (b'{"prompt": "p"', "not valid JSON: Expecting ',' delimiter (column 15)"),
        (b'{"prompt": "\xff"}', "not UTF-8: byte 0xff at byte 13"),
        (b'{"prompt": "a\x00b"}', "a NUL byte at byte 14: is this a text file in UTF-8?"),
        (b"\x00\x00\x00", "a NUL byte at byte 1: is this a text file in UTF-8?"),
        (b'{"prompt": "p", "x": NaN}', "NaN is no JSON value; write null"),
        (b'{"prompt": "p", "x": -Infinity}', "-Infinity is no JSON value; write null"),
        (b'{"prompt": "p", "x": 1e999}', "not usable JSON: Number out of range"),
        (
            b'{"prompt": "\\ud800 x"}',
            "not valid JSON text: half of a surrogate pair (\\ud800 to \\udfff) stands alone",
        ),
        (b"[1, 2]", "expected a JSON object, found a list"),
        (b'"text"', "expected a JSON object, found a string"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not usable JSON: nested too deeply"),
        (b'{"promt": "p"}', "prompt: missing; did you mean 'promt'?"),
        (b'{"question": "p"}', "prompt: missing; the row has 'question'"),
        (b'{"prompt": [3]}', "prompt: expected a string, found a list"),
        (b'{"prompt": null}', "prompt: expected a string, found null"),
        (b'{"prompt": " \\n"}', "prompt: the text is empty"),
        (
            b'{"prompt": "p", "completion": {"a": 1}}',
            "completion: expected a string, a list of strings or null, found an object",
        ),
        (
            b'{"prompt": "p", "completion": ["c", null]}',
            "completion: expected a list of strings, found null in it",
        ),
        (b'{"prompt": "p", "completion": ["c", " "]}', "completion: one of the answers in the list is empty"),
        (b'{"prompt": "p", "id": 1.5}', "id: expected a string or a whole number, found a number"),
        (b'{"prompt": "p", "id": true}', "id: expected a string or a whole number, found a boolean"),
        (b'{"prompt": "p", "id": ""}', "id: the id is empty"),
        (b'{"prompt": "p", "id": "a"}', "id: 'a' is already the id of line 1"),
        (b"\xef\xbb\xbf" + GOOD, "a byte order mark in the middle of the file"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_field_and_problem(
    tmp_path: Path, line: bytes, problem: str
) -> None:
    text = refusal(write(tmp_path, GOOD + b"\n" + line + b"\n"))
    assert text.startswith(f"FILE:3: {problem}")


def test_the_first_of_several_bad_rows_is_told_with_the_number_of_the_others(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, GOOD + b"1\n2\n")).endswith("found a number (and 1 more bad row)")
    assert refusal(write(tmp_path, GOOD + b"1\n" * 1500)).endswith("(and 1,499 more bad rows)")


def test_a_key_that_was_chosen_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path, [{"prompt": "p", "meta": {"gold": "c"}}])
    assert refusal(path, output_key="meta.golt") == "FILE:1: meta.golt: missing; did you mean 'gold'?"
    assert refusal(path, id_key="key") == "FILE:1: key: missing; the row has 'prompt', 'meta'"
    assert refusal(path, group_by="metta.doc") == "FILE:1: metta.doc: missing; did you mean 'meta'?"
    assert "'prompt' is a string, not an object" in refusal(path, input_key="prompt.text")


def test_tolerated_bad_rows_are_left_out_and_kept_as_bad_rows(tmp_path: Path) -> None:
    data = open_file(write(tmp_path, GOOD + b'{"prompt": [1]}\n' + b'{"prompt": "q"}\n'), max_bad_rows=1)
    assert [row.line for row in data.read(0, 5)] == [1, 3]
    (bad,) = data.bad_rows
    assert (bad.line, bad.field, data.facts.bad_rows) == (2, "prompt", 1)


def test_only_the_first_thousand_bad_rows_are_kept_but_all_are_counted(tmp_path: Path) -> None:
    data = open_file(write(tmp_path, GOOD + b"1\n" * 1200), max_bad_rows=5000)
    assert (len(data.bad_rows), data.facts.bad_rows) == (MAX_BAD_ROWS_KEPT, 1200)


def test_a_file_without_one_good_row_is_refused_even_when_bad_rows_are_tolerated(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, b"1\n2\n"), max_bad_rows=9)
    assert text == "FILE:1: expected a JSON object, found a number (none of 2 rows can be used)"


def test_a_line_beyond_the_limit_is_skipped_and_the_next_one_read(tmp_path: Path) -> None:
    long = b'{"prompt": "' + b"x" * 5000 + b'"}\n'
    path = write(tmp_path, GOOD + long + b'{"prompt": "q"}\n')
    expected = "FILE:2: the line is longer than max_line_bytes (2,048 bytes)"
    assert refusal(path, max_line_bytes=2048) == expected
    data = open_file(path, max_line_bytes=2048, max_bad_rows=1)
    assert [row.line for row in data.read(0, 5)] == [1, 3]
    assert data.facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_line_of_just_the_limit_is_read(tmp_path: Path) -> None:
    line = b'{"prompt": "' + b"x" * (2048 - 14) + b'"}'
    assert len(line) == 2048
    assert len(open_file(write(tmp_path, line + b"\n" + GOOD), max_line_bytes=2048)) == 2


def test_a_file_that_changes_while_in_use_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    data = open_file(path)
    path.write_bytes(b"\n" + GOOD)
    with pytest.raises(DatasetError, match="changed while it was in use"):
        data.read(0, 1)


def test_a_row_that_changes_under_the_same_size_and_time_is_noticed_when_it_is_no_row(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    data, times = open_file(path), path.stat()
    path.write_bytes(GOOD.replace(b"prompt", b"tpmorp"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DatasetError, match=r":1: prompt: no longer what it was when the run began: missing"):
        data.read(0, 1)


def test_closing_twice_is_allowed(tmp_path: Path) -> None:
    data = open_file(write(tmp_path, GOOD))
    data.close()
    data.close()


# Splits.


def rows_of_documents(n: int) -> list[dict[str, Any]]:
    return [{"id": i, "prompt": f"p{i}", "metadata": {"doc_ids": [str(i // 3)]}} for i in range(n)]


def test_without_a_split_every_row_belongs_to_all(tmp_path: Path) -> None:
    data = open_file(write(tmp_path, rows_of_documents(6)), wanted="test")
    assert {row.split for row in data.read(0, 6)} == {"all"}


def test_rows_of_one_document_stand_in_one_split_and_carry_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, rows_of_documents(60))
    data = open_file(path, wanted="test", split={"group_by": "metadata.doc_ids"})
    assert data.facts.splits == {"train": 48, "validation": 6, "test": 6}
    splits: dict[str | None, set[str]] = {}
    for row in data.read(0, 60):
        assert row.group == row.fields["metadata"]["doc_ids"][0]
        splits.setdefault(row.group, set()).add(row.split)
    assert all(len(names) == 1 for names in splits.values())


def test_a_row_about_two_documents_ties_their_groups_and_takes_the_first_name(tmp_path: Path) -> None:
    docs = [["b"], ["c"], ["a", "b"], ["c", "a"], [], None, ["d"]]
    path = write(tmp_path, [{"id": f"r{i}", "prompt": "p", "docs": d} for i, d in enumerate(docs)])
    data = open_file(path, group_by="docs")
    assert [row.group for row in data.read(0, 7)] == ["b", "b", "b", "b", "r4", "r5", "d"]


def test_clusters_may_differ_from_what_keeps_rows_together_in_splits(tmp_path: Path) -> None:
    rows = [{"id": i, "prompt": "p", "a": i // 2, "b": i // 4} for i in range(40)]
    data = open_file(write(tmp_path, rows), split={"group_by": "b"}, group_by="a")
    read = data.read(0, 40)
    assert [row.group for row in read] == [str(i // 2) for i in range(40)]
    assert all(len({row.split for row in read[i : i + 4]}) == 1 for i in range(0, 40, 4))


def test_the_seed_decides_the_split_and_a_seed_of_its_own_outweighs_it(tmp_path: Path) -> None:
    path = write(tmp_path, rows_of_documents(90))

    def splits(run_seed: int, **own: int) -> list[str]:
        data = open_file(path, seed=run_seed, split={"train": 0.5, "test": 0.5, **own})
        return [row.split for row in data.read(0, 90)]

    assert splits(1) == splits(1)
    assert splits(1) != splits(2)
    assert splits(1, seed=7) == splits(2, seed=7)


def test_a_column_can_name_the_split(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "part": part} for part in ("train", "dev", "test", "validation")]
    path = write(tmp_path, rows)
    data = open_file(path, wanted="test", split_key="part")
    assert [row.split for row in data.read(0, 4)] == ["train", "validation", "test", "validation"]
    write(tmp_path, [*rows, {"prompt": "p", "part": "tset"}])
    assert refusal(path, split_key="part") == (
        "FILE:5: part: expected train, validation, test or all, found 'tset'"
    )


def test_a_split_that_stays_empty_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, rows_of_documents(6))
    text = refusal(path, split={"group_by": "metadata.doc_ids"})
    assert text == "FILE: split 'validation' has no rows: 6 rows in 2 groups were dealt as train 6"


def test_a_wanted_split_that_no_row_names_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [{"prompt": "p", "part": "train"}])
    assert refusal(path, wanted="test", split_key="part").startswith("FILE: split 'test' has no rows")
    with pytest.raises(UnknownNameError, match="did you mean 'test'"):
        open_file(path, wanted="tets")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"split": {"train": 0.8, "test": 0.1}}, "the shares of the splits must add up to 1, not 0.9"),
        ({"split": {"train": 1.2}}, "Expected `float` <= 1.0"),
        ({"split": {"tran": 1.0}}, "unknown field `tran`"),
        ({"split": {}, "split_key": "part"}, "give either `split` or `split_key`, not both"),
        ({"max_line_bytes": 10}, "Expected `int` >= 1024"),
        ({"limit": 0}, "Expected `int` >= 1"),
    ],
)
def test_options_out_of_range_do_not_decode(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert({"path": "x", **options}, JsonlOptions)


def damaged(draw: st.DrawFn) -> bytes:
    """A good file with some bytes cut out and others put in."""
    content = GOOD * 2 + b'{"id": 3, "prompt": "q", "docs": ["x", 1]}\n'
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(start + 9, len(content))))
        piece = draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"NaN", b"1e999", b"\\ud800", b"[", b"\n"])
        )
        content = content[:start] + piece + content[stop:]
    return content


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.composite(damaged)(), st.sampled_from([0, 5]))
def test_whatever_a_file_holds_it_is_read_or_refused_in_one_line(
    tmp_path: Path, content: bytes, tolerated: int
) -> None:
    path, refused = write(tmp_path, content), ""
    try:
        data = open_file(path, max_bad_rows=tolerated)
    except DatasetError as error:
        refused = str(error)
    else:
        assert len(data.read(0, 99)) == len(data) == data.facts.rows
        assert msgspec.json.encode(data.read(0, 99))
        data.close()
    assert "\n" not in refused
