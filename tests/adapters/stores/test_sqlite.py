"""What only the store in SQLite promises: its folder, its file, its group commits."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.mounts import mounted
from tests.support.queue import START, new_run

from crucible.adapters.stores import SqliteStore
from crucible.adapters.stores.file_system import magic_of, refuse_network
from crucible.adapters.stores.sqlite_database import failure, open_reader
from crucible.messages.errors import ConflictError, InputError, OutputError, StoreError
from crucible.messages.queue import Effect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(folder)
    yield store
    await store.aclose()


async def made(folder: Path, runs: int = 1) -> Path:
    """A database with runs in it, closed."""
    store = await SqliteStore.open(folder)
    await asyncio.gather(*(store.submit(new_run(f"r{number}")) for number in range(runs)))
    await store.aclose()
    return folder / "queue.db"


async def refused(folder: Path) -> str:
    """Why the folder cannot be opened; its files are as they were."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "queue.lock"}
    with pytest.raises(InputError) as caught:
        await SqliteStore.open(folder)
    assert {name: (folder / name).read_bytes() for name in before} == before
    text = str(caught.value)
    assert str(folder) in text
    assert "\n" not in text
    return text


async def test_what_was_written_is_there_after_reopening(folder: Path) -> None:
    await made(folder, 3)
    again = await SqliteStore.open(folder)
    assert [run.id for run in (await again.runs()).runs] == ["r2", "r1", "r0"]
    assert again.versions == (1, 1)
    await again.aclose()


async def test_the_database_is_durable_and_private(store: SqliteStore, folder: Path) -> None:
    await store.submit(new_run())
    database = open_reader(folder / "queue.db")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_readers_cannot_write(store: SqliteStore, folder: Path) -> None:
    database = open_reader(folder / "queue.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.execute("DELETE FROM run")
    database.close()


HOLD = """
import asyncio, sys
from pathlib import Path
from crucible.adapters.stores import SqliteStore
async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    print("open", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_folder_belongs_to_one_process_even_if_that_is_killed(folder: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, folder, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"open\n"
    with pytest.raises(ConflictError, match=f"process {holder.pid}"):
        await SqliteStore.open(folder)
    holder.kill()
    await holder.wait()
    store = await SqliteStore.open(folder)
    await store.aclose()


async def test_two_stores_of_one_process_cannot_share_a_folder(store: SqliteStore, folder: Path) -> None:
    with pytest.raises(ConflictError, match=f"process {os.getpid()}: stop that daemon"):
        await SqliteStore.open(folder)


async def test_a_database_of_a_newer_version_is_refused(folder: Path) -> None:
    path = await made(folder)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("INSERT INTO schema_version VALUES (7, 0)")
    database.close()
    assert "has schema 7, made by a newer Crucible" in await refused(folder)


async def test_a_file_that_is_no_database_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / "queue.db").write_bytes(b"not a database at all " * 200)
    assert "is damaged (file is not a database): keep the file, copy a backup" in await refused(folder)


async def test_a_database_with_a_damaged_page_is_refused(folder: Path) -> None:
    path = await made(folder, 50)
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 3] = b"\xa5" * 4096
    path.write_bytes(data)
    assert "is damaged" in await refused(folder)


async def test_a_database_of_another_program_is_refused(folder: Path) -> None:
    folder.mkdir()
    database = sqlite3.connect(folder / "queue.db")
    database.execute("CREATE TABLE theirs (a)")
    database.close()
    assert "is no queue of Crucible" in await refused(folder)


async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        with mounted(tmp_path / "fixed", read_only=True) as folder:
            assert "Read-only file system: name one that may be written to" in await refused(folder)
    else:
        (tmp_path / "fixed").mkdir(mode=0o500)
        assert "Permission denied" in await refused(tmp_path / "fixed")


def test_an_error_of_the_disk_says_what_to_do(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE  # what a disk that has just become full comes to
    told = str(failure(error, tmp_path))
    assert told.startswith(f"{tmp_path}: disk I/O error: free some space, or look for errors of the disk")


async def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(OutputError, match="expected a folder"):
        await SqliteStore.open(tmp_path / "data")


async def test_a_link_in_the_place_of_the_database_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "queue.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match=r"queue\.db: cannot be written"):
        await SqliteStore.open(folder)
    assert not (tmp_path / "elsewhere").exists()


def test_network_file_systems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"network file system \(NFS\)"):
        refuse_network(tmp_path, lambda _: 0x6969)
    assert magic_of(tmp_path)
    refuse_network(tmp_path)


class Gate:
    """A clock that stops the writer thread in the middle of an operation."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> float:
        self.reached.set()
        assert self.open.wait(30.0)
        return START


async def test_what_queues_up_while_one_commits_is_committed_together(folder: Path) -> None:
    gate = Gate()
    gate.open.set()
    store = await SqliteStore.open(folder, clock=gate)
    commits: list[str] = []
    store._writer._connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    gate.open.clear()
    gate.reached.clear()
    first = asyncio.create_task(store.submit(new_run("first")))
    await asyncio.to_thread(gate.reached.wait)
    names = [f"r{number}" for number in range(50)]
    others = [asyncio.create_task(store.submit(new_run(name, key=name))) for name in (*names, "r7")]
    others.append(asyncio.create_task(store.submit(new_run("x", key="r7", spec=b"{}"))))
    await asyncio.sleep(0)
    gate.open.set()
    await first
    results = await asyncio.gather(*others, return_exceptions=True)
    assert len(commits) == 2
    assert [getattr(each, "created", None) for each in results] == [True] * 50 + [False, None]
    assert isinstance(results[-1], ConflictError)
    assert (await store.counts()).by_state == {"queued": 51}
    await store.aclose()


async def test_a_caller_cancelled_before_its_turn_has_done_nothing(folder: Path) -> None:
    gate = Gate()
    gate.open.set()
    store = await SqliteStore.open(folder, clock=gate)
    gate.open.clear()
    gate.reached.clear()
    first = asyncio.create_task(store.submit(new_run("first")))
    await asyncio.to_thread(gate.reached.wait)
    second = asyncio.create_task(store.submit(new_run("second")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    gate.open.set()
    await first
    await store.submit(new_run("third"))
    assert [run.id for run in (await store.runs()).runs] == ["third", "first"]
    await store.aclose()


async def test_a_claim_that_nobody_waits_for_is_handed_back(folder: Path) -> None:
    gate = Gate()
    gate.open.set()
    store = await SqliteStore.open(folder, clock=gate)
    await store.submit(new_run("r1"))
    gate.open.clear()
    gate.reached.clear()
    claim = asyncio.create_task(store.claim("d1", limit=1, ttl_s=30.0))
    await asyncio.to_thread(gate.reached.wait)
    claim.cancel()
    await asyncio.wait([claim])
    assert claim.cancelled()
    gate.open.set()
    await store.aclose()
    again = await SqliteStore.open(folder, clock=gate)
    run = await again.run("r1")
    assert (run.state, run.token, run.attempt, run.interruptions) == ("queued", 1, 0, 0)
    await again.aclose()


async def test_a_failing_statement_undoes_its_own_operation_only(store: SqliteStore) -> None:
    await store.submit(new_run("r1"))
    lease = (await store.claim("d1", limit=1, ttl_s=30.0))[0]
    with pytest.raises(InputError, match="cannot store"):
        await store.record_event("r1", lease.token, "note\ud800", {})
    with pytest.raises(InputError, match="cannot store"):
        await store.intend(lease.token, Effect(run_id="r1", key="k", stage="train", step=2**70))
    assert len(await store.events()) == 2


async def test_closing_finishes_what_is_under_way(folder: Path) -> None:
    store = await SqliteStore.open(folder)
    writes = [asyncio.create_task(store.submit(new_run(f"r{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    await store.aclose()
    assert all(answer.created for answer in await asyncio.gather(*writes))
    for call in (store.submit(new_run("late")), store.runs()):
        with pytest.raises(StoreError, match="is closed"):
            await call
    await store.aclose()
