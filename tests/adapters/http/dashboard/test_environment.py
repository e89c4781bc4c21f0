from importlib.resources import files

import pytest

from crucible.adapters.http.dashboard import environment
from crucible.adapters.http.dashboard.environment import ago, render, size, span, stamp
from crucible.messages.live import ActorView


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.04, "0.0 s"), (9.94, "9.9 s"), (59.9, "59 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"),
     (356_400, "4 d 3 h")],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_times_are_told_from_now() -> None:
    assert [ago(0.2), ago(65), ago(-65)] == ["now", "1 min 5 s ago", "in 1 min 5 s"]
    assert stamp(0) == "1970-01-01T00:00:00+00:00"
    assert stamp(None) == ""
    assert [size(999), size(1_500), size(2_400_000), size(10**13)] == [
        "999 B",
        "1.5 kB",
        "2.4 MB",
        "10000.0 GB",
    ]


def test_no_template_can_mark_a_text_as_safe() -> None:
    folder = files("crucible.adapters.http.dashboard") / "templates"
    names = [path.name for path in folder.iterdir() if path.name.endswith(".j2")]
    assert len(names) >= 8
    for name in names:
        text = (folder / name).read_text(encoding="utf-8")
        assert "autoescape" not in text
        assert "|safe" not in text.replace(" ", "")
        environment._environment().get_template(name)
    assert "safe" not in environment._environment().filters


def test_the_page_of_actors_tells_times_and_answers_in_words() -> None:
    root = ActorView(name="crucible", kind="root", state="running")
    status = {"started_at": 1795601073.99, "accepting": True, "capacity": 2}
    page = render("actors.html.j2", root=root, status=status)
    assert "<dt>started at</dt><dd>2026-11-25T10:04:33+00:00</dd>" in page
    assert "<dt>accepting</dt><dd>yes</dd>" in page
    assert "<dt>capacity</dt><dd>2</dd>" in page
