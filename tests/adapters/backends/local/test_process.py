"""The worker process: shared, cancellable, never left behind, and its death is told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crucible.messages.errors import BackendError

from ..support import row
from .support import ask, make_model, needs_torch, opened, patient

pytestmark = [needs_torch, patient]

ENGINE = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.adapters.backends.local.support import opened

async def main():
    session = await opened(Path({model!r}), Path({folder!r}))
    print(session._worker.process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


async def test_sessions_on_one_base_model_share_a_process(model: Path, tmp_path: Path) -> None:
    first = await opened(model, tmp_path)
    second = await opened(model, tmp_path, lora_rank=2, adapter=None)
    third = await opened(make_model(tmp_path / "other", seed=1), tmp_path)
    assert first._worker is second._worker
    assert first._worker is not third._worker
    for session in (first, second, third):
        await session.aclose()
    assert not is_gone(first._worker.process.pid)  # the folder's own lease keeps it
    assert is_gone(third._worker.process.pid)


async def test_the_process_dies_with_its_last_session(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    first, second = await opened(folder, tmp_path), await opened(folder, tmp_path)
    await first.aclose()
    assert not is_gone(second._worker.process.pid)
    assert (await second.evaluate([row()])).examples == 1
    await second.aclose()
    assert is_gone(second._worker.process.pid)


async def test_closing_does_not_wait_for_what_is_being_computed(tmp_path: Path) -> None:
    session = await opened(make_model(tmp_path / "model", context=4096), tmp_path)
    sampler = await session.sampler()
    waiting = asyncio.create_task(sampler.sample(ask(max_tokens=3500)))  # minutes of work
    await asyncio.sleep(0.1)
    await session.aclose()
    with pytest.raises(BackendError):
        await waiting
    assert is_gone(session._worker.process.pid)


async def test_a_cancelled_pass_ends_between_two_pieces_and_leaves_no_gradient(
    model: Path, tmp_path: Path
) -> None:
    session = await opened(model, tmp_path, micro_batch_size=1)
    minutes_of_work = [row()] * 50_000
    started = asyncio.create_task(session.train_step(minutes_of_work))
    await asyncio.sleep(0)
    started.cancel()
    with pytest.raises(asyncio.CancelledError):
        await started
    assert (await session.evaluate([row()])).examples == 1
    with pytest.raises(BackendError, match="optim_step without train_step"):
        await session.optim_step(0.1)
    await session.aclose()


async def test_a_process_that_is_killed_is_told_to_whoever_waits(tmp_path: Path) -> None:
    session = await opened(make_model(tmp_path / "model", context=4096), tmp_path)
    waiting = asyncio.create_task((await session.sampler()).sample(ask(max_tokens=3500)))
    await asyncio.sleep(0.05)
    os.kill(session._worker.process.pid, signal.SIGKILL)
    with pytest.raises(BackendError, match=r"the model's process ended \(killed, perhaps for want"):
        await waiting
    with pytest.raises(BackendError, match="the model's process ended"):
        await session.evaluate([row()])
    await session.aclose()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_the_process_ends_with_the_engine_whatever_ended_that(
    model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    code = ENGINE.format(root=str(Path(__file__).parents[4]), model=str(model), folder=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as engine:
        assert engine.stdout is not None
        worker = int(engine.stdout.readline())
        engine.send_signal(number)
    wait_until_gone(worker)
