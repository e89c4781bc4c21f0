"""Loads the SDK and calls it from outside its event loop.

The SDK runs a loop in a thread of its own and blocks its caller in places, for minutes when the service is
away. So every call is made in a daemon thread, which neither holds up a cancellation nor the end of the
process, and every result has a deadline.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from importlib import metadata
from typing import Any

from ....messages.errors import InputError

__all__ = ["Notices", "check_sdk", "in_thread", "load_sdk", "rest_of", "set_telemetry", "within"]

SERIES = "0.38"


def check_sdk() -> None:
    """Raise InputError when the SDK is missing or of another series. Does not import it."""
    try:
        found = metadata.version("tinker")
    except metadata.PackageNotFoundError:
        raise InputError(f"needs the SDK: pip install 'tinker=={SERIES}.*' (or the extra `tinker`)") from None
    if not found.startswith(f"{SERIES}."):
        raise InputError(f"SDK {found} is installed: expected {SERIES} (the wire changes)")


def load_sdk() -> Any:
    """The module ``tinker``. Slow; blocking; raises as ``check_sdk``."""
    check_sdk()
    return importlib.import_module("tinker")


def set_telemetry(*, wanted: bool) -> None:
    """The SDK reads from the environment whether it may report. A value that the user has set stands."""
    if wanted:
        os.environ["TINKER_TELEMETRY"] = "1"
    else:
        os.environ.setdefault("TINKER_TELEMETRY", "0")


async def in_thread(call: Callable[[], Any], timeout_s: float) -> Any:
    """What a blocking call returns; TimeoutError after the deadline, and the thread is left to itself."""
    future: Future[Any] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="tinker", daemon=True).start()
    async with asyncio.timeout(timeout_s):
        return await asyncio.wrap_future(future)


async def within(future: Any, timeout_s: float) -> Any:
    """The result of an SDK future; at the deadline or a cancellation the SDK gives the request up too."""
    async with asyncio.timeout(timeout_s):
        return await asyncio.wrap_future(future.future())


def rest_of(client: Any) -> Any:
    """The REST side of a service client. Blocking.

    The SDK's own ``RestClient()`` is made under one lock of the whole process, and kept for good: where one
    hangs on a service that does not answer, all others would hang with it.
    """
    return client._rest_client()


class Notices(logging.Handler):
    """What the service says about why it does not work: queue states, and what the SDK logs about pauses."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""
        _listening.add(self)
        _attach()

    def on_queue_state_change(self, queue_state: Any, queue_state_reason: str | None) -> None:
        """Called by the SDK, in its thread."""
        state = str(getattr(queue_state, "value", queue_state)).removeprefix("paused_").replace("_", " ")
        self.text = "" if state == "active" else f"paused: {queue_state_reason or state}"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what speaks of a pause; the rest of the SDK's log is of no use to a run."""
        text = record.getMessage()
        if "paused" in text:
            self.text = " ".join(text.split())[:160]

    def clear(self) -> None:
        """It works again."""
        self.text = ""


_listening: weakref.WeakSet[Notices] = weakref.WeakSet()


class _Fan(logging.Handler):
    """One handler for the process, so that sessions that are gone leave nothing behind in the log tree."""

    def emit(self, record: logging.LogRecord) -> None:
        for notices in tuple(_listening):
            notices.handle(record)


def _attach() -> None:
    logger = logging.getLogger("tinker")
    if not any(isinstance(handler, _Fan) for handler in logger.handlers):
        logger.addHandler(_Fan(logging.WARNING))
