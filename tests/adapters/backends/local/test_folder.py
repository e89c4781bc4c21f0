"""Checkpoint folders: whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from crucible.adapters.backends.local.folder import (
    ADAPTER,
    CONFIG,
    OPTIMISER,
    STATE,
    State,
    read_state,
    write_folder,
)
from crucible.messages.errors import BackendError, OutputError


def whole() -> dict[str, bytes]:
    files = {ADAPTER: b"adapter", CONFIG: b"{}", OPTIMISER: b"moments"}
    state = State(
        base_model="m",
        fingerprint="f",
        rank=4,
        alpha=8,
        target_modules=("q_proj",),
        seed=1,
        steps=2,
        passes=3,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    return {**files, STATE: msgspec.json.encode(state)}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    files = whole()
    write_folder(tmp_path, "a", files)
    state, read = read_state(tmp_path / "a", hashlib.sha256(files[STATE]).hexdigest())
    assert state.steps == 2
    assert read == {name: files[name] for name in (ADAPTER, CONFIG, OPTIMISER)}


def test_a_folder_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_folder(tmp_path, "a", {"old": b"1"})
    write_folder(tmp_path, "a", {"new": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["new"]


def test_a_failure_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    write_folder(tmp_path, "a", {"old": b"1"})
    with pytest.raises(OutputError, match="cannot write checkpoint"):
        write_folder(tmp_path, "a", {"new": b"2", "no/such/folder": b"3"})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "old").read_bytes() == b"1"


@pytest.mark.parametrize("name", [ADAPTER, CONFIG, OPTIMISER])
def test_each_file_is_checked(tmp_path: Path, name: str) -> None:
    write_folder(tmp_path, "a", whole())
    (tmp_path / "a" / name).write_bytes(b"other")
    with pytest.raises(BackendError, match=f"{name}: checkpoint is damaged"):
        read_state(tmp_path / "a", None)


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    files = whole()
    state = msgspec.json.decode(files[STATE])
    files[STATE] = msgspec.json.encode({**state, "format": 99})
    write_folder(tmp_path, "a", files)
    with pytest.raises(BackendError, match="written by another version"):
        read_state(tmp_path / "a", None)
