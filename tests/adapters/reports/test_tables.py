"""The formats csv and latex, and the table of scores."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.csv_table import COLUMNS, render_csv
from crucible.adapters.reports.document import Cell, Document, Section, Table
from crucible.adapters.reports.latex import latex_text, render_latex
from crucible.adapters.reports.score_table import ScoreWriter
from crucible.adapters.reports.sink import FileReportSink
from crucible.messages.errors import OutputError
from crucible.messages.experiment import OutputSpec
from crucible.messages.fairness import FairnessResult, GroupGap, GroupRate
from crucible.messages.findings import Interval, OutputScores, RankedSystem, Ranking, Watched
from crucible.messages.flow import Sample, StageResult
from crucible.messages.records import Example
from crucible.messages.report import RunReport

from .conftest import make_sample

INTERVAL = Interval(low=0.1, high=0.3, level=0.95, method="Newcombe")
FAIRNESS = FairnessResult(
    system="tuned",
    rates=(
        GroupRate(rate="selection_rate", group="=1+1", value=0.5, n=40, interval=INTERVAL),
        GroupRate(rate="selection_rate", group="pl", value=None, n=0, status="too_few", reason="no row"),
    ),
    gaps=(
        GroupGap(
            criterion="demographic_parity", measure="difference", value=0.2, n=80, interval=INTERVAL,
            lowest="en", highest="pl", verdict="undecided",
        ),
    ),
)  # fmt: skip


def with_fairness(report: RunReport) -> RunReport:
    stage = StageResult(stage="fairness", status="completed", fairness=(FAIRNESS,))
    stages = [stage if each.stage == "fairness" else each for each in report.stages]
    return msgspec.structs.replace(report, stages=tuple(stages))


def rows_of(report: RunReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(report))))


def test_every_figure_is_a_row_in_full_precision_with_n_interval_and_method(report: RunReport) -> None:
    figures = [figure for stage in report.stages for figure in stage.figures]
    rows = [row for row in rows_of(report) if row["kind"] == "figure"]
    assert len(rows) == len(figures) == 8
    for row, figure in zip(rows, figures, strict=True):
        assert (row["metric"], row["system"], row["method"]) == (figure.name, figure.system, "lexical")
        assert float(row["value"]) == figure.value
        assert int(row["n"]) == figure.n
        assert figure.interval is not None
        assert float(row["low"]) == figure.interval.low
        assert row["interval_by"] == figure.interval.method


def test_every_comparison_is_a_row_with_its_test_and_verdict(report: RunReport) -> None:
    comparisons = [comparison for stage in report.stages for comparison in stage.comparisons]
    rows = [row for row in rows_of(report) if row["kind"] == "difference"]
    assert len(rows) == len(comparisons) > 0
    for row, comparison in zip(rows, comparisons, strict=True):
        assert (row["baseline"], row["verdict"]) == (comparison.baseline, comparison.verdict)
        assert float(row["value"]) == comparison.difference
        test = next(test for test in comparison.tests if test.name == row["test"])
        assert float(row["p"]) == test.p_value
        assert float(row["p_adjusted"]) == test.p_adjusted


def test_an_effect_has_its_interval_and_each_test_a_row(report: RunReport) -> None:
    comparisons = [comparison for stage in report.stages for comparison in stage.comparisons]
    rows = rows_of(report)
    tests = [row for row in rows if row["kind"] == "test"]
    assert len(tests) == sum(len(comparison.tests) for comparison in comparisons)
    expected = {(c.metric, c.baseline, t.name, t.p_value) for c in comparisons for t in c.tests}
    found = {(r["metric"], r["baseline"], r["test"], float(r["p"]) if r["p"] else None) for r in tests}
    assert found == expected
    for row, comparison in zip(
        (row for row in rows if row["kind"] == "difference"), comparisons, strict=True
    ):
        effect = comparison.effect
        assert effect is not None
        assert effect.interval is not None
        assert float(row["effect_low"]) == effect.interval.low
        assert row["effect_by"] == effect.interval.method
        assert float(row["could_show"]) == comparison.detectable


def test_ranks_and_watched_comparisons_are_rows_too(report: RunReport) -> None:
    ranking = Ranking(
        metric="f1",
        n=9,
        n_clusters=None,
        systems=(
            RankedSystem(system="a", strength=0.7, interval=INTERVAL, share_won=0.6, place=(1, 1)),
            RankedSystem(system="b", strength=-0.7, interval=INTERVAL, share_won=0.4, place=(2, 3)),
        ),
        best="a",
        method="Bradley-Terry",
    )
    none = Ranking(metric="em", n=9, n_clusters=None, status="no_difference", reason="all tie")
    watched = Watched(
        metric="f1", system="a", baseline="b", n=7, difference=0.2, p_value=0.01, decided_after=5
    )
    stage = StageResult(stage="bench", status="completed", rankings=(ranking, none), watched=(watched,))
    rows = rows_of(msgspec.structs.replace(report, stages=(stage,)))
    assert [(row["kind"], row["system"], row["value"], row["verdict"], row["reason"]) for row in rows] == [
        ("watched", "a", "0.2", "decided after 5", ""),
        ("rank", "a", "0.7", "best", ""),
        ("rank", "b", "-0.7", "place 2 to 3", ""),
        ("rank", "", "", "", "all tie"),
    ]


def test_a_comparison_says_what_it_could_show_and_how_its_intervals_came_about(report: RunReport) -> None:
    section = next(s for s in build_document(report).sections if s.key == "comparisons")
    table = section.tables[0]
    place = table.heads.index("could show")
    comparison = next(c for stage in report.stages for c in stage.comparisons)
    assert comparison.detectable is not None
    assert table.rows[0][place].text == f"{comparison.detectable:.3f}"
    assert comparison.interval is not None
    assert comparison.interval.method in table.note
    assert "noncentral t" in table.note
    assert "power 0.8 at alpha 0.05, before correction" in table.note


def test_groups_are_rows_and_no_text_is_a_formula(report: RunReport) -> None:
    rates = [row for row in rows_of(with_fairness(report)) if row["kind"].startswith("group_")]
    assert [(row["group"], row["value"], row["verdict"]) for row in rates] == [
        ("'=1+1", "0.5", ""),
        ("pl", "", ""),
        ("en / pl", "0.2", "undecided"),
    ]
    assert rates[1]["reason"] == "no row"
    assert rates[2]["metric"] == "demographic_parity_difference"
    assert render_csv(report).splitlines()[0] == ",".join(COLUMNS)


def test_the_report_has_a_section_on_groups(report: RunReport) -> None:
    section = next(s for s in build_document(with_fairness(report)).sections if s.key == "fairness")
    gaps, rates = section.tables
    assert gaps.rows[0][3] == Cell("0.200", detail="0.100 to 0.300")
    assert [row[2].text for row in rates.rows] == ["=1+1", "pl"]
    assert all(s.key != "fairness" for s in build_document(report).sections)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r"50 % & #1_a^b~c$", r"50 \% \& \#1\_a\textasciicircum{}b\textasciitilde{}c\$"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("a\nb\u202e", r"a b$\langle$U+202E$\rangle$"),
        ("−0.5 – [x] *", "$-$0.5 -- {[}x{]} {*}"),
    ],
)
def test_no_sign_of_a_text_is_read_as_latex(text: str, escaped: str) -> None:
    assert latex_text(text) == escaped


def test_tables_of_numbers_are_booktabs_tables_with_as_many_cells_as_columns(report: RunReport) -> None:
    text = render_latex(build_document(with_fairness(report)))
    tables = re.findall(r"\\begin\{table\}(.*?)\\end\{table\}", text, re.DOTALL)
    assert len(tables) >= 4
    for table in tables:
        columns = re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", table)
        assert columns is not None
        rows = [line for line in table.splitlines() if line.endswith(r" \\")]
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(columns[1])}
        for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
            assert table.count(rule) == 1
    assert "All tests" not in text


def test_a_column_of_long_words_becomes_a_note_below_the_table() -> None:
    long = "passage sentences covered (verbatim, else token F1 >= 0.5)"
    rows = (
        (Cell("f1"), Cell("0.6"), Cell(long)),
        (Cell("em"), Cell("0.2"), Cell("token")),
        (Cell("x"), Cell("–"), Cell("–")),
    )
    table = Table("Scores", ("metric", "m", "scored by"), rows, frozenset({1}))
    text = render_latex(Document("t", "h", "", (), (), (Section("k", "K", tables=(table,)),)))
    assert r"\begin{tabular}{@{}lr@{}}" in text
    assert "Scored by: passage sentences covered (verbatim, else token F1 " in text
    assert "(f1); token (em).}" in text


def test_folded_tables_and_those_without_numbers_are_left_out() -> None:
    cells = ((Cell("a"), Cell("1")),)
    tables = (
        Table("Shown", ("x", "y"), cells, frozenset({1}), note="100 %"),
        Table("Folded", ("x", "y"), cells, frozenset({1}), folded=True),
        Table("Words", ("x", "y"), cells),
    )
    document = Document("t", "h", "", (), (), (Section("k", "K", tables=tables),))
    text = render_latex(document)
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:k-shown"]
    assert r"{\footnotesize 100 \%}" in text


def test_scores_are_lines_of_a_table_that_is_whole_or_not_there(tmp_path: Path) -> None:
    writer = ScoreWriter(tmp_path)
    sample = Sample(
        example=Example(id="-1", input="?", group="d1"),
        scores=(OutputScores(system="m", scores={"f1": 0.1, "x": None}, methods={"f1": "token, F1"}),),
    )
    writer.write([sample])
    assert not (tmp_path / "scores.csv").exists()
    assert writer.finish().name == "scores.csv"
    assert (tmp_path / "scores.csv").read_bytes().decode().splitlines() == [
        "id,split,group,system,metric,value,method",
        '\'-1,all,d1,m,f1,0.1,"token, F1"',
        "'-1,all,d1,m,x,,",
    ]
    with pytest.raises(OutputError, match="already closed"):
        writer.write([sample])


def test_the_sink_writes_the_formats_that_were_asked_for(
    tmp_path: Path, build: Callable[[str], RunReport]
) -> None:
    outputs = (OutputSpec(name="paper", formats=("csv", "latex")),)
    sink = FileReportSink(tmp_path, outputs)
    sink.write_samples([make_sample(1)])
    written = sink.finish(build("CLAIM[c1]: water boils"))
    assert sorted(Path(each.name).name for each in written) == [
        "paper.csv",
        "paper.tex",
        "samples.jsonl",
        "scores.csv",
    ]
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 3
    plain = FileReportSink(tmp_path / "plain", (OutputSpec(formats=("json",)),))
    plain.abandon()
    assert not (tmp_path / "plain" / "scores.csv.partial").exists()
    with pytest.raises(OutputError, match=r"scores\.csv is a file of every run"):
        FileReportSink(tmp_path, (OutputSpec(name="scores", formats=("csv",)),))


def test_an_abandoned_run_keeps_its_scores_under_a_partial_name(tmp_path: Path, report: RunReport) -> None:
    sink = FileReportSink(tmp_path, (OutputSpec(formats=("csv",)),))
    sink.write_samples([make_sample(1)])
    sink.abandon()
    assert sink.finish(report) == []
    assert {path.name for path in tmp_path.iterdir()} == {"samples.jsonl.partial", "scores.csv.partial"}


def test_a_paper_with_the_tables_compiles_and_nothing_stands_out_of_it(
    tmp_path: Path, report: RunReport
) -> None:
    latex = shutil.which("pdflatex")
    if latex is None:
        pytest.skip("needs pdflatex")
    (tmp_path / "report.tex").write_text(render_latex(build_document(with_fairness(report))))
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{report}\end{document}"
    )
    command = [latex, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
