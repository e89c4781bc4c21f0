"""Every test that asks for ``bench`` runs once for each store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import FakeClock

from crucible.actors.store import Store
from crucible.adapters.stores import MemoryStore, SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    clock = FakeClock()
    store: Store
    if request.param == "memory":
        store = MemoryStore(clock=clock)
    else:
        store = await SqliteStore.open(tmp_path / "data", clock=clock)
    yield Bench(store, clock)
    await store.aclose()
