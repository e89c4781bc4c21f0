"""Every test that asks for ``bench`` runs once for each store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.adapters.stores.bench import Bench
from tests.support.queue import FakeClock

from crucible.adapters.stores import MemoryStore


@pytest.fixture(params=["memory"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    yield Bench(store, clock)
    await store.aclose()
