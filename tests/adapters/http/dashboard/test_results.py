"""What came of a run, in one table."""

from crucible.adapters.http.dashboard.results import result_table
from crucible.messages.findings import Comparison, Metric
from crucible.messages.flow import StageResult


def metric(name: str, system: str, value: float | None = 0.5) -> Metric:
    return Metric(name=name, value=value, n=3, method="mean", system=system)


def compared(name: str, baseline: str) -> Comparison:
    return Comparison(
        metric=name, system="m", baseline=baseline, n=3, n_clusters=None, mean_system=0.5, mean_baseline=0.4,
        difference=0.1, verdict="better",
    )  # fmt: skip


def stages(*comparisons: Comparison) -> list[StageResult]:
    figures = [metric(name, system) for system in ("lead", "m") for name in ("exact", "f1", "recall")]
    return [
        StageResult(stage="analysis_metrics", status="completed", figures=(*figures, metric("rows", "data"))),
        StageResult(stage="bench", status="completed", comparisons=comparisons),
    ]


def test_what_is_compared_is_shown_in_the_order_of_the_experiment_with_each_verdict() -> None:
    found = result_table(
        stages(compared("exact", "lead"), compared("f1", "lead"), compared("f1", "other")),
        ["m", "lead", "other"],
        ["f1"],
    )
    assert found is not None
    assert found.systems == ("m", "lead", "other")
    assert [(row.metric, [each.baseline for each in row.comparisons]) for row in found.rows] == [
        ("f1", ["lead", "other"]),
        ("exact", ["lead"]),
    ]
    assert [None if figure is None else figure.system for figure in found.rows[0].figures] == [
        "m",
        "lead",
        None,
    ]
    assert found.more == 1


def test_without_a_comparison_the_first_means_of_the_model_are_shown() -> None:
    found = result_table(stages(), ["m"], ["unheard_of"])
    assert found is not None
    assert [row.metric for row in found.rows] == ["exact", "f1", "recall"]
    many = [
        StageResult(stage="s", status="completed", figures=tuple(metric(f"n{n}", "m") for n in range(30)))
    ]
    found = result_table(many, ["m"], [])
    assert found is not None
    assert (len(found.rows), found.more) == (8, 22)


def test_a_run_without_a_mean_of_its_model_has_no_table() -> None:
    assert result_table([], ["m"], ["f1"]) is None
    assert result_table(stages(), ["another"], ["f1"]) is None
