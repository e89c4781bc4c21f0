"""What the handlers of the API and of its page work with: one object, made by ``create_app``.

Handlers ask for it by a parameter ``services: Served``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from litestar.di import NamedDependency

from ...actors.live import Live
from ...actors.store import Store
from ...messages.errors import OverloadedError
from ...messages.settings import Settings
from ..runs.pages import SampleShelf
from .specs import SpecShelf

__all__ = ["MetricsText", "Served", "Services"]

MetricsText = Callable[[], tuple[bytes, str]]
"""The figures for Prometheus and their content type."""


class Services:
    """The daemon, as its API sees it."""

    def __init__(
        self,
        store: Store,
        live: Live,
        settings: Settings,
        *,
        token: str,
        data: Path,
        metrics: MetricsText | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.live = live
        self.settings = settings
        self.token = token
        self.runs_folder = data / "runs"
        self.metrics = metrics
        self.now = now
        self.samples = SampleShelf()
        self.specs = SpecShelf()
        self.labelling = asyncio.Lock()
        """Files of labels are written whole: one at a time."""
        self.comparing = asyncio.Lock()
        """Comparisons are heavy: one at a time."""
        self.stopping = asyncio.Event()
        """Set when the daemon stops: event streams end, so that their connections can close."""
        self._streams = 0

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Count an event stream; OverloadedError when there are as many as are allowed."""
        if self._streams >= self.settings.limits.max_streams:
            raise OverloadedError(
                f"{self._streams} event streams are open: limits.max_streams allows no more"
            )
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    @property
    def streams(self) -> int:
        """Event streams that are open."""
        return self._streams


Served = NamedDependency[Services]
