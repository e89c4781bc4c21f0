"""Reading spans back: whole, cut off, still being written, and what is no trace at all."""

import tracemalloc
from pathlib import Path

import pytest

from crucible.adapters.tracing import PerfettoExporter, StoredTrace, find_trace
from crucible.messages.errors import DatasetError

from .traces import raced, span, stored


def test_decisions_and_attributes_survive_the_file(tmp_path: Path) -> None:
    whole = [each for each in raced() if each.status != "open"]
    read = list(stored(tmp_path, raced()).spans())
    assert [(each.id, each.decisions, each.attributes) for each in read] == [
        (each.id, each.decisions, each.attributes) for each in whole
    ]
    assert [each.end_s for each in read] == pytest.approx([each.end_s for each in whole], abs=1e-8)


@pytest.mark.parametrize("lost", range(5, 300, 7))
def test_the_trace_of_a_killed_run_is_read_up_to_its_last_whole_line(tmp_path: Path, lost: int) -> None:
    whole = stored(tmp_path, raced())
    content = whole.path.read_bytes()[:-lost]
    cut = tmp_path / "trace.json.partial"
    cut.write_bytes(content)
    trace = StoredTrace(cut)
    found = {each.id: each for each in trace.spans()}
    assert trace.cut_off
    assert found[1].status == "open"  # the run, that was written when it began
    assert {3, 4, 5, 6, 7} <= set(found)


def test_what_is_still_open_lasts_to_the_latest_moment_that_is_known(tmp_path: Path) -> None:
    exporter = PerfettoExporter(tmp_path / "trace.json")
    exporter.export(raced()[:3])
    read = {each.id: each for each in StoredTrace(tmp_path / "trace.json.partial").spans()}
    exporter.close()
    assert {number: each.status for number, each in read.items()} == {3: "ok", 1: "open", 2: "open"}
    assert read[1].end_s == pytest.approx(0.4)


def test_a_whole_trace_is_not_cut_off(tmp_path: Path) -> None:
    trace = stored(tmp_path, raced())
    list(trace.spans())
    assert not trace.cut_off


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"ph": "X", "name": 3},\n', ":3: is not a trace of a run: Expected `str`"),
        (b'{"ph": "X", "name": "n", "cat": "request", "args": {}},\n', "a span without id or kind"),
        (b'{"ph": "X", "name": "n", "cat": "nonsense", "args": {"id": 1}},\n', "Invalid enum value"),
        (b'{"ph": "X", "name": "n", "cat": "run", "args": {"id": -1}},\n', "Expected `int` >= 0"),
        (b'{"ph": "X", "name": "\xff", "cat": "run", "args": {"id": 1}},\n', "is not a trace of a run"),
        (b"[" * 5000 + b",\n", "is not a trace of a run"),
        (b"garbage\n", "JSON is malformed"),
        (b"]\n{}\n", "more follows after its end"),
    ],
)  # fmt: skip
def test_a_spoilt_line_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    (tmp_path / "trace.json").write_bytes(b'[\n{"ph": "M", "name": "process_name"},\n' + line + b"]\n")
    with pytest.raises(DatasetError) as caught:
        list(StoredTrace(tmp_path / "trace.json").spans())
    assert said in str(caught.value)
    assert str(tmp_path / "trace.json") in str(caught.value)


def test_a_run_is_found_by_its_folder_its_id_and_its_file(tmp_path: Path) -> None:
    made = stored(tmp_path / "runs" / "r1", raced())
    for given in (made.path, made.path.parent):
        assert find_trace(given).path == made.path
    assert find_trace("r1", tmp_path / "runs").path == made.path


def test_a_run_at_work_is_found_by_its_partial_file(tmp_path: Path) -> None:
    exporter = PerfettoExporter(tmp_path / "trace.json")
    assert find_trace(tmp_path).path.name == "trace.json.partial"
    exporter.close()
    assert find_trace(tmp_path).path.name == "trace.json"


def test_reading_a_long_trace_keeps_nothing_of_it(tmp_path: Path) -> None:
    trace = stored(tmp_path, [span(number, lane=f"backend_call/{number % 8}") for number in range(3, 5003)])
    next(iter(trace.spans()))
    tracemalloc.start()
    count = sum(1 for _ in trace.spans())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 5000
    assert peak < 200_000
