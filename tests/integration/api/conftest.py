"""A daemon for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ..daemon import Daemon


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path).serve() as served:
        yield served


@pytest.fixture
async def api(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    async with daemon.client() as client:
        yield client
