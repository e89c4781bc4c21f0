"""What holds for all tests."""

import importlib.util
from collections.abc import Sequence

import pytest
from hypothesis import settings

# Examples have no time limit: on a busy machine one of them may take a second for no fault of its own.
settings.register_profile("crucible", deadline=None)
settings.load_profile("crucible")

LACKING = [
    name for name in ("torch", "transformers", "peft", "safetensors") if not importlib.util.find_spec(name)
]


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Tests marked ``torch`` are skipped where its libraries are not installed."""
    if not LACKING:
        return
    skip = pytest.mark.skip(reason=f"not installed: {', '.join(LACKING)}; make test-local has them")
    for item in items:
        if item.get_closest_marker("torch") is not None:
            item.add_marker(skip)
