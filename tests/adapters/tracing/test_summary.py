"""Figures of a trace, and the lines that tell them."""

from array import array
from pathlib import Path
from typing import get_args

import pytest

from crucible.adapters.tracing.diff import diff_traces
from crucible.adapters.tracing.relations import check_relations
from crucible.adapters.tracing.summary import KINDS, Sort, quantile, summarize
from crucible.adapters.tracing.text import diff_lines, relation_lines, span_lines, summary_lines
from crucible.messages.trace import Decision, SpanKind

from .traces import HOSTILE, hostile, raced, span, stored

SPANS = [each for each in raced() if each.status != "open"]


def test_spans_are_counted_by_stage_kind_and_name() -> None:
    summary = summarize(SPANS)
    requests = summary.groups[Sort("backend_call", "request", "model")]
    assert (len(requests.seconds), requests.statuses) == (3, {"ok": 2, "error": 1})
    assert summary.spans == 7
    assert summary.end_s == 1.2


def test_stages_stand_in_the_order_they_began_and_the_whole_before_its_parts() -> None:
    early = span(9, "stage", "load", lane="load", start_s=0.0)
    ordered = [sort for sort, _ in summarize([*SPANS, early]).ordered()]
    assert [sort.stage for sort in ordered] == ["", "load", *["backend_call"] * 4]
    assert [sort.kind for sort in ordered[2:]] == ["stage", "request", "attempt", "hedge"]
    assert set(KINDS) == set(get_args(SpanKind))


def test_tokens_and_cost_are_those_of_the_calls() -> None:
    summary = summarize([*SPANS, span(9, "vote", attributes={"cost_usd": 7.0})])
    assert (summary.input_tokens, summary.output_tokens, summary.cost_usd) == (20, 10, 1.0)


def test_choices_are_counted_up_to_a_bound() -> None:
    many = [span(3, decisions=(Decision(kind="vote", chosen=str(number % 1500)),)) for number in range(3000)]
    chosen = summarize(many).decisions["vote"]
    assert (len(chosen), chosen["7"], chosen["others"]) == (1001, 2, 1000)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.75, 3), (0.99, 4), (1.0, 4)])
def test_a_quantile_is_the_nearest_rank(share: float, value: float) -> None:
    assert quantile(array("d", [1, 2, 3, 4]), share) == value


def test_the_lines_of_a_summary_tell_decisions_and_calls() -> None:
    lines = list(summary_lines(summarize(SPANS), cut_off=True))
    assert lines[:2] == ["r: 7 spans in 1.20 s", "the trace is cut off: the run was killed or still works"]
    row = next(line for line in lines if "request" in line)
    assert row.split() == ["backend_call", "request", "model", "3", "1", *["100", "ms"] * 3]
    assert "  1 x duplicate when late" in lines
    assert lines[-1] == "calls: 20 input tokens, 10 output tokens, 1 USD"


def test_a_span_is_told_on_a_line_with_its_decisions_below() -> None:
    hedge = "hedge: duplicate when late, because late is after 0.02 s"
    told = [line.strip() for each in SPANS if each.id in (4, 7) for line in span_lines(each)]
    assert told == [
        "0.4000 s      81 ms  #4 backend_call request model  e4",
        f"{hedge}; instead of no duplicate; confidence 0.95",
        "race: hedge model, because first acceptable answer; instead of first model",
        "0.5000 s     100 ms  #7 backend_call request model  e7  error  TimedOutError: no answer",
    ]


def test_no_text_of_a_run_gets_hidden_signs_or_further_lines_into_the_terminal(tmp_path: Path) -> None:
    spans = hostile()
    lines = [
        *summary_lines(summarize(spans), cut_off=False),
        *(line for each in spans for line in span_lines(each)),
        *diff_lines(diff_traces(spans, SPANS)),
        *relation_lines(tmp_path, check_relations(stored(tmp_path, [*spans[:4], spans[0]]))),
    ]
    assert any("alert(1)" in line for line in lines)
    assert not [line for line in lines if not line.isprintable()]
    assert not [text for text in HOSTILE if "\n" in text and text in "\n".join(lines)]


def test_a_diff_says_what_changed_and_how_often() -> None:
    lines = list(diff_lines(diff_traces(SPANS, [*SPANS[1:], span(9, name="large")])))
    assert "6 spans in both; 1 only in the second, 1 only in the first" in lines
    assert "  backend_call request large e9: ok, 100 ms" in lines
    assert list(diff_lines(diff_traces(SPANS, SPANS)))[-1] == "7 spans in both; no differences"
