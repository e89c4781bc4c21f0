"""``crucible serve`` whose event loop is looked at a hundred times a second; a process of ``busy_daemon``.

    python tests/benchmarks/probed_daemon.py LAGS serve --data FOLDER ...

The daemon's own look at its loop, which it takes once a second, is taken that often; each lag is a line.
Without a command it is a loop that does nothing but look, until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from crucible import serving
from crucible.adapters.cli import main
from crucible.adapters.service.metrics import Metrics

EVERY_S = 0.01


def probe(lags: Path) -> None:
    """Write down every lag from now on."""
    file = lags.open("w", buffering=1)

    def lag(_metrics: Metrics, seconds: float) -> None:
        file.write(f"{max(0.0, seconds):.6f}\n")

    serving.LAG_EVERY_S = EVERY_S
    Metrics.lag = lag  # type: ignore[method-assign, assignment]


async def idle(lags: Path) -> None:
    """Look as ``serving`` does."""
    with lags.open("w", buffering=1) as file:
        while True:
            before = time.monotonic()
            await asyncio.sleep(EVERY_S)
            file.write(f"{max(0.0, time.monotonic() - before - EVERY_S):.6f}\n")


if __name__ == "__main__":
    target = Path(sys.argv.pop(1))
    if len(sys.argv) > 1:
        probe(target)
        main()
    else:
        asyncio.run(idle(target))
