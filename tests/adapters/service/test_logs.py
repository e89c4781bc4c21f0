"""The log of a daemon: JSON lines without secrets and without chatter."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from crucible.adapters.backends.openai.secret import Secret
from crucible.adapters.service.logs import QUIET, configure
from crucible.messages.settings import LogSettings


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged; the handlers and levels of before are put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    stream = io.StringIO()
    configure(LogSettings(), [Secret("hush-hush-hush")], stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


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
