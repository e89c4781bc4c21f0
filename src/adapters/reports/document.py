"""A report before it has a format: sections of tables, figures and quotes. All strings are raw text.

Renderers (Markdown, HTML) escape; builders (``overview``, ``results``, ...) never do.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cell", "Document", "Quote", "QuotedText", "Section", "Table"]


@dataclass(frozen=True)
class Cell:
    """One cell: a main text, a smaller second one (an interval), a tone for verdicts."""

    text: str
    detail: str = ""
    tone: str = ""
    """better, worse, equivalent, undecided, no_data, failed, skipped, completed, or none."""
    hint: str = ""
    """What it means, shown where the format can; it stands in full elsewhere too."""


@dataclass(frozen=True)
class Table:
    """Columns with their heads; ``numeric`` columns align right, those of ``prose`` are never narrow."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    prose: frozenset[int] = frozenset()
    note: str = ""
    folded: bool = False
    """Long tables of detail, folded away where the format can."""
    keys: tuple[tuple[str, str], ...] = ()
    """What the letters in its cells stand for."""


@dataclass(frozen=True)
class QuotedText:
    """A text of the data or of a model, to be shown and never interpreted."""

    label: str
    text: str
    language: str = "text"
    folded: bool = False
    """Folded away where the format can."""


@dataclass(frozen=True)
class Quote:
    """A few texts that belong together."""

    title: str
    facts: str
    texts: tuple[QuotedText, ...]
    tone: str = ""
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of the report. ``figures`` are names of plots, shown by formats that can."""

    key: str
    title: str
    lead: str = ""
    tables: tuple[Table, ...] = ()
    figures: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    points_title: str = ""
    """Set when the points are detail, folded away where the format can."""
    quotes: tuple[Quote, ...] = ()
    tables_first: bool = False
    """The tables that are not folded stand before the figures."""


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    headline: str
    tone: str
    verdicts: tuple[str, ...]
    """The main results, one sentence each."""
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    usage: Table | None = None
    """What each system was asked and what that took."""
