"""The samples that a report shows."""

from __future__ import annotations

import msgspec

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.document import Quote, Section
from crucible.adapters.reports.excerpts import excerpt_section
from crucible.messages.findings import OutputScores
from crucible.messages.report import Excerpt, RunReport

from .conftest import make_sample

OTHERS = ("a", "b", "c", "d")


def excerpt(number: int, rank: str, *, other: str | None = None, text: str = "Paris") -> Excerpt:
    sample = make_sample(number, text)
    scores: dict[str, dict[str, float | None]] = {
        "tuned": {"claim_f1": 0.25, **dict.fromkeys(OTHERS, 0.5)},
        "lead": {"claim_f1": 1.0, **dict.fromkeys(OTHERS, None)},
    }
    both = tuple(OutputScores(system=name, scores=scores[name]) for name in ("lead", "tuned"))
    sample = msgspec.structs.replace(sample, scores=both)
    return msgspec.convert(
        {"rank": rank, "metric": "claim_f1", "score": 0.25, "sample": sample, "other": other}, Excerpt
    )


def shown(report: RunReport, *excerpts: Excerpt) -> tuple[Quote, ...]:
    section = excerpt_section(msgspec.structs.replace(report, excerpts=excerpts))
    assert isinstance(section, Section)
    return section.quotes


def test_what_was_compared_is_a_small_table_and_the_rest_is_folded(
    report: RunReport,
) -> None:
    (quote,) = shown(report, excerpt(1, "worst"))
    compared, rest = quote.tables
    assert compared.heads == ("score", "tuned", "lead")
    assert [[cell.text for cell in row] for row in compared.rows] == [["claim_f1", "0.250", "1.000"]]
    assert not compared.folded
    assert rest.folded
    assert rest.caption == "4 other scores of this sample"
    assert [row[2].text for row in rest.rows] == ["–"] * 4


def test_a_sample_on_which_the_systems_differ_names_both_scores(report: RunReport) -> None:
    (quote,) = shown(report, excerpt(1, "apart", other="lead"))
    assert quote.title == "Systems disagree most, claim_f1: 0.250 against 1.000 of lead"


def test_the_texts_of_a_sample_stand_once(report: RunReport) -> None:
    first, again = shown(report, excerpt(1, "worst"), excerpt(1, "apart", other="lead"))
    assert [text.label for text in first.texts] == ["input", "reference", "tuned", "lead"]
    assert again.texts == ()
    assert again.facts == "row-1 · its texts stand above"


def test_long_answers_are_open_in_the_first_sample_of_a_kind_only(report: RunReport) -> None:
    long = "x" * 400
    quotes = shown(
        report, *(excerpt(i, rank, text=long) for i, rank in enumerate(("worst", "worst", "best")))
    )
    assert [quote.texts[2].folded for quote in quotes] == [False, True, False]
    assert [quote.texts[1].folded for quote in quotes] == [False] * 3


def test_samples_stand_before_the_data(report: RunReport) -> None:
    keys = [section.key for section in build_document(report).sections]
    assert keys.index("excerpts") < keys.index("data")
