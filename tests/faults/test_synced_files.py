"""What counts as kept is on disk by then: the order of syncs and renames, as the system was asked for them.

The power cuts of ``test_store_power_cut`` try the queue; this is for the files beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crucible.actors.kept_stream import RESULTS, SAMPLES, StreamWriter
from crucible.actors.training_record import RECORD, write_record
from crucible.adapters.backends.checkpoints import write_checkpoint
from crucible.adapters.caches import ReplyFolder
from crucible.adapters.reports.files import write_whole
from crucible.adapters.reports.samples import SampleWriter
from crucible.adapters.reports.score_parquet import ParquetScoreWriter
from crucible.adapters.reports.score_table import ScoreWriter
from crucible.adapters.service.data_folder import DataFolder
from crucible.adapters.tracing.whole import WholeFile
from crucible.messages.flow import Sample, StageResult
from crucible.messages.records import Completion, Example
from crucible.messages.requests import BackendReply, StoredReply
from crucible.messages.training import TrainingRecord

SAMPLE = Sample(example=Example(id="e", input="question", reference="answer"))


class Asked(NamedTuple):
    """Of the system: to sync a file or folder, or to rename a file."""

    what: str
    number: int
    """The inode."""
    bytes: int


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """All of it, in order."""
    found: list[Asked] = []
    rename = Path.replace

    def recording(sync: Callable[[int], None]) -> Callable[[int], None]:
        def record(descriptor: int) -> None:
            sync(descriptor)
            stat = os.fstat(descriptor)
            found.append(Asked("sync", stat.st_ino, stat.st_size))

        return record

    def replace(path: Path, target: Any) -> Path:
        stat = path.stat()
        found.append(Asked("rename", stat.st_ino, stat.st_size))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", recording(os.fsync))
    monkeypatch.setattr(os, "fdatasync", recording(os.fdatasync))
    monkeypatch.setattr(Path, "replace", replace)
    return found


def is_synced(asked: list[Asked], path: Path) -> bool:
    """All of a file, and after that its name."""
    stat, folder = path.stat(), path.parent.stat().st_ino
    whole = asked.index(Asked("sync", stat.st_ino, stat.st_size))
    return any(each.what == "sync" and each.number == folder for each in asked[whole:])


def is_put_in_place(asked: list[Asked], path: Path) -> bool:
    """All of a file was synced before it got its name, and the name after that."""
    stat, folder = path.stat(), path.parent.stat().st_ino
    whole = asked.index(Asked("sync", stat.st_ino, stat.st_size))
    named = asked.index(Asked("rename", stat.st_ino, stat.st_size))
    return whole < named and any(each.what == "sync" and each.number == folder for each in asked[named:])


def written_whole(folder: Path) -> Path:
    return Path(write_whole(folder / "run.json", b"{}").path)


def samples(folder: Path) -> Path:
    writer = SampleWriter(folder)
    writer.write([SAMPLE])
    return Path(writer.finish().path)


def scores(folder: Path) -> Path:
    writer = ScoreWriter(folder)
    writer.write([SAMPLE])
    return Path(writer.finish().path)


def parquet(folder: Path) -> Path:
    writer = ParquetScoreWriter(folder)
    writer.write([SAMPLE])
    return Path(writer.finish().path)


def trace(folder: Path) -> Path:
    file = WholeFile(folder / "trace.json", "application/json")
    file.write(b"[]")
    return Path(file.finish().path)


def stream(folder: Path) -> Path:
    writer = StreamWriter(folder)
    writer.append([SAMPLE])
    writer.finish([StageResult(stage="backend_call", status="completed")])
    return folder / RESULTS


def record(folder: Path) -> Path:
    write_record(folder, TrainingRecord(identity="i", steps=1, checkpoints=()))
    return folder / RECORD


def checkpoint(folder: Path) -> Path:
    return Path(write_checkpoint(folder, "step-1", ".bin", b"weights", step=1, epoch=0, loss=None).uri)


def address(folder: Path) -> Path:
    with DataFolder(folder) as data:
        data.tell_address("http://127.0.0.1:1")
        return data.path / "daemon-id"


WRITERS = [written_whole, samples, scores, parquet, trace, stream, record, checkpoint, address]


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_is_synced_before_it_gets_its_name_and_the_name_before_it_counts(
    tmp_path: Path, asked: list[Asked], write: Callable[[Path], Path]
) -> None:
    assert is_put_in_place(asked, write(tmp_path))


def test_what_was_handed_on_is_synced_before_the_results_that_make_it_count(
    tmp_path: Path, asked: list[Asked]
) -> None:
    results = stream(tmp_path)
    named = asked.index(Asked("rename", results.stat().st_ino, results.stat().st_size))
    assert is_synced(asked, tmp_path / SAMPLES)
    assert asked.index(Asked("sync", *numbers(tmp_path / SAMPLES))) < named


async def test_a_reply_and_the_names_that_lead_to_it_are_synced_before_it_counts(
    tmp_path: Path, asked: list[Asked]
) -> None:
    """In a run's folder that is made for it, with all above it."""
    replies = ReplyFolder(tmp_path / "runs" / "r1" / ".replies")
    made = [tmp_path / "runs" / "r1" / ".replies", tmp_path / "runs" / "r1", tmp_path / "runs", tmp_path]
    assert {folder.stat().st_ino for folder in made} <= {each.number for each in asked}
    await replies.put("0" * 32, StoredReply(reply=BackendReply(completions=(Completion(text="a"),))))
    [file] = (tmp_path / "runs" / "r1" / ".replies").iterdir()
    assert asked[-1] == Asked("sync", *numbers(file))
    replies.close()


def numbers(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_size
