"""A data folder and a PostgreSQL for each test: what is done to them is not done to others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import PostgresServer, binaries


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Not made yet."""
    return tmp_path / "data"


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[str]:
    """The reference to its address."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(fsync=True)
    file = tmp_path / "url"
    file.write_text(server.url)
    yield f"file:{file}"
    server.remove()
