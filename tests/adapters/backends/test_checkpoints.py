from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from crucible.adapters.backends.checkpoints import read_checkpoint, write_checkpoint
from crucible.messages.errors import BackendError, InputError, OutputError
from crucible.messages.records import CheckpointRef


def write(folder: Path, data: bytes = b"weights", name: str = "step-3") -> CheckpointRef:
    return write_checkpoint(folder, name, ".bin", data, step=3, epoch=1, loss=0.25)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    ref = write(tmp_path / "new" / "folder")
    assert read_checkpoint(tmp_path, ref) == b"weights"
    assert ref.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert (ref.name, ref.step, ref.epoch, ref.loss) == ("step-3", 3, 1, 0.25)


def test_writing_again_replaces_the_file(tmp_path: Path) -> None:
    old = write(tmp_path)
    new = write(tmp_path, b"other")
    assert read_checkpoint(tmp_path, new) == b"other"
    with pytest.raises(BackendError, match="damaged"):
        read_checkpoint(tmp_path, old)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = write(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path, b"other")
    assert read_checkpoint(tmp_path, ref) == b"weights"
    assert [path.name for path in tmp_path.iterdir()] == ["step-3.bin"]


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write checkpoint"):
        write(tmp_path / "file")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 201])
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="checkpoint name"):
        write(tmp_path, name=name)


def test_a_file_of_another_folder_is_found_by_its_path(tmp_path: Path) -> None:
    ref = write(tmp_path / "run-1")
    assert read_checkpoint(tmp_path / "run-2", ref) == b"weights"


def test_without_a_recorded_hash_the_file_is_taken_as_it_is(tmp_path: Path) -> None:
    ref = msgspec.structs.replace(write(tmp_path), sha256=None)
    (tmp_path / "step-3.bin").write_bytes(b"by hand")
    assert read_checkpoint(tmp_path, ref) == b"by hand"
