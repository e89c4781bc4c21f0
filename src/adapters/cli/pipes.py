"""Writing to readers that may have gone away, as ``head`` does once it has seen enough."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TextIO

__all__ = ["quiet_pipe"]


@contextlib.contextmanager
def quiet_pipe(stream: TextIO) -> Iterator[None]:
    """Flush what the block wrote; if nobody reads it, end the block and drop that and all later text."""
    try:
        yield
        stream.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
