"""One server process for all tests of this folder; each test has a service to itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from .support import KEY, Tenant, hang_up, make_tokenizer, running_server

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def port(tokenizer: Path) -> Iterator[int]:
    with running_server(tokenizer) as port:
        yield port


@pytest.fixture
def tenant(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """A fresh service, its key and address in the environment as users have them."""
    tenant = Tenant(port, f"t{next(NUMBERS)}")
    monkeypatch.setenv("TINKER_API_KEY", KEY)
    monkeypatch.setenv("TINKER_BASE_URL", tenant.url)
    yield tenant
    hang_up()
