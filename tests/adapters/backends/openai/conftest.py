"""One server process for all tests of this folder; each test has a part of it to itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from .support import Server, running_server

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    with running_server() as port:
        yield port


@pytest.fixture
def server(port: int) -> Server:
    return Server(port, f"t{next(NUMBERS)}")
