r"""Document to LaTeX: the tables of numbers, for ``\input`` in a paper that loads booktabs and graphicx.

Only tables that are not folded away and hold a column of numbers; no plots, no texts of models. Columns of
long words (how a figure came about) become a note below the table, which fits on a page then. Every string
is escaped: a name can neither run a command nor break a row. The signs that the report itself writes are put
in ASCII; a name in another script needs an engine and a font that know it (LuaLaTeX, XeLaTeX).
"""

from __future__ import annotations

from collections.abc import Iterator

from .document import Cell, Document, Table
from .numbers import NONE, grouped
from .text import visible

__all__ = ["latex_text", "render_latex"]

SHRINK = r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi"
"""A table wider than the text becomes as wide as the text."""
LONG = 30
"""Signs of the widest cell of words that a table keeps."""

SIGNS = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
        "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"{\char34}", "`": r"\textasciigrave{}",
        "*": "{*}", "[": "{[}", "]": "{]}", "-": "{-}",
        "−": "$-$", "–": "--", "…": r"\dots{}", "×": r"$\times$", "·": r"$\cdot$", "⟨": r"$\langle$",
        "⟩": r"$\rangle$", "β": r"$\beta$", "α": r"$\alpha$", "₀": "$_0$", "₁": "$_1$", "₂": "$_2$",
        "²": "$^2$", "→": r"$\to$",
    }
)  # fmt: skip


def render_latex(document: Document) -> str:
    """One ``table`` environment for each table, in the order of the report."""
    lines = [f"% {' '.join(visible(document.title).split())}: needs \\usepackage{{booktabs,graphicx}}"]
    for section in document.sections:
        for table in section.tables:
            if table.numeric and not table.folded:
                lines += ["", *_table(section.key, table)]
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    """Plain text in one paragraph: no sign of it is read as LaTeX."""
    return " ".join(visible(text).split()).translate(SIGNS)


def _table(key: str, table: Table) -> Iterator[str]:
    shown = [index for index in range(len(table.heads)) if not _is_long(table, index)]
    columns = "".join("r" if index in table.numeric else "l" for index in shown)
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{latex_text(table.caption)}}}"
    yield rf"\label{{tab:{key}-{_slug(table.caption)}}}"
    yield r"\sbox0{%"
    yield rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}"
    yield r"\toprule"
    yield _row([latex_text(table.heads[index]) for index in shown])
    yield r"\midrule"
    for row in table.rows:
        yield _row([_cell(row[index]) for index in shown])
    yield r"\bottomrule"
    yield r"\end{tabular}}%"
    yield SHRINK
    notes = [_in_words(table, index) for index in range(len(table.heads)) if index not in shown]
    letters = "; ".join(f"{letter}: {text}" for letter, text in table.keys)
    for note in (*notes, letters, table.note):
        if note:
            yield rf"\par\smallskip{{\footnotesize {latex_text(note)}}}"
    yield r"\end{table}"


def _is_long(table: Table, index: int) -> bool:
    """Whether a column holds words that no page has room for; the first one names the rows and stays."""
    words = index > 0 and index not in table.numeric
    return words and any(len(row[index].text) > LONG for row in table.rows)


def _in_words(table: Table, index: int) -> str:
    found = grouped((row[0].text, row[index].text) for row in table.rows if row[index].text not in ("", NONE))
    return f"{table.heads[index].capitalize()}: {found}."


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    text = latex_text(cell.text)
    return f"{text} ({latex_text(cell.detail)})" if cell.detail else text


def _slug(caption: str) -> str:
    words = "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in caption.lower()).split()
    return "-".join(words[:4])
