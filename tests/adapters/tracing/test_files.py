import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.tracing import PerfettoExporter, TraceFiles, gantt, read_trace
from crucible.messages.errors import DatasetError, OutputError
from crucible.messages.trace import Span


def stage(number: int, name: str = "bench", **changes: Any) -> Span:
    fields: dict[str, Any] = {
        "id": number, "name": name, "kind": "stage", "start_s": 0.5 * number, "end_s": 0.5 * number + 0.25,
        "lane": name, "attributes": {"samples": 3},
    }  # fmt: skip
    return Span(**(fields | changes))


def events(path: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(path.read_text())
    return loaded


def test_spans_survive_the_file(tmp_path: Path) -> None:
    spans = [stage(1), stage(2, "metrics", parent_id=1, status="error"), stage(3, kind="request", lane="")]
    exporter = PerfettoExporter(tmp_path / "trace.json")
    exporter.export(spans[:1])
    exporter.export(spans[1:])
    exporter.close()
    assert read_trace(tmp_path / "trace.json") == spans


def test_complete_events_are_in_microseconds_on_one_thread_per_lane(tmp_path: Path) -> None:
    exporter = PerfettoExporter(tmp_path / "trace.json")
    exporter.export([stage(1), stage(2, "metrics"), stage(3)])
    exporter.close()
    found = events(tmp_path / "trace.json")
    work = [event for event in found if event["ph"] == "X"]
    assert [(event["ts"], event["dur"], event["tid"]) for event in work] == [
        (500_000.0, 250_000.0, 1), (1_000_000.0, 250_000.0, 2), (1_500_000.0, 250_000.0, 1),
    ]  # fmt: skip
    names = {event["tid"]: event["args"]["name"] for event in found if event["name"] == "thread_name"}
    assert names == {1: "bench", 2: "metrics"}


def test_a_trace_without_spans_is_valid_json(tmp_path: Path) -> None:
    PerfettoExporter(tmp_path / "trace.json").close()
    assert events(tmp_path / "trace.json")[0]["args"]["name"] == "crucible"
    assert read_trace(tmp_path / "trace.json") == []


def test_closing_twice_gives_the_same_artifacts_and_late_spans_are_dropped(tmp_path: Path) -> None:
    exporter = TraceFiles(tmp_path)
    exporter.export([stage(1)])
    first = exporter.close()
    exporter.export([stage(2)])
    assert exporter.close() == first
    assert [artifact.name for artifact in first] == ["trace.json", "trace.mmd"]
    assert len(read_trace(tmp_path / "trace.json")) == 1


def test_the_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    exporter = PerfettoExporter(tmp_path / "trace.json")
    exporter.export([stage(1)])
    assert not (tmp_path / "trace.json").exists()
    partial = (tmp_path / "trace.json.partial").read_text()
    assert len(json.loads(partial + "]")) == 4
    exporter.close()
    assert not (tmp_path / "trace.json.partial").exists()


def test_text_that_no_utf8_can_hold_does_not_break_the_file(tmp_path: Path) -> None:
    exporter = PerfettoExporter(tmp_path / "trace.json")
    exporter.export([stage(1, attributes={"note": "\ud800"})])
    exporter.close()
    assert read_trace(tmp_path / "trace.json")[0].attributes == {"note": "\ufffd"}


def test_memory_stays_flat_over_many_spans(tmp_path: Path) -> None:
    exporter = TraceFiles(tmp_path)
    batch = [stage(number, kind="request", lane=f"slot {number % 8}") for number in range(500)]
    exporter.export(batch)
    tracemalloc.start()
    for _ in range(20):
        exporter.export(batch)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    exporter.close()
    assert kept < 50_000


@pytest.mark.parametrize("content", ["", "{}", '[{"ph": "X"}]', "[1]"])
def test_a_file_that_is_no_trace_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "trace.json").write_text(content)
    with pytest.raises(DatasetError, match=r"trace\.json:1: is not a trace"):
        read_trace(tmp_path / "trace.json")


def test_a_missing_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_trace(tmp_path / "trace.json")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        PerfettoExporter(tmp_path / "file" / "trace.json")


def test_the_gantt_chart_shows_stages_in_order_of_their_start() -> None:
    chart = gantt([stage(4, "report"), stage(1, "data_load"), stage(2, "call", kind="request")])
    assert chart.splitlines()[5:] == [
        "    section data_load", "    data_load :done, s1, 500, 750",
        "    section report", "    report :done, s2, 2000, 2250",
    ]  # fmt: skip


def test_failed_and_instant_stages_are_drawn() -> None:
    assert "bench :crit, s1, 500, 501" in gantt([stage(1, end_s=0.5, status="error")])


def test_labels_cannot_write_mermaid_of_their_own() -> None:
    chart = gantt([stage(1, "a:done, x, 0\n    click y <script>; %%{init}%% \x1b")])
    assert len(chart.splitlines()) == 7
    label = chart.splitlines()[6].split(" :done")[0]
    assert not set(label) & set(":;<>%{},#\x1b")


@pytest.mark.parametrize(("end_s", "axis"), [(4.0, "%S.%L"), (400.0, "%M:%S")])
def test_the_axis_of_a_short_run_shows_milliseconds(end_s: float, axis: str) -> None:
    assert f"axisFormat {axis}" in gantt([stage(1, end_s=end_s)])
