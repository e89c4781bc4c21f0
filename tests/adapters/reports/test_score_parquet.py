import math
import subprocess
import sys
from pathlib import Path

import pytest

from crucible.adapters.reports import score_parquet
from crucible.adapters.reports.score_parquet import ParquetScoreWriter
from crucible.adapters.reports.score_table import COLUMNS
from crucible.adapters.reports.sink import FileReportSink
from crucible.messages.errors import OutputError
from crucible.messages.experiment import OutputSpec
from crucible.messages.findings import OutputScores
from crucible.messages.flow import Sample
from crucible.messages.records import Example
from crucible.messages.report import RunReport

from .conftest import make_sample

parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")


def sample(id_: str, **scores: float | None) -> Sample:
    return Sample(
        example=Example(id=id_, input="?", group=None),
        scores=(OutputScores(system="m", scores=scores, methods={"f1": "token"}),),
    )


def test_the_file_holds_every_score_with_its_type(tmp_path: Path) -> None:
    writer = ParquetScoreWriter(tmp_path)
    writer.write([sample("=a", f1=0.25, x=None), sample("\ud800", f1=math.inf)])
    assert not (tmp_path / "scores.parquet").exists()
    assert writer.finish().media_type == "application/vnd.apache.parquet"
    table = parquet.read_table(tmp_path / "scores.parquet")
    assert table.column_names == list(COLUMNS)
    assert table.to_pylist() == [
        dict(zip(COLUMNS, row, strict=True))
        for row in (
            ("=a", "all", None, "m", "f1", 0.25, "token"),
            ("=a", "all", None, "m", "x", None, None),
            ("?", "all", None, "m", "f1", math.inf, "token"),
        )
    ]
    with pytest.raises(OutputError, match="already closed"):
        writer.write([sample("b", f1=1.0)])


def test_many_scores_are_written_group_by_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_parquet, "ROWS", 3)
    writer = ParquetScoreWriter(tmp_path)
    for number in range(4):
        writer.write([sample(str(number), f1=float(number), x=0.5)])
    writer.finish()
    found = parquet.ParquetFile(tmp_path / "scores.parquet")
    assert (found.metadata.num_rows, found.metadata.num_row_groups) == (8, 2)
    found.close()


def test_a_run_without_a_score_leaves_an_empty_table(tmp_path: Path) -> None:
    ParquetScoreWriter(tmp_path).finish()
    assert parquet.read_table(tmp_path / "scores.parquet").num_rows == 0


def test_the_sink_writes_scores_and_no_report_for_parquet(tmp_path: Path, report: RunReport) -> None:
    sink = FileReportSink(tmp_path, (OutputSpec(formats=("parquet", "json")),))
    sink.write_samples([make_sample(1)])
    names = {artifact.name for artifact in sink.finish(report)}
    assert names == {"samples.jsonl", "scores.parquet", "report.json"}
    assert parquet.read_table(tmp_path / "scores.parquet").num_rows == 2


def test_an_abandoned_run_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    sink = FileReportSink(tmp_path, (OutputSpec(formats=("parquet",)),))
    sink.write_samples([make_sample(1)])
    sink.abandon()
    assert {path.name for path in tmp_path.iterdir()} == {"samples.jsonl.partial", "scores.parquet.partial"}


def test_without_pyarrow_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from crucible.adapters.reports.sink import FileReportSink\n"
        "from crucible.messages.experiment import OutputSpec\n"
        f"FileReportSink(Path({str(tmp_path)!r}), (OutputSpec(formats=('csv', 'parquet')),))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert "ResourceWarning" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith(
        "outputs: the format parquet needs pyarrow: install the extra parquet "
        "(in a checkout: pip install '.[parquet]')"
    )
