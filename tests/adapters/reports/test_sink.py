from pathlib import Path

import msgspec
import pytest

from crucible.adapters.reports import FileReportSink
from crucible.adapters.reports.samples import SampleLine
from crucible.messages.errors import OutputError
from crucible.messages.experiment import OutputSpec
from crucible.messages.flow import Sample
from crucible.messages.report import RunReport

JSON_AND_MARKDOWN = (OutputSpec(formats=("markdown", "json")),)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_sample_becomes_one_line_with_outputs_by_system(
    tmp_path: Path, report: RunReport, sample: Sample
) -> None:
    sink = FileReportSink(tmp_path, JSON_AND_MARKDOWN)
    sink.write_samples([sample, sample])
    sink.write_samples([sample])
    sink.finish(report)
    lines = (tmp_path / "samples.jsonl").read_bytes().splitlines()
    assert len(lines) == 3
    line = msgspec.json.decode(lines[0], type=SampleLine)
    assert line.outputs["tuned"].usage.completion_tokens == 5
    assert line.outputs["lead"].error == "timed out"
    assert line.scores == {"tuned": {"claim_f1": 0.75, "relation_f1": None}}


def test_the_json_report_decodes_to_the_report_it_was_made_from(tmp_path: Path, report: RunReport) -> None:
    FileReportSink(tmp_path, JSON_AND_MARKDOWN).finish(report)
    assert msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=RunReport) == report


def test_artifacts_name_the_files_that_are_there(tmp_path: Path, report: RunReport) -> None:
    artifacts = FileReportSink(
        tmp_path, (OutputSpec(name="a"), OutputSpec(name="b", formats=("json",)))
    ).finish(report)
    assert sorted(artifact.name for artifact in artifacts) == files(tmp_path)
    assert files(tmp_path) == ["a.html", "a.json", "a.md", "b.json", "samples.jsonl"]
    assert all(Path(artifact.path).stat().st_size == artifact.bytes for artifact in artifacts)


def test_final_names_appear_only_when_the_run_is_whole(tmp_path: Path, sample: Sample) -> None:
    sink = FileReportSink(tmp_path, JSON_AND_MARKDOWN)
    sink.write_samples([sample])
    assert files(tmp_path) == ["samples.jsonl.partial"]
    sink.abandon()
    sink.abandon()
    assert files(tmp_path) == ["samples.jsonl.partial"]
    assert (tmp_path / "samples.jsonl.partial").read_bytes().endswith(b"}\n")


def test_equal_reports_give_equal_bytes(tmp_path: Path, report: RunReport) -> None:
    contents = []
    for name in ("first", "second"):
        FileReportSink(tmp_path / name, (OutputSpec(),)).finish(report)
        contents.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "outputs", [(OutputSpec(name="trace"),), (OutputSpec(), OutputSpec(formats=("json",)))]
)
def test_two_files_of_one_name_are_refused_before_anything_is_written(
    tmp_path: Path, outputs: tuple[OutputSpec, ...]
) -> None:
    with pytest.raises(
        OutputError, match=r"two files would be called report\.json|trace\.json is a file of every run"
    ):
        FileReportSink(tmp_path / "run", outputs)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        FileReportSink(tmp_path / "file", JSON_AND_MARKDOWN)


def test_nothing_is_written_once_the_run_was_abandoned(
    tmp_path: Path, report: RunReport, sample: Sample
) -> None:
    sink = FileReportSink(tmp_path, (OutputSpec(),))
    sink.write_samples([sample])
    sink.abandon()
    assert sink.finish(report) == []
    assert files(tmp_path) == ["samples.jsonl.partial"]
