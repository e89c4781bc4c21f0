"""Server and clients of the benchmarks as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@contextmanager
def latency_server(*arguments: str) -> Iterator[str]:
    """The address of a server that ends with the block."""
    command = [sys.executable, str(HERE / "latency_server.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def asked(server: str, start: int = 0) -> int:
    """Requests since the last call; the next one is number ``start``."""
    with urllib.request.urlopen(f"{server}/reset/{start}", timeout=10) as reply:
        return int(reply.read())


def told(command: Sequence[str], **environment: str) -> dict[str, Any]:
    """The JSON on the last line of what a client prints."""
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def own(server: str, count: int, in_flight: int, hedging: str, *flags: str) -> dict[str, Any]:
    """Crucible's client."""
    command = [sys.executable, "-m", "tests.benchmarks.own_client", f"{server}/v1"]
    return told([*command, str(count), str(in_flight), hedging, *flags])


def peer(
    python: str, name: str, server: str, count: int, in_flight: int, seconds: float = 1e9
) -> dict[str, Any]:
    """Another client, by the Python of the peers."""
    script = str(HERE / "peer_client.py")
    url = f"{server}/v1/chat/completions"
    return told([python, script, name, url, str(count), str(in_flight), str(seconds)])


def quantile(values: Sequence[float], share: float) -> float:
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def load() -> str:
    """Of the machine, the mean of the last minute."""
    return f"{os.getloadavg()[0]:.1f} runnable on {os.cpu_count()} cores"
