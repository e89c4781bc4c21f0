"""The csv and memory loaders, and what every loader has in common."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import crucible.adapters.datasets as package
from crucible.actors.ports import Dataset, DatasetLoader
from crucible.adapters.datasets.delimited import CsvLoader, CsvOptions
from crucible.adapters.datasets.indexed import IndexedDataset
from crucible.adapters.datasets.memory import MemoryLoader, MemoryOptions
from crucible.messages.errors import DatasetError
from crucible.messages.experiment import DatasetRef

OPENED: list[IndexedDataset] = []
REF = DatasetRef(name="set", split="all")


@pytest.fixture(autouse=True)
def close_all() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def open_csv(folder: Path, content: bytes, **options: Any) -> IndexedDataset:
    (folder / "rows.csv").write_bytes(content)
    decoded = msgspec.convert({"path": "rows.csv", **options}, CsvOptions)
    OPENED.append(CsvLoader().open(REF, decoded, seed=0, base=folder))
    return OPENED[-1]


def csv_refusal(folder: Path, content: bytes, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        open_csv(folder, content, **options)
    return str(caught.value).replace(str(folder / "rows.csv"), "FILE")


def open_rows(*rows: dict[str, Any], **options: Any) -> IndexedDataset:
    return MemoryLoader().open(
        REF, msgspec.convert({"rows": rows, **options}, MemoryOptions), seed=0, base=Path()
    )


def test_csv_records_become_examples_even_across_lines(tmp_path: Path) -> None:
    content = b'id,prompt,completion,topic\r\na,"one\r\ntwo, ""three""",c,x\r\n\r\nb,p,,\r\n'
    first, second = open_csv(tmp_path, content).read(0, 5)
    assert (first.id, first.input, first.reference, first.fields) == (
        "a",
        'one\r\ntwo, "three"',
        "c",
        {"topic": "x"},
    )
    assert (second.id, second.reference, second.fields, second.line) == ("b", None, {}, 5)
    assert first.line == 2


def test_csv_records_are_found_again_in_any_order(tmp_path: Path) -> None:
    content = "id,prompt\n" + "".join(f'r{i},"line {i}\nmore"\n' for i in range(30))
    data = open_csv(tmp_path, content.encode())
    assert [row.id for row in data.read(20, 22)] == ["r20", "r21"]
    assert data.read(3, 4)[0].input == "line 3\nmore"


def test_a_tsv_file_is_cut_at_tabs(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_bytes(b"id\tprompt\na\tone, two\n")
    OPENED.append(CsvLoader().open(REF, CsvOptions(path="rows.tsv"), seed=0, base=tmp_path))
    assert OPENED[-1].read(0, 1)[0].input == "one, two"


def test_csv_takes_another_delimiter_and_a_byte_order_mark(tmp_path: Path) -> None:
    data = open_csv(tmp_path, b"\xef\xbb\xbfid\tprompt\na\tp\n", delimiter="\t")
    assert data.read(0, 1)[0].id == "a"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "FILE: the file is empty"),
        (b"id,prompt\n", "FILE: no rows"),
        (b"id,prompt,id\n", "FILE:1: column 'id' stands twice"),
        (b"id,prompt\na,p\nb\n", "FILE:3: 1 cells, but the header has 2"),
        (b"id,prompt\na,p\na,q\n", "FILE:3: id: 'a' is already the id of line 2"),
        (b"id,promt\na,p\n", "FILE:2: prompt: missing; did you mean 'promt'?"),
        (b'id,prompt\na,"p\nb,q\n', "FILE:2: not valid CSV: unexpected end of data"),
        (b"id,prompt\na,\xff\n", "FILE:2: not UTF-8: byte 0xff at byte 3"),
        (b"id,prompt\na,\x00\n", "FILE:2: a NUL byte: is this a text file in UTF-8?"),
    ],
)
def test_bad_csv_is_refused_in_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    assert csv_refusal(tmp_path, content) == problem


def test_csv_rows_of_the_wrong_width_can_be_tolerated(tmp_path: Path) -> None:
    data = open_csv(tmp_path, b"id,prompt\na,p\nb\nc,q\n", max_bad_rows=1)
    assert [row.id for row in data.read(0, 5)] == ["a", "c"]


def test_rows_in_memory_are_checked_and_numbered_from_one() -> None:
    data = open_rows({"prompt": "p", "x": 1}, {"prompt": "q", "completion": "c"})
    assert [(row.id, row.line, row.source) for row in data.read(0, 2)] == [
        ("set_1", 1, "set"),
        ("set_2", 2, "set"),
    ]
    with pytest.raises(DatasetError, match=r"^set:2: prompt: expected a string, found a list$"):
        open_rows({"prompt": "p"}, {"prompt": [2]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", object()])
def test_values_in_memory_that_no_file_could_hold_are_refused(value: Any) -> None:
    rows = ({"prompt": "p", "x": [value]},)
    with pytest.raises(DatasetError, match=r"^set:1: cannot be written as JSON"):
        MemoryLoader().open(REF, MemoryOptions(rows=rows), seed=0, base=Path())


def test_the_hash_of_rows_in_memory_ignores_the_order_of_keys() -> None:
    one = open_rows({"prompt": "p", "x": {"b": 1, "a": 2}}).facts.sha256
    assert one == open_rows({"x": {"a": 2, "b": 1}, "prompt": "p"}).facts.sha256
    assert one != open_rows({"x": {"a": 2, "b": 3}, "prompt": "p"}).facts.sha256


def test_no_rows_in_memory_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"^set: options\.rows is empty$"):
        open_rows()


@pytest.mark.parametrize("name", ["JsonlLoader", "CsvLoader", "MemoryLoader", "ScifactLoader"])
def test_every_loader_keeps_the_contract_and_describes_each_option(name: str) -> None:
    loader: DatasetLoader = getattr(package, name)()
    info = msgspec.json.schema(loader.Options)
    fields = info["$defs"][loader.Options.__name__]["properties"]
    assert {"input_key", "output_key", "id_key", "limit", "split", "max_bad_rows"} <= set(fields)
    assert all("description" in field or "anyOf" in field for field in fields.values())


def test_the_index_is_a_dataset() -> None:
    data: Dataset = open_rows({"prompt": "p"})
    assert len(data) == 1


def test_names_of_the_package_are_found_and_others_are_not() -> None:
    assert all(getattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError):
        _ = package.ParquetLoader


def test_loading_needs_no_numpy() -> None:
    code = (
        "import sys, crucible.adapters.datasets as package\n"
        "for name in package.__all__: getattr(package, name)\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
