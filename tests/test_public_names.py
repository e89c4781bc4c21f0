"""The public names, and what importing the package costs."""

import subprocess
import sys

import msgspec
import pytest

import crucible


@pytest.mark.parametrize("name", crucible.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(crucible, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        crucible.nonsense  # noqa: B018 - the access is the test


HEAVY = ("torch", "sqlalchemy", "matplotlib", "uvicorn", "litestar", "scipy", "numpy", "ripser", "httpx")


@pytest.mark.parametrize("statement", ["import crucible", "import crucible; crucible.Experiment"])
def test_importing_the_package_loads_nothing_heavy(statement: str) -> None:
    code = f"{statement}; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(HEAVY).isdisjoint(loaded.stdout.split())


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from crucible.adapters.cli.app import invoke; invoke(['--help']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(HEAVY).isdisjoint(loaded.stderr.split())


def test_every_part_of_reliability_that_does_something_has_a_public_name() -> None:
    parts = {field.default_factory.__name__ for field in msgspec.structs.fields(crucible.Reliability)}
    assert parts - set(crucible.__all__) == {"FairnessConfig"}
