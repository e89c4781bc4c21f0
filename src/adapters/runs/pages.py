"""Pages of the samples of a run, finished or under way, for whoever shows them: the API and its page.

A sample is a line of ``samples.jsonl``. The file is read once to learn where its lines begin (8 bytes a
sample), in whichever thread the caller uses; a page then reads its own lines only. A filter goes on line by
line and stops at a page's end, so that it costs what it looks at. While a run goes on, its unfinished file is
read anew each time, as far as it has whole lines.

``FinishedRun`` reads the same file by id; this one by place, without decoding what it does not show.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from ...messages.base import Message
from ...messages.errors import DatasetError, NotFoundError
from ..reports.samples import SampleLine

__all__ = ["SamplePage", "SampleShelf", "SampleVerdict", "SamplesWanted"]

FINISHED, PARTIAL = "samples.jsonl", "samples.jsonl.partial"
CHUNK = 1 << 20
PAGE_BYTES = 8 << 20
SCANNED_BYTES = 64 << 20
SCANNED_DOUBTS = 1_000
"""Samples that one page holds against the antagonist, which reads every claim."""
SampleVerdict = Literal["flagged", "clean", "error", "doubtful"]


class SamplesWanted(Message, frozen=True):
    """Which samples to show; None means any. What is said of outputs holds for those of ``system``."""

    system: str | None = None
    verdict: SampleVerdict | None = None
    """flagged: a guard flagged the input or an output; clean: none did; error: an output has none;
    doubtful: the antagonist flags an output, as ``crucible label flags`` does."""
    text: str | None = None
    """Part of the id, input, reference or an output, letter case ignored."""
    metric: str | None = None
    at_most: float | None = None
    """Of the metric's score."""
    at_least: float | None = None

    @property
    def everything(self) -> bool:
        """Whether no sample is left out."""
        return self == SamplesWanted()


class SamplePage(Message, frozen=True):
    """Some samples in the order of the run."""

    total: int
    """Samples in the file."""
    start: int
    """Place, from 0, that was asked for."""
    next: int | None
    """Place to go on at; None at the end. A page of a filter may be short and still have one."""
    finished: bool
    """False: the run goes on, and there may be more later."""
    places: tuple[int, ...]
    """Of the samples of this page."""
    samples: tuple[SampleLine, ...]


class _RawPage(Message, frozen=True):
    """A SamplePage whose samples are the bytes of the file."""

    total: int
    start: int
    next: int | None
    finished: bool
    places: tuple[int, ...]
    samples: tuple[msgspec.Raw, ...]


class _Answer(msgspec.Struct):
    text: str = ""
    error: str | None = None


class _Flag(msgspec.Struct):
    flagged: bool
    system: str | None = None


class _Facts(msgspec.Struct):
    """What a filter looks at."""

    id: str
    input: str = ""
    reference: str | None = None
    outputs: dict[str, _Answer] = {}
    scores: dict[str, dict[str, float | None]] = {}
    verdicts: tuple[_Flag, ...] = ()

    def fits(self, wanted: SamplesWanted) -> bool:
        """Whether the filter lets it through."""
        system = wanted.system
        if system is not None and system not in self.outputs:
            return False
        return self._has_verdict(wanted) and self._has_score(wanted) and self._has_text(wanted)

    def _answers(self, system: str | None) -> list[_Answer]:
        return [answer for name, answer in self.outputs.items() if system in (None, name)]

    def _has_verdict(self, wanted: SamplesWanted) -> bool:
        match wanted.verdict:
            case None:
                return True
            case "doubtful":  # told of the whole sample, once the rest fits
                return True
            case "error":
                return any(answer.error is not None for answer in self._answers(wanted.system))
            case verdict:
                mine = (
                    v for v in self.verdicts if wanted.system is None or v.system in (None, wanted.system)
                )
                return any(v.flagged for v in mine) is (verdict == "flagged")

    def _has_score(self, wanted: SamplesWanted) -> bool:
        if wanted.metric is None:
            return True
        low = float("-inf") if wanted.at_least is None else wanted.at_least
        high = float("inf") if wanted.at_most is None else wanted.at_most
        found = [s.get(wanted.metric) for name, s in self.scores.items() if wanted.system in (None, name)]
        return any(low <= score <= high for score in found if score is not None)

    def _has_text(self, wanted: SamplesWanted) -> bool:
        if wanted.text is None:
            return True
        needle = wanted.text.casefold()
        texts = (
            self.id,
            self.input,
            self.reference or "",
            *(answer.text for answer in self._answers(wanted.system)),
        )
        return any(needle in text.casefold() for text in texts)


_DECODER = msgspec.json.Decoder(_Facts)
_SAMPLES = msgspec.json.Decoder(SampleLine)


def _line_starts(file: BinaryIO) -> array[int]:
    """Where the whole lines begin; the last one is where the next line would."""
    starts, offset = array("Q", [0]), 0
    while chunk := file.read(CHUNK):
        found = chunk.find(b"\n")
        while found >= 0:
            starts.append(offset + found + 1)
            found = chunk.find(b"\n", found + 1)
        offset += len(chunk)
    return starts


class SampleShelf:
    """Reads the sample files of runs; remembers where the lines of the last few begin. Safe in threads."""

    def __init__(self, *, keep: int = 32) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._starts: OrderedDict[tuple[int, ...], array[int]] = OrderedDict()

    def page(self, folder: Path, wanted: SamplesWanted, *, start: int, limit: int) -> bytes:
        """A SamplePage as JSON. Blocking. Raises NotFoundError for a run without samples."""
        file, name = _open(folder)
        with file:
            known = self._known(file) if name == FINISHED else _line_starts(file)
            total = len(known) - 1
            places, lines, following = _read(file, name, known[min(start, total) :], start, wanted, limit)
        page = _RawPage(
            total=total,
            start=start,
            next=following if following < total else None,
            finished=name == FINISHED,
            places=tuple(places),
            samples=tuple(msgspec.Raw(line) for line in lines),
        )
        return msgspec.json.encode(page)

    def _known(self, file: BinaryIO) -> array[int]:
        """Where the lines of a finished file begin."""
        facts = os.fstat(file.fileno())
        key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        with self._lock:
            if key in self._starts:
                self._starts.move_to_end(key)
                return self._starts[key]
        starts = _line_starts(file)
        with self._lock:
            self._starts[key] = starts
            while len(self._starts) > self._keep:
                self._starts.popitem(last=False)
        return starts


def _open(folder: Path) -> tuple[BinaryIO, str]:
    """The file of samples and its name. No link is followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        here = os.open(folder, flags | os.O_DIRECTORY)
    except OSError:
        raise NotFoundError(f"run {folder.name} has left no files") from None
    try:
        for name in (FINISHED, PARTIAL):
            try:
                return os.fdopen(os.open(name, flags, dir_fd=here), "rb"), name
            except FileNotFoundError:
                continue
            except OSError as error:
                reason = error.strerror
                raise NotFoundError(f"the samples of run {folder.name} cannot be read: {reason}") from None
    finally:
        os.close(here)
    raise NotFoundError(f"run {folder.name} has no samples: only runs with a report stage keep them")


def _is_doubtful(line: bytes, wanted: SamplesWanted) -> bool:
    """Whether the antagonist flags an output, if that was asked for."""
    if wanted.verdict != "doubtful":
        return True
    from ..cns.flags import FlagThresholds  # reading claims takes numpy, which nobody else here does
    from .labelling import flag_sample

    sample = _SAMPLES.decode(line)
    systems = [name for name in sample.outputs if wanted.system in (None, name)]
    return any(flag_sample(sample, name, FlagThresholds()) is not None for name in systems)


def _read(
    file: BinaryIO, name: str, starts: array[int], first: int, wanted: SamplesWanted, limit: int
) -> tuple[list[int], list[bytes], int]:
    """Places and lines of one page, and the place to go on at."""
    places: list[int] = []
    lines: list[bytes] = []
    taken = 0
    for number in range(len(starts) - 1):
        scanned = starts[number] - starts[0]
        doubts = number if wanted.verdict == "doubtful" else 0
        full = len(lines) >= limit or taken >= PAGE_BYTES
        if full or scanned >= SCANNED_BYTES or doubts >= SCANNED_DOUBTS:
            return places, lines, first + number
        file.seek(starts[number])
        line = file.read(starts[number + 1] - starts[number] - 1)
        try:
            facts = _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DatasetError(
                f"is not a sample of a run: {error}", source=name, line=first + number + 1
            ) from None
        if wanted.everything or (facts.fits(wanted) and _is_doubtful(line, wanted)):
            places.append(first + number)
            lines.append(line)
            taken += len(line)
    return places, lines, first + len(starts) - 1
