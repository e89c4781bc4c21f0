import csv
import io
from typing import Any

import msgspec

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.csv_table import render_csv
from crucible.adapters.reports.document import Section
from crucible.adapters.reports.latex import render_latex
from crucible.adapters.reports.markdown import render_markdown
from crucible.messages.findings import Correlation, Interval, Metric
from crucible.messages.flow import StageResult
from crucible.messages.report import RunReport

GRAPHS, POINTS = "analysis_surrogate_validation", "analysis_tda_validation"


def metric(name: str, system: str, value: float | None, **fields: Any) -> Metric:
    return Metric(name=name, system=system, value=value, n=24, method=f"how {name}", **fields)


def interval(low: float, high: float, method: str) -> Interval:
    return Interval(low=low, high=high, level=0.95, method=method)


def correlation(**fields: Any) -> Correlation:
    given: dict[str, Any] = {
        "name": "fragility",
        "kind": "pearson",
        "system": "tuned",
        "value": 0.917,
        "n": 24,
    }
    return Correlation(**(given | fields))


def with_topology(report: RunReport) -> RunReport:
    graphs = StageResult(
        stage=GRAPHS,
        status="completed",
        metrics={"tuned": {"n_snos": 24, "n_graphs": 23, "beta1_mean": 0.0, "fragility_mean": 0.494}},
        described=(
            metric("beta1_mean", "tuned", 0.0, reason="all 24 values are equal"),
            metric("fragility_mean", "tuned", 0.494, interval=interval(0.48, 0.509, "CR1 over 21 clusters")),
        ),
    )
    gate = {"gate1": {"passes": None, "threshold": 0.35, "alpha": 0.05}}
    points = StageResult(
        stage=POINTS,
        status="completed",
        metrics={
            "tuned": {
                "n_snos": 24,
                "surrogates_against_exact": gate,
                "distance_to": {"lead": {"bottleneck_0": 0.25}},
            },
            "lead": {"n_snos": 24, "distance_to": {"tuned": {"bottleneck_0": 0.25}}},
        },
        described=(
            metric("beta1_mean", "tuned", 0.5, interval=interval(0.0, 1.2, "t(23), cut at 0")),
            metric("beta1_mean", "lead", None, reason="no example has this score"),
        ),
        correlations=(
            correlation(
                p_value=3.8e-110,
                p_method="clustered t",
                n_clusters=21,
                interval=interval(0.88, 0.95, "Fisher's z"),
            ),
            correlation(name="beta1", value=None, status="constant", reason="a column does not vary"),
        ),
    )
    return msgspec.structs.replace(report, stages=(*report.stages, graphs, points))


def topology(report: RunReport) -> Section:
    return next(
        section for section in build_document(with_topology(report)).sections if section.key == "topology"
    )


def test_a_mean_of_the_shape_of_answers_has_interval_n_and_method_in_every_format(report: RunReport) -> None:
    given = with_topology(report)
    text = render_markdown(build_document(given))
    assert "| fragility_mean | 0.494 (0.480 to 0.509) | 24 | b | d |" in text
    assert "b: how fragility_mean; c: none: all 24 values are equal; d: CR1 over 21 clusters" in text
    latex = render_latex(build_document(given))
    assert r"fragility\_mean & 0.494 (0.480 to 0.509) & 24 & b & d \\" in latex
    assert r"b: how fragility\_mean; c: none: all 24 values are equal; d: CR1 over 21 clusters" in latex
    rows = {
        (each["kind"], each["metric"], each["system"]): each
        for each in csv.DictReader(io.StringIO(render_csv(given)))
    }
    found = rows["described", "surrogates.fragility_mean", "tuned"]
    assert (found["value"], found["low"], found["high"], found["level"]) == ("0.494", "0.48", "0.509", "0.95")
    assert (found["n"], found["interval_by"], found["method"]) == (
        "24",
        "CR1 over 21 clusters",
        "how fragility_mean",
    )
    assert rows["described", "persistence.beta1_mean", "tuned"]["value"] == "0.5"


def test_where_there_is_no_interval_the_table_says_why(report: RunReport) -> None:
    tables = {table.caption: table for table in topology(report).tables}
    graphs = tables["Claim graphs (surrogates): mean with 95 % interval"]
    assert dict(graphs.keys)[graphs.rows[0][-1].text] == "none: all 24 values are equal"
    assert graphs.note == "Counts, exact: tuned n_snos 24, n_graphs 23."
    points = tables["Claims as points (persistent homology): mean with 95 % interval"]
    said = dict(points.keys)[points.rows[0][-1].text]
    assert said == "t(23) / none: no example has this score, cut at 0"
    assert "have no interval" in tables["Persistent homology of the whole set"].note
    assert "without an interval" in tables["Distances of the whole sets' diagrams"].note
    assert len(tables["Distances of the whole sets' diagrams"].rows) == 1


def test_a_correlation_has_interval_p_and_clusters_and_no_p_is_printed_as_zero(report: RunReport) -> None:
    (table,) = (each for each in topology(report).tables if each.caption.startswith("Surrogates against"))
    first, second = table.rows
    assert (first[3].text, first[3].detail) == ("0.917", "0.880 to 0.950")
    assert (first[4].text, first[4].detail) == ("< 0.001", "t of the clusters")
    assert first[5].text == "24 in 21 clusters"
    assert (second[3].text, dict(table.keys)[second[6].text]) == ("–", "none: a column does not vary")
    assert table.note == "Gate 1, tuned (r of β₁ above 0.35 with p below 0.05, not corrected): not defined."


def test_the_diagram_of_the_whole_set_is_in_the_csv_table(report: RunReport) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(render_csv(report))) if row["kind"] == "persistence"]
    assert {(row["metric"], row["value"]) for row in rows if row["system"] == "tuned"} >= {
        ("whole_set.betti.H1", "2"),
        ("whole_set.more_than_noise.H0", "1"),
        ("whole_set.entropy.H1", "1.9"),
    }
    assert {(row["n"], row["reason"]) for row in rows} == {("31", "describes these points: no interval")}
