"""``crucible serve``: which settings it goes by. What it does then is in ``tests/faults``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crucible.adapters.cli.app import invoke


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """As before: serve narrows that of the process."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("flags", "environment", "config", "folder"),
    [
        (("--data", "flag"), "named", "settings", "flag"),
        (("--set", "data=set"), "named", "settings", "set"),
        (("--data", "flag", "--set", "data=set"), "named", "settings", "flag"),
        ((), "named", "settings", "named"),
        ((), "", "settings", "settings"),
        ((), "named", None, "named"),
        ((), None, None, "crucible-data"),
    ],
)
def test_the_data_folder_is_that_of_the_flag_else_the_environment_else_the_settings(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    environment: str | None,
    config: str | None,
    folder: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CRUCIBLE_DATA", raising=False)
    if environment is not None:
        monkeypatch.setenv("CRUCIBLE_DATA", environment)
    if config is not None:
        flags = (*flags, "--config", "crucible.toml")
        Path("crucible.toml").write_text(f'data = "{config}"\n')
    for name in ("flag", "set", "named", "settings", "crucible-data"):
        Path(name).write_text("a file is no folder, so that serve says which it takes and ends")
    assert invoke(["serve", *flags]) == 2
    assert capsys.readouterr().err.startswith(f"crucible: {folder}: ")


def test_a_format_of_the_log_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["serve", "--log-format", "xml"]) == 2
    assert "xml" in capsys.readouterr().err
    assert invoke(["serve", "--set", "log.format=console"]) == 2
    assert "log.format: expected one of" in capsys.readouterr().err
