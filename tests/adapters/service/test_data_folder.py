"""What a data folder says when it cannot be used: what is wrong, where, and what is expected."""

import errno
import os
from pathlib import Path

import pytest

from crucible.adapters.service.data_folder import DataFolder, _unfit
from crucible.messages.errors import ConflictError, InputError, OutputError, StoreError


def test_the_id_of_a_daemon_is_kept_from_start_to_start(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as first:
        kept = first.daemon_id
    with DataFolder(tmp_path) as again:
        assert again.daemon_id == kept


@pytest.mark.parametrize("content", [b"", b"two words\n", b"\x83\xff\x00", b"../../elsewhere\n"])
def test_a_damaged_id_is_refused_with_what_to_do_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "daemon-id"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"holds no id of a daemon.*delete the file") as caught:
        DataFolder(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert path.read_bytes() == content
    path.unlink()
    with DataFolder(tmp_path):  # the refusal gave the lock up
        pass


def test_a_file_in_the_place_of_the_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(OutputError, match="/runs: expected a folder, found a file"):
        DataFolder(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.touch()
    with pytest.raises(OutputError) as caught:
        DataFolder(path)
    assert str(caught.value) == f"{path}: cannot keep the data of a daemon: expected a folder, found a file"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_says_what_is_expected(number: int) -> None:
    told = _unfit(Path("data"), OSError(number, os.strerror(number), "data/runs"))
    assert told == (
        f"data: cannot keep the data of a daemon: data/runs: {os.strerror(number)}: "
        "expected a folder that this user may write; --data names another"
    )


def test_a_folder_that_no_user_may_write_says_what_is_expected() -> None:
    with pytest.raises(OutputError, match="cannot keep the data of a daemon: ") as caught:
        DataFolder(Path("/proc/self/crucible-data"))
    assert str(caught.value).startswith("/proc/self/crucible-data: ")


def test_runs_that_cannot_be_written_are_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to("/proc/self")  # no user may write there
    with pytest.raises(OutputError, match=f"cannot keep the data of a daemon: {tmp_path}/runs: "):
        DataFolder(tmp_path)
    (tmp_path / "runs").unlink()
    with DataFolder(tmp_path) as folder:  # the refusal gave the lock up
        assert list(folder.runs.iterdir()) == []


def test_a_second_daemon_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with DataFolder(tmp_path), pytest.raises(ConflictError, match=f"process {os.getpid()}"):
        DataFolder(tmp_path)


def test_a_full_disk_is_no_wrong_setting_so_that_a_service_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device: free some space") as caught:
        DataFolder(tmp_path)
    assert not isinstance(caught.value, InputError)
    monkeypatch.setattr(os, "ftruncate", lambda _descriptor, _size: full(0))
    with pytest.raises(StoreError, match="cannot keep the data of a daemon: No space left"):
        DataFolder(tmp_path)
