"""A disk that fills up, and a disk that is full already."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.mounts import grow, mounted
from tests.support.queue import new_run

from crucible.adapters.stores import SqliteStore, care_sqlite
from crucible.messages.errors import OutputError, StoreError


async def test_a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", size="2m") as folder:
        store = await SqliteStore.open(folder)
        stored: set[str] = set()

        async def submit(name: str) -> None:
            await store.submit(new_run(name, spec=b"x" * 20_000))
            stored.add(name)

        failed: list[BaseException] = []
        for number in itertools.count():
            results = await asyncio.gather(
                *(submit(f"r{number}-{lane}") for lane in range(4)), return_exceptions=True
            )
            failed = [result for result in results if result is not None]
            if failed:
                break
        assert all(isinstance(error, StoreError) for error in failed)
        assert "the disk is full: free some space and go on, what was stored is safe" in str(failed[0])
        assert len(stored) > 10
        with pytest.raises(StoreError, match="full"):
            await until_it_fails(submit)  # one alone may still fit where four did not
        assert {run.id for run in (await store.runs(limit=1_000)).runs} == stored
        grow(folder, "8m")
        await submit("again")
        assert {run.id for run in (await store.runs(limit=1_000)).runs} == stored
        await store.aclose()
        found = care_sqlite.check(folder)
        assert (found.problems, found.runs) == ([], {"queued": len(stored)})


async def until_it_fails(submit: Callable[[str], Awaitable[None]]) -> None:
    for number in itertools.count():
        await submit(f"alone{number}")


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


async def test_a_queue_cannot_be_made_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", size="1m") as folder:
        fill(folder / "filler")
        with pytest.raises(OutputError) as caught:
            await SqliteStore.open(folder / "data")
        assert any(told in str(caught.value) for told in ("disk is full", "No space left"))
        (folder / "filler").unlink()
        store = await SqliteStore.open(folder / "data")
        await store.aclose()
