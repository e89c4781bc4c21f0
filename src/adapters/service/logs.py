"""The log of a daemon: every record of every library as one JSON object a line on stderr, without secrets.

Set up once, by ``serving``, before anything starts. As a second net, after references that are resolved late,
the values of known secrets are taken out of every line in all their forms.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from ...messages.secret_keys import is_secret_key
from ...messages.settings import LogSettings
from ..backends.openai.secret import Secret, redact

__all__ = ["configure", "known_secrets", "set_level"]

SHORTEST_SECRET = 8
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

    hidden = tuple(secrets)
    console = settings.format == "console"
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=False)
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )

    def without_secrets(_logger: Any, _method: str, rendered: Any) -> Any:
        return redact(rendered, hidden)

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
                without_secrets,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(settings)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def set_level(settings: LogSettings) -> None:
    """Log what the settings say from now on."""
    logging.getLogger().setLevel(settings.level.upper())
