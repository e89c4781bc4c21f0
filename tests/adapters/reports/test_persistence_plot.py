from __future__ import annotations

import msgspec

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.markdown import render_markdown
from crucible.adapters.reports.plots.persistence import draw_persistence
from crucible.messages.report import RunReport


def unjudged(report: RunReport) -> RunReport:
    """The same without a word on significance."""
    stages = tuple(
        msgspec.structs.replace(
            stage,
            set_persistence=tuple(
                msgspec.structs.replace(result, significant={}, critical={}, significance="")
                for result in stage.set_persistence
            ),
        )
        for stage in report.stages
    )
    return msgspec.structs.replace(report, stages=stages)


def test_the_plot_shows_where_noise_ends_and_says_what_lies_beyond(report: RunReport) -> None:
    plot, bare = draw_persistence(report)[0], draw_persistence(unjudged(report))[0]
    assert "dotted line" in plot.caption
    assert "H1: 2 lasting, longest 0.280, 2 more than noise" in plot.description
    assert plot.svg.count("stroke-dasharray") == bare.svg.count("stroke-dasharray") + 2
    assert "dotted line" not in bare.caption
    assert "noise" not in bare.description


def test_a_limit_beyond_the_plot_is_not_drawn(report: RunReport) -> None:
    (stage,) = (stage for stage in report.stages if stage.set_persistence)
    far = tuple(msgspec.structs.replace(r, critical={"0": 99.0}) for r in stage.set_persistence)
    shifted = msgspec.structs.replace(report, stages=(msgspec.structs.replace(stage, set_persistence=far),))
    bare = unjudged(report)
    lines = draw_persistence(shifted)[0].svg.count("stroke-dasharray")
    assert lines == draw_persistence(bare)[0].svg.count("stroke-dasharray")


def test_the_table_counts_what_is_more_than_noise_and_the_notes_say_how(report: RunReport) -> None:
    text = render_markdown(build_document(report))
    assert "| Betti | more than noise |" in text
    assert "| H0 1, H1 2 | H0 1, H1 2 |" in text
    assert "tuned: more than noise, H0: band; H1: null" in text
