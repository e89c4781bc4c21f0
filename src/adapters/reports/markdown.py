"""Document to GitHub-flavoured Markdown. Texts of data and models go into fences; all else is escaped."""

from __future__ import annotations

from collections.abc import Iterator

from .document import Cell, Document, Quote, Section, Table
from .text import fence, markdown_cell

__all__ = ["render_markdown"]


def render_markdown(document: Document) -> str:
    """The whole report; plots are in the HTML report only."""
    return "\n".join(_document(document)).rstrip() + "\n"


def _document(document: Document) -> Iterator[str]:
    yield f"# {markdown_cell(document.title)}"
    yield ""
    yield f"**{markdown_cell(document.headline)}**"
    yield ""
    for verdict in document.verdicts:
        yield f"- {markdown_cell(verdict)}"
    if document.verdicts:
        yield ""
    yield " · ".join(f"{name}: {markdown_cell(value)}" for name, value in document.facts)
    yield ""
    if document.usage is not None:
        yield from _table(document.usage)
    for section in document.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {markdown_cell(section.title)}"
    yield ""
    if section.lead:
        yield markdown_cell(section.lead)
        yield ""
    for table in section.tables:
        yield from _table(table)
    for point in section.points:
        yield f"- {markdown_cell(point)}"
    if section.points:
        yield ""
    for quote in section.quotes:
        yield from _quote(quote)


def _table(table: Table, *, deeper: bool = False) -> Iterator[str]:
    yield f"{'####' if deeper else '###'} {markdown_cell(table.caption)}"
    yield ""
    yield _row([markdown_cell(head) for head in table.heads])
    yield _row(["---:" if index in table.numeric else "---" for index in range(len(table.heads))])
    for row in table.rows:
        yield _row([_cell(cell) for cell in row])
    yield ""
    for note in (table.note, "; ".join(f"{letter}: {text}" for letter, text in table.keys)):
        if note:
            yield markdown_cell(note)
            yield ""


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = markdown_cell(cell.text)
    if cell.tone in ("better", "worse", "failed"):
        text = f"**{text}**"
    return f"{text} ({markdown_cell(cell.detail)})" if cell.detail else text


def _quote(quote: Quote) -> Iterator[str]:
    yield f"### {markdown_cell(quote.title)}"
    yield ""
    if quote.facts:
        yield markdown_cell(quote.facts)
        yield ""
    for table in quote.tables:
        yield from _table(table, deeper=True)
    for text in quote.texts:
        yield f"{markdown_cell(text.label)}:"
        yield ""
        yield fence(text.text)
        yield ""
