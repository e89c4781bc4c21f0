"""``create_app``: the whole API as one ASGI application. Called by ``crucible serve`` and by tests.

The page (``dashboard``) adds its handlers to ``HANDLERS``; they get the same ``services``, the same guard and
the same problem documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from ...actors.live import Live
from ...actors.store import Store
from ...messages.errors import CrucibleError, InputError
from ...messages.settings import Settings
from . import comparing, events, files, labels, overview, runs, samples, schedules, tickets
from .access import needs_token
from .dashboard import HANDLERS as PAGE
from .guard import Guard, allowed_hosts
from .openapi import openapi_config
from .parameters import only_known
from .problems import problem_response
from .services import MetricsText, Services

__all__ = ["App", "create_app"]

API: Sequence[ControllerRouterHandler] = [
    *runs.HANDLERS,
    *events.HANDLERS,
    *samples.HANDLERS,
    *labels.HANDLERS,
    *files.HANDLERS,
    *tickets.HANDLERS,
    *schedules.HANDLERS,
    *comparing.HANDLERS,
    *overview.HANDLERS,
]
"""Below ``/api/v1``."""
TOP: Sequence[ControllerRouterHandler] = [*overview.TOP_HANDLERS, *PAGE]
"""At the root: health, metrics, and the page."""


class App:
    """The application; an ASGI callable."""

    def __init__(self, services: Services, *, slow_s: float = 30.0) -> None:
        self.services = services
        settings = services.settings
        self.litestar = Litestar(
            route_handlers=[Router(path="/api/v1", route_handlers=API, guards=[only_known]), *TOP],
            guards=[needs_token],
            dependencies={"services": Provide(lambda: services, sync_to_thread=False, use_cache=True)},
            exception_handlers={
                HTTPException: problem_response,
                CrucibleError: problem_response,
                Exception: problem_response,
            },
            state=State({"services": services}),
            openapi_config=openapi_config(),
            request_max_body_size=settings.limits.max_body_bytes,
            logging_config=None,
            debug=False,
        )
        hosts = allowed_hosts(settings.api.host, settings.api.hosts)
        self._guarded = Guard(self.litestar, hosts=hosts, slow_s=slow_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self._guarded(scope, receive, send)

    def stop(self) -> None:
        """End all event streams, so that a server that waits for its connections can stop."""
        self.services.stopping.set()


def create_app(
    store: Store,
    live: Live,
    settings: Settings,
    *,
    token: str,
    data: Path,
    metrics: MetricsText | None = None,
    **options: Any,
) -> App:
    """The API over a store and a running daemon. ``data`` holds the run folders, in ``runs``.

    Raises InputError for a token that protects nothing.
    """
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError("the token of the API: expected 16 or more printable ASCII characters, no spaces")
    return App(Services(store, live, settings, token=token, data=data, metrics=metrics), **options)
