"""The log of a daemon: lines without secrets and without chatter, for programs or for people."""

import datetime as dt
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from crucible.adapters.backends.openai.secret import Secret
from crucible.adapters.service.logs import QUIET, configure
from crucible.messages.settings import LogSettings


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The handlers and levels of before are put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def logged_to(stream: io.StringIO, how: Any = "auto") -> io.StringIO:
    configure(LogSettings(format=how), [Secret("hush-hush-hush")], stream)
    return stream


@pytest.fixture
def lines() -> io.StringIO:
    """What is logged where there is no terminal."""
    return logged_to(io.StringIO())


def test_a_record_is_one_json_object_without_secrets(lines: io.StringIO) -> None:
    logging.getLogger("crucible.serving").info("the key is %s\nand more", "hush-hush-hush")
    (line,) = lines.getvalue().splitlines()
    told = json.loads(line)
    assert (told["level"], told["logger"]) == ("info", "crucible.serving")
    assert "hush" not in line


@pytest.mark.parametrize("name", ["uvicorn.error", "matplotlib.font_manager"])
def test_what_a_library_tells_of_itself_is_left_out_and_its_warnings_stay(
    lines: io.StringIO, name: str
) -> None:
    logger = logging.getLogger(name)
    logger.info("Started server process", extra={"color_message": "\x1b[36m1\x1b[0m"})
    assert lines.getvalue() == ""
    logger.warning("broken")
    assert json.loads(lines.getvalue())["event"] == "broken"


@pytest.mark.parametrize(
    ("stream", "how", "as_json"),
    [
        (Terminal, "auto", False),
        (Terminal, "json", True),
        (Terminal, "text", False),
        (io.StringIO, "auto", True),
        (io.StringIO, "json", True),
        (io.StringIO, "text", False),
    ],
)
def test_people_at_a_terminal_get_lines_and_programs_objects_unless_it_is_said_otherwise(
    stream: type[io.StringIO], how: str, as_json: bool
) -> None:
    written = logged_to(stream(), how)
    logging.getLogger("crucible.serving").info("stopped")
    assert written.getvalue().startswith("{") == as_json


def test_a_line_for_people_has_the_time_of_this_machine_and_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = logged_to(io.StringIO(), "text")
    logging.getLogger("crucible.serving").warning("the key is %s", "hush-hush-hush", extra={"run": "r1"})
    time, level, rest = written.getvalue().split(" [", 1)[0], *written.getvalue().split("] ", 1)
    now = dt.datetime.now().astimezone()
    assert abs(dt.datetime.strptime(time, "%Y-%m-%d %H:%M:%S").astimezone() - now) < dt.timedelta(minutes=10)
    assert "warning" in level
    assert "hush" not in rest
    assert "the key is" in rest
    assert "run=r1" in rest


def test_foreign_text_neither_moves_the_cursor_nor_makes_a_line_of_its_own() -> None:
    written = logged_to(Terminal(), "text")
    logging.getLogger("x").error("bad\x1b[2J news\n2026-01-01 all is well", extra={"name_of": "a\x07\nb"})
    (line,) = written.getvalue().splitlines()
    assert "\x1b[2J" not in line
    assert "\x07" not in line
    assert "news 2026-01-01 all is well" in line


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_gets_colours_unless_it_wants_none(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    coloured = logged_to(Terminal())
    logging.getLogger("x").info("stopped")
    monkeypatch.setenv(name, value)
    plain = logged_to(Terminal())
    logging.getLogger("x").info("stopped")
    assert "\x1b[" in coloured.getvalue()
    assert "\x1b[" not in plain.getvalue()


def test_a_crash_is_told_with_its_traceback_and_without_the_values_of_variables() -> None:
    written = logged_to(Terminal(), "text")
    private = "local-value"
    try:
        raise ValueError(len(private))
    except ValueError:
        logging.getLogger("x").exception("it broke")
    assert "ValueError: 11" in written.getvalue()
    assert "local-value" not in written.getvalue()
