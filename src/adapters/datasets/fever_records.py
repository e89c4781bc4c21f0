"""Reads records of the FEVER format (Thorne et al. 2018): claims with evidence pointers, and wiki pages.

A claim's evidence is a list of sets, each a list of ``[annotation, evidence, page, sentence]`` that together
decide the claim; page and sentence are null where there is none. Pages come in files of one object a line,
their sentences in one text: a number, a tab, the sentence, more tabs with links. Titles write brackets and
colons as ``-LRB-``, ``-RRB-``, ``-COLON-``, and come in different Unicode forms: both sides are put into NFC.

Strict, as ``claim_records`` is: an unknown label or a pointer to a sentence that is not there is an error.
Used by ``fever``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ...messages.claims import PassageDocument, RelationLabel
from ...messages.errors import DatasetError
from .claim_prompts import clean
from .claim_records import required
from .json_rows import decode_row
from .lines import LineFile
from .rows import RowError

__all__ = ["FeverClaim", "WikiPages", "read_fever_claim"]

LABELS: dict[str, RelationLabel | None] = {
    "SUPPORTS": "supports",
    "REFUTES": "refutes",
    "NOT ENOUGH INFO": None,
}
_SIGNS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-COLON-": ":"}
_SIGN = re.compile("|".join(_SIGNS))
_PAGE = re.compile(r"[^\s():]{1,300}")
MOST_SENTENCES = 100_000


class FeverClaim(msgspec.Struct, frozen=True):
    """One claim; no evidence with a label of its own is no error, but nothing points anywhere then."""

    id: int | str
    text: str
    label: RelationLabel | None
    """None: not enough info."""
    sets: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]
    """Each evidence set as pages, in their order, with the sentences of each; equal sets once."""

    @property
    def pages(self) -> tuple[str, ...]:
        """All pages that are pointed at, each once, in order of their names."""
        return tuple(sorted({page for each in self.sets for page, _ in each}))


def read_fever_claim(row: dict[str, Any]) -> FeverClaim:
    """Check a claim. Raises RowError naming the field."""
    claim_id, text, label = required(row, "id"), required(row, "claim"), required(row, "label")
    if isinstance(claim_id, bool) or not isinstance(claim_id, (int, str)) or claim_id == "":
        raise RowError("expected a whole number or a string", "id")
    if not isinstance(text, str) or not text.strip():
        raise RowError("expected a text that is not empty", "claim")
    if not isinstance(label, str) or label not in LABELS:
        raise RowError(f"unknown label {label!r}; expected SUPPORTS, REFUTES or NOT ENOUGH INFO", "label")
    given = required(row, "evidence")
    if not isinstance(given, list):
        raise RowError("expected a list of evidence sets", "evidence")
    sets = [_set(each, f"evidence[{number}]") for number, each in enumerate(given)]
    found = tuple(dict.fromkeys(each for each in sets if each))
    if LABELS[label] is not None and not found:
        raise RowError(f"no evidence for the label {label}", "evidence")
    return FeverClaim(claim_id, clean(text), LABELS[label], found if LABELS[label] is not None else ())


def _set(given: Any, field: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Sentences by page; empty when it points nowhere."""
    if not isinstance(given, list) or not given:
        raise RowError("expected a list of [annotation, evidence, page, sentence]", field)
    pages: dict[str, set[int]] = {}
    for number, item in enumerate(given):
        place = f"{field}[{number}]"
        if not isinstance(item, list) or len(item) != 4:
            raise RowError("expected [annotation, evidence, page, sentence]", place)
        page, sentence = item[2], item[3]
        if page is None and sentence is None:
            continue
        if not isinstance(page, str) or not _PAGE.fullmatch(page):
            raise RowError("expected a page: text without spaces, '(', ')' or ':'", f"{place}[2]")
        if isinstance(sentence, bool) or not isinstance(sentence, int) or sentence < 0:
            raise RowError("expected a sentence number, from 0", f"{place}[3]")
        pages.setdefault(unicodedata.normalize("NFC", page), set()).add(sentence)
    return tuple((page, tuple(sorted(pages[page]))) for page in sorted(pages))


class WikiPages:
    """The pages of a folder of files, found by title. Keeps the places of those that are wanted, no texts."""

    def __init__(self, folder: Path, wanted: Iterable[str], *, max_line_bytes: int) -> None:
        """Read every file once. Raises DatasetError for the first line that cannot be used."""
        self.folder = folder
        self._wanted = set(wanted)
        self._places: dict[str, tuple[int, int, int]] = {}
        self._files: list[LineFile] = []
        self.texts_changed = 0
        try:
            for path in sorted(folder.glob("*.jsonl")) + sorted(folder.glob("*.jsonl.gz")):
                self._files.append(LineFile(path, max_line_bytes=max_line_bytes))
                self._scan(len(self._files) - 1)
            if not self._files:
                raise DatasetError("holds no .jsonl files of wiki pages", source=str(folder))
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Number of wanted pages that are there."""
        return len(self._places)

    def __contains__(self, page: str) -> bool:
        """Whether there is such a page."""
        return page in self._places

    @property
    def names(self) -> tuple[str, ...]:
        """The paths of all files."""
        return tuple(str(file.path) for file in self._files)

    def hashes(self) -> Iterator[str]:
        """SHA-256 of each file, in order."""
        return (file.sha256() for file in self._files)

    def document(self, page: str) -> PassageDocument:
        """The page with its sentences by number, blank ones included. Raises DatasetError, KeyError."""
        number, offset, line = self._places[page]
        file = self._files[number]
        try:
            return _document(page, decode_row(file.line_at(offset)))
        except RowError as error:
            raise DatasetError(error.problem, source=str(file.path), line=line, field=error.field) from None

    def check_unchanged(self) -> None:
        """Raise DatasetError if somebody wrote into one of the files."""
        for file in self._files:
            file.check_unchanged()

    def close(self) -> None:
        """Close all files. Idempotent."""
        for file in self._files:
            file.close()

    def _scan(self, number: int) -> None:
        file = self._files[number]
        for line in file.lines():
            if line.data is not None and line.data.isspace():
                continue
            try:
                if line.data is None:
                    raise RowError("the line is longer than max_line_bytes")
                row = decode_row(line.data)
                title = required(row, "id")
                if not isinstance(title, str):
                    raise RowError("expected the title of a page", "id")
                page = unicodedata.normalize("NFC", title)
                if page not in self._wanted:
                    continue
                self._add(page, _document(page, row), row, (number, line.offset, line.number))
            except RowError as error:
                raise DatasetError(
                    error.problem, source=str(file.path), line=line.number, field=error.field
                ) from None

    def _add(
        self, page: str, document: PassageDocument, row: dict[str, Any], place: tuple[int, int, int]
    ) -> None:
        earlier = self._places.setdefault(page, place)
        if earlier != place:
            where = f"{self._files[earlier[0]].path}:{earlier[2]}"
            raise RowError(f"{page!r} is already the title of {where}", "id")
        raw = _sentences(row)
        self.texts_changed += sum(a != b for a, b in zip(raw, document.sentences, strict=True))


def _document(page: str, row: dict[str, Any]) -> PassageDocument:
    title = _SIGN.sub(lambda found: _SIGNS[found[0]], page).replace("_", " ")
    sentences = tuple(map(clean, _sentences(row)))
    if not any(sentences):
        raise RowError("the page has no text", "lines")
    return PassageDocument(id=page, title=clean(title), sentences=sentences)


def _sentences(row: dict[str, Any]) -> list[str]:
    """By number; a number that is left out has no text. Lines without a number are not counted either."""
    text = required(row, "lines")
    if not isinstance(text, str):
        raise RowError("expected a text of numbered sentences", "lines")
    found: list[str] = []
    for line in text.split("\n"):
        number, *rest = line.split("\t")
        if not (number.isascii() and number.isdigit()):
            continue
        index = int(number[:9])
        if not len(found) <= index < MOST_SENTENCES:
            raise RowError(
                f"sentence {number} after sentence {len(found) - 1}: expected numbers that rise", "lines"
            )
        found.extend([""] * (index - len(found)))
        found.append(rest[0] if rest else "")
    return found
