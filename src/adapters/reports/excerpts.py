"""The section of samples to read: the worst, the best, and those on which the systems stand furthest apart.

Called by ``build``. Which samples these are was decided while they passed (``actors.stages.report_picks``).
"""

from __future__ import annotations

from collections.abc import Sequence

from ...actors.reference import right_answers
from ...messages.findings import OutputScores
from ...messages.report import Excerpt, RunReport
from .document import Cell, Quote, QuotedText, Section, Table
from .glossary import named
from .inputs import MAX_ANSWER, MAX_INPUT, MAX_WORD
from .numbers import figure
from .overview import all_comparisons, model_name
from .text import clip

__all__ = ["excerpt_section"]

FEW = 3
"""Other scores up to which they are shown with those that were compared."""
LONG, SHORT = 700, 200
"""Characters from which a text is folded away, in the first sample of its kind and in the others."""


def excerpt_section(report: RunReport) -> Section | None:
    """Texts in full up to a limit, each sample once; the rest is in ``samples.jsonl``."""
    if not report.excerpts:
        return None
    compared = list(dict.fromkeys(comparison.metric for comparison in all_comparisons(report)))
    shown: set[str] = set()
    quotes = []
    for place, excerpt in enumerate(report.excerpts):
        again = excerpt.sample.example.id in shown
        shown.add(excerpt.sample.example.id)
        first = place == 0 or report.excerpts[place - 1].rank != excerpt.rank
        texts = () if again else _texts(excerpt, model_name(report), folded=not first)
        quotes.append(_quote(excerpt, texts, _tables(excerpt, model_name(report), compared, again=again)))
    return Section(
        key="excerpts",
        title="Samples to read",
        lead=f"Ranked by {report.excerpts[0].metric}. Texts are shown as they are and cut where long;"
        " samples.jsonl has every sample in full.",
        quotes=tuple(quotes),
    )


def _quote(excerpt: Excerpt, texts: tuple[QuotedText, ...], tables: tuple[Table, ...]) -> Quote:
    name = clip(excerpt.sample.example.id, MAX_WORD)
    return Quote(
        title=_title(excerpt),
        facts=name if texts else f"{name} · its texts stand above",
        texts=texts,
        tone={"worst": "worse", "best": "better"}.get(excerpt.rank, ""),
        tables=tables,
    )


def _title(excerpt: Excerpt) -> str:
    if excerpt.other is None:
        return f"{excerpt.rank.capitalize()} {excerpt.metric}, {figure(excerpt.score)}"
    scores = next(each.scores for each in excerpt.sample.scores if each.system == excerpt.other)
    against = f"{figure(excerpt.score)} against {figure(scores[excerpt.metric])} of {excerpt.other}"
    return f"Systems disagree most, {excerpt.metric}: {against}"


def _texts(excerpt: Excerpt, model: str, *, folded: bool) -> tuple[QuotedText, ...]:
    """Input, reference and answers; of all but the first sample of a kind only short ones stay open."""
    example = excerpt.sample.example
    texts = [QuotedText("input", clip(example.input, MAX_INPUT))]
    texts += (_text("reference", answer, folded=folded) for answer in right_answers(example))
    texts += (
        _text(each.system, each.text if each.error is None else f"no answer: {each.error}", folded=folded)
        for each in sorted(excerpt.sample.outputs, key=lambda each: each.system != model)
    )
    return tuple(texts)


def _text(label: str, text: str, *, folded: bool) -> QuotedText:
    return QuotedText(label, clip(text, MAX_ANSWER), folded=len(text) > (SHORT if folded else LONG))


def _tables(excerpt: Excerpt, model: str, compared: Sequence[str], *, again: bool) -> tuple[Table, ...]:
    """The compared scores of all systems, and the others folded away."""
    scored = sorted(excerpt.sample.scores, key=lambda each: each.system != model)
    names = list(dict.fromkeys(name for each in scored for name in each.scores))
    first = [name for name in (excerpt.metric, *compared) if name in names]
    rest = [name for name in names if name not in first]
    if len(rest) <= FEW:
        first, rest = first + rest, []
    tables = [_score_table("Scores of this sample", first, scored)] if first else []
    if rest and not again:
        tables.append(_score_table(f"{len(rest)} other scores of this sample", rest, scored, folded=True))
    return tuple(tables)


def _score_table(
    caption: str, names: Sequence[str], scored: Sequence[OutputScores], *, folded: bool = False
) -> Table:
    """One row for each score; one that is not defined for a system is a dash."""
    rows = tuple(
        (named(name), *(Cell(figure(each.scores.get(name))) for each in scored))
        for name in dict.fromkeys(names)
    )
    heads = ("score", *(each.system for each in scored))
    return Table(caption, heads, rows, frozenset(range(1, len(heads))), folded=folded)
