"""The folder of replies: nothing lost, nothing wrong, whatever was done to its files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crucible.adapters.caches import ReplyFolder, clear, inspect
from crucible.adapters.caches.segment import encode_line, parse_line
from crucible.messages.errors import InputError, OutputError
from crucible.messages.records import Completion
from crucible.messages.requests import BackendReply, StoredReply


def key(number: int) -> str:
    return f"{number:032x}"


def stored(text: str) -> StoredReply:
    return StoredReply(reply=BackendReply(completions=(Completion(text=text),), cost_usd=0.5))


async def filled(folder: Path, count: int) -> None:
    cache = ReplyFolder(folder)
    await asyncio.gather(*(cache.put(key(n), stored(f"answer {n}\n東京")) for n in range(count)))
    cache.close()


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


async def test_what_was_put_is_got_at_once_and_after_opening_it_again(tmp_path: Path) -> None:
    cache = ReplyFolder(tmp_path)
    await cache.put(key(1), stored("one"))
    assert await cache.get(key(1)) == stored("one")
    assert await cache.get(key(2)) is None
    cache.close()
    again = ReplyFolder(tmp_path)
    assert await again.get(key(1)) == stored("one")
    assert key(1) in again
    assert key(2) not in again
    assert again.figures() == {"entries": 1, "stored": 0, "damaged": 0}
    again.close()


async def test_a_reply_is_in_the_file_when_put_returns(tmp_path: Path) -> None:
    cache = ReplyFolder(tmp_path)
    await cache.put(key(1), stored("one"))
    found = parse_line(only_file(tmp_path).read_bytes())
    assert found is not None
    assert found[0] == key(1)
    cache.close()


async def test_the_next_run_appends_to_the_same_file(tmp_path: Path) -> None:
    await filled(tmp_path, 2)
    cache = ReplyFolder(tmp_path)
    await cache.put(key(9), stored("nine"))
    cache.close()
    assert inspect(tmp_path).files == 1
    assert inspect(tmp_path).replies == 3


async def test_two_runs_at_once_write_to_files_of_their_own(tmp_path: Path) -> None:
    one, two = ReplyFolder(tmp_path), ReplyFolder(tmp_path)
    await asyncio.gather(
        *(
            each.put(key(number), stored(name))
            for each, name in ((one, "one"), (two, "two"))
            for number in range(50)
        )
    )
    assert inspect(tmp_path).in_use == 2
    with pytest.raises(InputError, match="a run is using this cache"):
        clear(tmp_path)
    one.close()
    two.close()
    facts = inspect(tmp_path)
    assert (facts.files, facts.replies, facts.damaged, facts.in_use) == (2, 50, 0, 0)
    again = ReplyFolder(tmp_path)
    assert await again.get(key(7)) == stored("one")  # of two, the first file's
    again.close()


async def test_the_end_of_a_file_that_is_being_written_is_not_taken_for_damage(tmp_path: Path) -> None:
    one = ReplyFolder(tmp_path)
    await one.put(key(1), stored("one"))
    with only_file(tmp_path).open("ab") as file:
        file.write(encode_line(key(2), b"{}")[:20])
        file.flush()
        two = ReplyFolder(tmp_path)
        assert two.figures() == {"entries": 1, "stored": 0, "damaged": 0}
        two.close()
    one.close()


@pytest.mark.parametrize("kept", [1, 20, 41, 43, 70, -1])
async def test_a_reply_that_was_cut_off_is_skipped_counted_and_makes_room(tmp_path: Path, kept: int) -> None:
    await filled(tmp_path, 3)
    path = only_file(tmp_path)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: -len(last)] + last[:kept])
    assert inspect(tmp_path).damaged == 1
    cache = ReplyFolder(tmp_path)
    assert cache.figures() == {"entries": 2, "stored": 0, "damaged": 1}
    await cache.put(key(2), stored("again"))
    cache.close()
    assert inspect(tmp_path).damaged == 0
    assert inspect(tmp_path).replies == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_flipped_bit_is_ever_answered_with_and_costs_at_most_two_replies(
    tmp_path: Path, where: int, flip: int
) -> None:
    async def check() -> None:
        folder = tmp_path / f"{where}-{flip}"
        if folder.exists():
            return
        await filled(folder, 5)
        path = only_file(folder)
        data = bytearray(path.read_bytes())
        data[where % len(data)] ^= flip
        path.write_bytes(data)
        cache = ReplyFolder(folder)
        found = [await cache.get(key(number)) for number in range(5)]
        assert all(each in (None, stored(f"answer {n}\n東京")) for n, each in enumerate(found))
        assert 3 <= sum(each is not None for each in found) < 5
        assert cache.figures()["damaged"] >= 1
        cache.close()

    asyncio.run(check())


async def test_a_reply_that_is_damaged_while_the_run_goes_on_is_asked_again_and_replaced(
    tmp_path: Path,
) -> None:
    await filled(tmp_path, 2)
    cache = ReplyFolder(tmp_path)
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"answer 0", b"answer 7"))
    assert await cache.get(key(0)) is None
    assert cache.figures()["damaged"] == 1
    await cache.put(key(0), stored("new"))
    assert await cache.get(key(0)) == stored("new")
    assert await cache.get(key(1)) is not None
    cache.close()


async def test_two_keys_with_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ReplyFolder(tmp_path)
    await cache.put(key(1), stored("one"))
    monkeypatch.setattr("crucible.adapters.caches.folder.HashIndex.find", lambda _self, _key: 0)
    assert await cache.get(key(1)) == stored("one")
    assert await cache.get(key(2)) is None
    cache.close()


async def test_when_the_disk_is_full_it_says_so_and_leaves_no_half_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ReplyFolder(tmp_path)
    await cache.put(key(1), stored("one"))
    write, calls = os.write, [0]

    def full(descriptor: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] == 1:
            return write(descriptor, bytes(data)[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crucible.adapters.caches.segment.os.write", full)
    with pytest.raises(OutputError, match=r"the cache cannot be written: No space left on device"):
        await cache.put(key(2), stored("two"))
    monkeypatch.undo()
    await cache.put(key(3), stored("three"))
    cache.close()
    assert inspect(tmp_path).replies == 2
    assert inspect(tmp_path).damaged == 0


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot keep the cache: expected a folder"):
        ReplyFolder(tmp_path / "file")


def test_a_run_that_stores_nothing_leaves_no_file(tmp_path: Path) -> None:
    ReplyFolder(tmp_path / "new").close()
    assert list((tmp_path / "new").iterdir()) == []


async def test_clear_deletes_the_replies_and_nothing_else(tmp_path: Path) -> None:
    await filled(tmp_path, 2)
    (tmp_path / "replies-notes.txt").write_text("mine")
    assert clear(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["replies-notes.txt"]
    with pytest.raises(InputError, match="no cache of replies is here"):
        clear(tmp_path)


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    await filled(tmp_path / "cache", 1)
    assert only_file(tmp_path / "cache").stat().st_mode & 0o077 == 0
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
