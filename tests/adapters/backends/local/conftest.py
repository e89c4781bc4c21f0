"""One tiny model and one worker process for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .support import Kept, make_model


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of the tiny model; its worker stays until the last test."""
    folder = make_model(tmp_path_factory.mktemp("model"))
    kept = Kept(folder)
    yield folder
    kept.close()
