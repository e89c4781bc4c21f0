"""Work in another process: results, errors, death, cancellation."""

import asyncio
import math
import os
import time

import pytest

from crucible.actors.offload import OffloadError, in_process


async def test_the_result_comes_back_from_another_process() -> None:
    assert await in_process(math.hypot, 3.0, 4.0) == 5.0
    assert await in_process(os.getpid) != os.getpid()


async def test_an_exception_is_raised_here() -> None:
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        await in_process(math.sqrt, -1.0)


async def test_a_process_that_dies_is_an_error_that_names_the_function() -> None:
    with pytest.raises(OffloadError, match="_exit: the process ended with exit code 3"):
        await in_process(os._exit, 3)


async def test_cancelling_kills_the_process() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await in_process(time.sleep, 60)
    assert time.monotonic() - started < 20
