"""Runs one blocking function in another process: for work that holds the interpreter lock for long.

    result = await in_process(function, argument)

The function must be importable by name, as pickle wants it. The process is this same interpreter without
the caller's main module, so a script needs no ``if __name__ == "__main__"`` guard; it ends with the call,
and is killed when the caller is cancelled. Rejected: multiprocessing (imports the main module again) and
asyncio's own subprocesses (its child watcher races with the end of the loop on Python 3.11).
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import TypeVar, cast

__all__ = ["OffloadError", "in_process"]

T = TypeVar("T")


class OffloadError(RuntimeError):
    """The process ended without an answer, for example for want of memory."""


async def in_process(function: Callable[..., T], *arguments: object) -> T:
    """The result of ``function(*arguments)``; raises what it raised, or OffloadError."""
    request = pickle.dumps(sys.path) + pickle.dumps((function, arguments))
    process = subprocess.Popen(  # noqa: ASYNC220 - see the module's text
        [sys.executable, "-c", "from crucible.actors.offload import _serve; _serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        answer, _ = await asyncio.to_thread(process.communicate, request)
    finally:
        if process.poll() is None:
            process.kill()
    if process.returncode or not answer:
        raise OffloadError(f"{function.__qualname__}: the process ended with exit code {process.returncode}")
    ok, value = pickle.loads(answer)  # noqa: S301 - written by our own process a moment ago
    if not ok:
        raise cast("BaseException", value)
    return cast("T", value)


def _serve() -> None:
    """The other side: read a call from stdin, write what came of it to stdout."""
    sys.path[:] = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our parent, as is the next
    function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301
    try:
        answer = (True, function(*arguments))
    except Exception as error:  # noqa: BLE001 - it is raised again on the other side
        answer = (False, error)
    sys.stdout.buffer.write(pickle.dumps(answer))
