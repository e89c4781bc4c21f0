from pathlib import Path

import pytest

from crucible.adapters.http.dashboard.timeline import read_timeline, timeline
from crucible.messages.errors import NotFoundError
from crucible.messages.trace import Decision, Span


def span(number: int, kind: str, start: float, end: float, **more: object) -> Span:
    return Span(id=number, name=f"{kind}-{number}", kind=kind, start_s=start, end_s=end, **more)  # type: ignore[arg-type]


def test_stages_come_first_by_their_start_then_the_slowest_of_the_rest() -> None:
    spans = [
        span(5, "request", 1, 2, attributes={"example": "r1"}),
        span(3, "stage", 2, 8),
        span(2, "stage", 0, 4),
        span(6, "request", 2, 7, decisions=(Decision(kind="hedge", chosen="wait", why="too early"),)),
        span(7, "attempt", 0, 9),
        span(1, "run", 0, 10),
    ]
    drawn = timeline(spans)
    assert [bar.name for bar in drawn.bars] == ["run-1", "stage-2", "stage-3", "request-6", "r1 request-5"]
    assert drawn.bars[3].decisions == (("hedge", "wait", "too early"),)
    assert (drawn.spans, drawn.seconds) == (6, 10.0)
    run, stage = drawn.bars[0], drawn.bars[2]
    assert run.x < stage.x
    assert run.width == pytest.approx(10 / 6 * stage.width, rel=0.01)


def test_the_text_of_the_last_tick_has_room() -> None:
    drawn = timeline([span(1, "run", 0, 1.25)])
    assert drawn.ticks[-1].text == "1.25 s"
    assert drawn.width - drawn.ticks[-1].at >= 7 * len("1.25 s") / 2


def test_only_the_forty_slowest_are_kept() -> None:
    drawn = timeline([span(n, "request", 0, n) for n in range(1, 500)])
    assert [bar.seconds for bar in drawn.bars] == [float(n) for n in range(499, 459, -1)]


def test_a_trace_without_time_or_spans_is_empty_and_none_is_said(tmp_path: Path) -> None:
    assert timeline([]).bars == ()
    assert len(timeline([span(1, "run", 0, 0)]).bars) == 1
    with pytest.raises(NotFoundError, match="has no trace yet"):
        read_timeline(tmp_path)
    (tmp_path / "trace.json").write_text("[\nnonsense\n]")
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_timeline(tmp_path)
