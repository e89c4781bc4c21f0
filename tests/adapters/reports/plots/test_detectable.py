from msgspec.structs import replace

from crucible.adapters.reports.overview import all_comparisons
from crucible.adapters.reports.plots.detectable import draw_detectable
from crucible.messages.report import RunReport


def test_what_the_run_could_see_is_said_of_each_metric(report: RunReport) -> None:
    [plot] = draw_detectable(report)
    for comparison in all_comparisons(report):
        assert comparison.detectable is not None
        assert f"could show {comparison.detectable:.3f}" in plot.description
        assert f">{comparison.metric}<" in plot.svg


def test_pairs_that_could_show_nothing_have_no_line(report: RunReport) -> None:
    stages = tuple(
        replace(stage, comparisons=tuple(replace(c, detectable=None) for c in stage.comparisons))
        for stage in report.stages
    )
    assert draw_detectable(replace(report, stages=stages)) == []
