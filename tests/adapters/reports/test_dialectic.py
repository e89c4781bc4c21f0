"""The section on the dialectic and its two plots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.document import Section
from crucible.adapters.reports.html import render_html
from crucible.adapters.reports.markdown import render_markdown
from crucible.adapters.reports.plots import draw_plots
from crucible.messages.claims import Challenge, Provenance, Relation, Sno
from crucible.messages.dialectic import Assessment
from crucible.messages.flow import StageResult
from crucible.messages.records import Dialectic, DialecticRound
from crucible.messages.report import RunReport, ShownDialectic

HOSTILE = "<script>alert(1)</script> | `x` \u202e **bold** ]]> &amp; $a_b$"


def argument(text: str = "Bees like hedges.", method: str = "heuristic", rounds: int = 1) -> Dialectic:
    def measured(score: float) -> Assessment:
        return Assessment(
            score=score, level="good", critics={}, method="", confidence=0.5, coherence=0.5, evidence=1.0
        )

    def made(name: str) -> Sno:
        part = Sno(id=f"{name}/c2", claim=text)
        relation = Relation(source=part.id, label="refutes", target=name)
        by = Provenance(origin="proposer", method=method)
        return Sno(id=name, claim=f"{name} {text}", provenance=by, children=(part,), relations=(relation,))

    challenge = Challenge(id="k1", target="t", type="evidence_gap", description=text, method=method)
    held = tuple(
        DialecticRound(
            number=n, challenges=(challenge,) * 5, antithesis=made(f"rival {n}"),
            synthesis=made(f"both {n}"), assessment=measured(0.7),
        )
        for n in range(1, rounds + 1)
    )  # fmt: skip
    return Dialectic(
        thesis=made("first"), assessment=measured(0.6), steps=(), rounds=held, reason="settled",
        why="text changed by 0.001", chosen=rounds,
    )  # fmt: skip


def stage(*shown: Dialectic, **changes: Any) -> StageResult:
    round_ = {"low": 0.5, "high": 0.7, "level": 0.95, "n": 24, "interval_by": "t(23)"}
    none = {"low": None, "high": None, "level": None, "interval_by": "none: all 24 values are equal"}
    metrics: dict[str, Any] = {
        "examples": 24,
        "thesis_score": 0.6,
        "answer_score": 0.7,
        "reasons": {"settled": 20, "max_rounds": 4},
        "rounds": {"1": 20, "2": 4},
        "by_round": [
            {"round": 0, "score": 0.6, "reached": 24, **round_},
            {"round": 1, "score": 0.65, "reached": 24, **round_},
            {"round": 2, "score": 0.7, "reached": 4, "n": 24, **none},
        ],
        "challenges": {"evidence_gap": 30},
        "resolutions": {"accepted": 20, "pending": 10},
        "fallbacks": {},
        "shown": [
            msgspec.to_builtins(ShownDialectic(example_id=f"row {n}", system="tuned", dialectic=each))
            for n, each in enumerate(shown)
        ],
        **changes,
    }
    return StageResult(stage="dialectic", status="completed", metrics=metrics)


def agents(**fallbacks: str) -> dict[str, Any]:
    asked = {
        "backend": "openai", "failed": 1, "latency_s": {"p50": 0.02}, "prompt_tokens": 100,
        "completion_tokens": 20, "cost_usd": None,
    }  # fmt: skip
    return {
        name: {
            "steps": 24,
            "by_rules": 24 if name == "synthesizer" else 3,
            "fallbacks": 3 * (name in fallbacks),
            "first_fallback": fallbacks.get(name), "with_unread_lines": 2,
            **({} if name == "synthesizer" else {"requests": asked}),
        }
        for name in ("proposer", "antagonist", "synthesizer")
    }  # fmt: skip


@pytest.fixture
def argued(report: RunReport) -> Callable[..., RunReport]:
    def make(found: StageResult, **told: Any) -> RunReport:
        stages = [
            msgspec.structs.replace(each, metrics={**each.metrics, "dialectic": told})
            if each.stage == "backend_call"
            else each
            for each in report.stages
        ]
        return msgspec.structs.replace(report, stages=(*stages, found))

    return make


def section(report: RunReport) -> Section | None:
    return next((each for each in build_document(report).sections if each.key == "dialectic"), None)


def test_a_run_without_arguments_has_no_section(report: RunReport) -> None:
    assert section(report) is None


def test_the_section_says_how_it_ended_what_the_critics_say_and_who_went_by_rules(
    argued: Callable[..., RunReport],
) -> None:
    found = section(argued(stage(argument()), **agents(antagonist="the reply holds nothing")))
    assert found is not None
    assert "give the theses 0.600 and the answers 0.700" in found.lead
    assert "The synthesizer went by rules (heuristic); no model was asked." in found.lead
    assert "said nothing of use: antagonist 3 times" in found.lead
    assert "not truth" in found.lead
    tables = {table.caption: table for table in found.tables}
    assert [cell.text for cell in tables["Why it ended"].rows[0]] == [
        "text and score no longer changed", "20", "83.3 %",
    ]  # fmt: skip
    assert [cell.text for cell in tables["Score by round"].rows[2]] == [
        "round 2",
        "0.700",
        "–",
        "24",
        "4",
        "none: all 24 values are equal",
    ]
    assert [cell.text for cell in tables["Agents"].rows[1]][:7] == [
        "antagonist", "openai", "24", "3", "3", "2", "1",
    ]  # fmt: skip
    assert tables["Agents"].note == "First reason why rules stood in. antagonist: the reply holds nothing."


def test_an_example_is_quoted_from_thesis_to_synthesis(argued: Callable[..., RunReport]) -> None:
    found = section(argued(stage(argument())))
    assert found is not None
    (quote,) = found.quotes
    assert quote.title == "row 0, critics' score 0.600 → 0.700"
    assert [text.label for text in quote.texts] == [
        "thesis, heuristic", "round 1, challenges", "round 1, antithesis, heuristic",
        "round 1, synthesis, heuristic",
    ]  # fmt: skip
    assert quote.texts[3].text == "both 1 Bees like hedges.\n  refutes: Bees like hedges."


def test_both_plots_are_drawn_and_described(argued: Callable[..., RunReport]) -> None:
    plots = draw_plots(argued(stage(argument(rounds=4))), {"dialectic", "argument"})
    (score,), (boxes,) = plots["dialectic"], plots["argument"]
    assert score.description.endswith("thesis: 0.600; round 1: 0.650; round 2: 0.700.")
    assert "95 % intervals" in score.caption
    assert boxes.description.index("thesis, heuristic") < boxes.description.index("antithesis, heuristic")
    assert "2 more rounds are not drawn." in boxes.caption
    assert "… 2 more" in boxes.svg


def test_one_round_or_nothing_objected_is_no_plot(argued: Callable[..., RunReport]) -> None:
    alone = stage(argument(rounds=0))
    alone.metrics["by_round"] = alone.metrics["by_round"][:1]
    plots = draw_plots(argued(alone), {"dialectic", "argument"})
    assert plots == {"dialectic": [], "argument": []}


@pytest.mark.parametrize("text", [HOSTILE, "x" * 5_000, "\x00" * 20, "漢字 " * 200])
def test_text_of_unknown_origin_stays_text_in_every_format(
    argued: Callable[..., RunReport], text: str
) -> None:
    report = argued(stage(argument(text, method=text[:30] or "m")), **agents(proposer=text or "x"))
    document = build_document(report)
    page = render_html(document, report)
    for written in (page, render_markdown(document)):
        assert "\u202e" not in written
        assert "\x00" not in written
    assert "<script>" not in page
    assert 'id="argument-' in page
