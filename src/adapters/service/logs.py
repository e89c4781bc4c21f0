"""The log of a daemon: every record of every library, on stderr, without secrets.

One JSON object a line for programs, or lines for people on a terminal. Set up once, by ``crucible serve``,
before anything starts. As a second net, after references that are resolved late,
the values of known secrets are taken out of every line in all their forms.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO

from ...messages.secret_keys import is_secret_key
from ...messages.settings import LogSettings
from ..backends.openai.secret import Secret, redact
from ..reports.text import visible

__all__ = ["configure", "known_secrets", "set_level"]

SHORTEST_SECRET = 8
CLOCK = "%Y-%m-%d %H:%M:%S"
"""Of this machine, as the commands tell times."""
QUIET = ("httpx", "httpcore", "asyncio", "matplotlib", "uvicorn.access", "uvicorn.error")
"""Say what the daemon's own lines say, or what nobody asked for; their warnings stay."""


def known_secrets(environment: Mapping[str, str] | None = None, *more: str) -> tuple[Secret, ...]:
    """Values of environment variables that are named like secrets, and further ones."""
    environment = os.environ if environment is None else environment
    named = [value for name, value in environment.items() if is_secret_key(name)]
    return tuple(Secret(value) for value in (*named, *more) if len(value) >= SHORTEST_SECRET)


def configure(settings: LogSettings, secrets: Iterable[Secret], stream: TextIO | None = None) -> None:
    """Send all records of the process to the stream, as the settings say."""
    import structlog

    stream = sys.stderr if stream is None else stream
    hidden = tuple(secrets)
    for_people = settings.format == "text" or (settings.format == "auto" and stream.isatty())

    def without_secrets(_logger: Any, _method: str, rendered: Any) -> Any:
        return redact(rendered, hidden)

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt=CLOCK if for_people else "iso", utc=not for_people),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_lines(stream) if for_people else (structlog.processors.JSONRenderer(ensure_ascii=False),)),
                without_secrets,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(settings)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _lines(stream: TextIO) -> tuple[Any, ...]:
    """Renders records for people; in colour on a terminal that has it."""
    import structlog

    colors = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return (
        _harmless,
        structlog.dev.ConsoleRenderer(
            colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        ),
    )


def _harmless(_logger: Any, _method: str, told: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Texts may be foreign: none of their signs moves a cursor, and none but a traceback's ends the line."""
    return {
        name: visible(value if name == "exception" else " ".join(value.split()))
        if type(value) is str
        else value
        for name, value in told.items()
    }


def set_level(settings: LogSettings) -> None:
    """Log what the settings say from now on."""
    logging.getLogger().setLevel(settings.level.upper())
