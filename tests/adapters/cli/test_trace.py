"""The command that looks into traces."""

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from crucible.adapters.cli.app import invoke
from crucible.adapters.tracing import read_trace
from crucible.messages.trace import Span

from ..tracing.traces import raced, span, stored


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Desk:
    """Runs on disk, and the command run on them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        stored(folder / "runs" / "r1", raced())
        slower = [
            msgspec.structs.replace(each, end_s=each.start_s + 0.5) if each.id == 3 else each
            for each in raced()
        ]
        stored(folder / "runs" / "r2", slower)

    def trace(self, run: str, *arguments: str) -> Ran:
        self._capsys.readouterr()
        code = invoke(["trace", run, "--runs", str(self.folder / "runs"), *arguments])
        captured = self._capsys.readouterr()
        return Ran(code, captured.out, captured.err)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_without_an_option_it_prints_figures(desk: Desk) -> None:
    ran = desk.trace("r1")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("r: 7 spans in 1.20 s\n")


def test_a_run_may_be_given_as_a_folder_or_as_its_file(desk: Desk) -> None:
    folder = desk.folder / "runs" / "r1"
    assert desk.trace(str(folder)).out == desk.trace(str(folder / "trace.json")).out == desk.trace("r1").out


def test_conditions_print_the_spans_they_mean(desk: Desk) -> None:
    ran = desk.trace("r1", "--where", "example=e4", "--where", "kind=hedge,attempt")
    assert (ran.code, [line.split("  ")[-1] for line in ran.out.splitlines()]) == (0, ["e4", "cancelled"])


def test_a_check_prints_problems_and_fails_when_there_are_any(desk: Desk) -> None:
    sound = desk.trace("r1", "--check")
    assert (sound.code, sound.out.endswith("trace.json: 7 spans, 0 problems\n")) == (0, True)
    stored(desk.folder / "runs" / "bad", [*raced(), span(9, parent_id=77)])
    bad = desk.trace("bad", "--check")
    assert bad.code == 1
    assert "span 9 (request 'model'): its parent 77 is not in the trace" in bad.out
    assert bad.out.endswith("8 spans, 1 problem\n")


def test_a_diff_prints_what_changed(desk: Desk) -> None:
    ran = desk.trace("r1", "--diff", "r2")
    assert ran.code == 0
    assert "  backend_call request model e3: 100 ms -> 500 ms" in ran.out.splitlines()


def test_a_diff_looks_only_at_the_spans_that_are_meant(desk: Desk) -> None:
    ran = desk.trace("r1", "--diff", "r2", "--where", "kind=hedge")
    assert ran.out.splitlines()[-1] == "1 span in both; no differences"


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("html", "<!doctype html>"),
        ("mermaid", "flowchart LR"),
        ("sequence", "sequenceDiagram"),
        ("timeline", "timeline"),
        ("perfetto", "[\n{"),
        ("json", "[\n{"),
    ],
)
def test_each_format_goes_to_stdout_or_to_a_file(desk: Desk, form: str, begins: str) -> None:
    ran = desk.trace("r1", "--format", form)
    assert (ran.code, ran.out.startswith(begins)) == (0, True)
    file = desk.folder / "new" / "out"
    to_file = desk.trace("r1", "--format", form, "--output", str(file))
    assert (to_file.code, to_file.out) == (0, "")
    assert file.read_text() == ran.out
    assert list(file.parent.iterdir()) == [file]


def test_an_exported_trace_is_a_trace(desk: Desk) -> None:
    file = desk.folder / "out.json"
    desk.trace("r1", "--format", "perfetto", "--where", "kind!=stage", "--output", str(file))
    assert [each.id for each in read_trace(file)] == [3, 6, 4, 5, 7, 1]


def test_json_decodes_into_spans(desk: Desk) -> None:
    spans = msgspec.json.decode(desk.trace("r1", "--format", "json").out, type=list[Span])
    assert [each.id for each in spans] == [3, 6, 4, 5, 7, 2, 1]
    assert json.loads(desk.trace("r1", "--format", "json", "--where", "name=nobody").out) == []


def test_a_trace_that_is_cut_off_can_be_looked_into(desk: Desk) -> None:
    whole = desk.folder / "runs" / "r1" / "trace.json"
    cut = desk.folder / "runs" / "killed"
    cut.mkdir()
    (cut / "trace.json.partial").write_bytes(whole.read_bytes()[:-500])
    assert "the trace is cut off" in desk.trace("killed").out
    assert desk.trace("killed", "--check").code == 0
    for form in ("html", "mermaid", "sequence", "timeline", "perfetto", "json"):
        assert desk.trace("killed", "--format", form).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "is the folder of a run"),
        (["r1", "--diff", "nowhere"], "is the folder of a run"),
        (["r1", "--where", "text~("], "condition 'text~(': not a regular expression: missing )"),
        (["r1", "--where", "duration"], "condition 'duration': expected FIELD=VALUE"),
        (["r1", "--check", "--format", "json"], "expected one of --check and --format"),
        (["r1", "--check", "--where", "kind=run"], "--check looks at all spans"),
        (["r1", "--endpoint", "http://h/"], "--endpoint is for --format otlp"),
        (["r1", "--format", "otlp", "--output", "x"], "--format otlp writes none"),
        (["r1", "--format", "pdf"], "Invalid value"),
        (["r1", "--format", "html", "--output", ""], "cannot be written: expected the name of a file"),
        (["r1", "--format", "otlp", "--endpoint", "nonsense"], "expected an address such as http"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(desk: Desk, arguments: list[str], said: str) -> None:
    ran = desk.trace(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_folder_without_a_trace_and_a_file_that_is_none_are_named(desk: Desk) -> None:
    empty = desk.folder / "empty"
    empty.mkdir()
    assert desk.trace(str(empty)).err == f"crucible: {empty}: holds no trace.json: not the folder of a run\n"
    wrong = desk.folder / "notes.txt"
    wrong.write_text("hello\n")
    for arguments in ([], ["--check"], ["--format", "html"], ["--where", "kind=run"], ["--diff", "r1"]):
        ran = desk.trace(str(wrong), *arguments)
        assert (ran.code, len(ran.err.splitlines())) == (2, 1)
        assert f"{wrong}:1: is not a trace of a run" in ran.err


def test_a_spoilt_trace_leaves_no_half_written_file(desk: Desk) -> None:
    file = desk.folder / "runs" / "r1" / "trace.json"
    file.write_bytes(file.read_bytes() + b"more\n")
    ran = desk.trace("r1", "--format", "html", "--output", str(desk.folder / "out.html"))
    assert ran.code == 2
    assert "more follows after its end" in ran.err
    assert not list(desk.folder.glob("out.html*"))


def test_a_collector_that_is_not_there_is_a_failure_and_no_bad_input(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    ran = desk.trace("r1", "--format", "otlp", "--endpoint", "http://127.0.0.1:1/v1/traces")
    assert (ran.code, ran.out) == (1, "")
    assert "took 0 spans" in ran.err
