"""The server of the openai backend's tests beside a whole run: its faults, and what it was asked."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[1] / "adapters" / "backends" / "openai" / "server.py"


class FaultServer:
    """One test's part of a running server."""

    def __init__(self, port: int, test: str) -> None:
        self.port, self._test = port, test

    def url(self, behaviour: str) -> str:
        """A base URL whose answers are of this kind."""
        return f"http://127.0.0.1:{self.port}/{self._test}/{behaviour}/v1"

    def requests(self) -> list[dict[str, Any]]:
        """What it was asked so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{self._test}/log", timeout=10) as reply:
            events: list[dict[str, Any]] = json.load(reply)
        return [event for event in events if event["event"] == "request"]


@contextmanager
def running_process() -> Iterator[int]:
    """The port of a server process that ends with the block."""
    command = [sys.executable, str(SCRIPT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()
