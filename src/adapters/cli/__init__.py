"""The ``crucible`` command: parses arguments, calls the engine, prints.

Exit codes: 0 done, 1 the run failed, 2 bad input or usage, 130 interrupted. Results go to stdout, progress
and errors to stderr. Command modules import the engine only when they run, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script."""
    try:
        from .app import INTERRUPTED, invoke
    except KeyboardInterrupt:
        sys.exit(130)
    code = invoke(sys.argv[1:])
    if code == INTERRUPTED:
        from .interrupts import leave

        leave(code)
    sys.exit(code)
