"""Flowchart, sequence and timeline in Mermaid's language.

Whether Mermaid takes them was tried with Mermaid 11; here every line must be of a form that it took.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from crucible.adapters.tracing import StoredTrace
from crucible.adapters.tracing.flowchart import MAX_BOXES, flowchart
from crucible.adapters.tracing.query import Query
from crucible.adapters.tracing.sequence import sequence
from crucible.adapters.tracing.timeline import timeline

from .traces import hostile, raced, span, stored

INERT = r"[^\x00-\x1f\"#;:<>{}\[\]|%&`$\\]"
WORD = rf"{INERT}+"
Draw = Callable[[StoredTrace, Query], str]
FORMS: dict[Draw, list[str]] = {
    flowchart: [
        "flowchart LR",
        rf'    n\d+\["{INERT}+(<br/>{INERT}+)*"\]',
        rf'    d\d+\{{\{{"{INERT}+(<br/>{INERT}+)*"\}}\}}',
        r"    class n\d+ failed",
        r"    n\d+ -->\|\d+\| n\d+",
        r"    n\d+ -\.- d\d+",
        r'    more\["\d+ more sorts of spans are left out"\]',
        r"    classDef failed stroke:#b3261e,stroke-width:2px",
    ],
    sequence: [
        "sequenceDiagram",
        rf"    participant p\d+ as {WORD}",
        rf"    Note (over|right of) p\d+: {WORD}",
        rf"    p\d+(->>|-->>|-x|--x)p\d+: {WORD}",
    ],
    timeline: [
        "timeline",
        rf"    title {WORD}",
        rf"    section {WORD}",
        rf"        \d+\.\d{{3}} s( : {WORD})+",
    ],
}


def drawn(draw: Draw, trace: StoredTrace, *conditions: str) -> list[str]:
    return draw(trace, Query(conditions)).splitlines()


@pytest.mark.parametrize("draw", FORMS)
@pytest.mark.parametrize("spans", [raced(), hostile(), []], ids=["raced", "hostile", "empty"])
def test_every_line_has_a_form_that_mermaid_knows(draw: Draw, spans: list[object], tmp_path: Path) -> None:
    trace = stored(tmp_path, spans)  # type: ignore[arg-type]  # parametrised
    for line in drawn(draw, trace):
        assert any(re.fullmatch(form, line) for form in FORMS[draw]), line


def test_the_flowchart_joins_each_sort_of_span_to_what_it_is_part_of(tmp_path: Path) -> None:
    lines = drawn(flowchart, stored(tmp_path, raced()))
    boxes = {found[2]: found[1] for line in lines if (found := re.match(r'    (n\d+)\["([^<"]+)', line))}
    stage, requests, hedge = boxes["stage backend_call"], boxes["request model"], boxes["hedge model"]
    assert f"    {boxes['run race me']} -->|1| {stage}" in lines
    assert f"    {stage} -->|3| {requests}" in lines
    assert f"    {requests} -->|1| {hedge}" in lines
    assert f"    class {requests} failed" in lines
    assert any("request model<br/>3 spans, median 100 ms<br/>1 error" in line for line in lines)
    assert any("hedge<br/>1 x duplicate when late" in line for line in lines)


def test_the_flowchart_draws_a_bounded_number_of_boxes(tmp_path: Path) -> None:
    many = [span(number, name=f"model {number}") for number in range(8, 208)]
    lines = drawn(flowchart, stored(tmp_path, [*raced(), *many]))
    assert sum(line.startswith("    n") and "[" in line for line in lines) == MAX_BOXES
    assert any("more sorts of spans are left out" in line for line in lines)


def test_the_sequence_tells_a_race_in_the_order_it_happened(tmp_path: Path) -> None:
    lines = drawn(sequence, stored(tmp_path, raced()), "example=e4", "kind=request")
    assert [line.strip() for line in lines] == [
        "sequenceDiagram",
        "participant p0 as backend_call",
        "participant p1 as model",
        "Note over p0: request model e4 at 0.400 s - 81 ms",
        "p0->>p1: first model at 0 ms",
        "p0->>p1: hedge model at 20 ms",
        "p1-->>p0: ok after 60 ms",
        "p0-xp1: cancelled after 500 ms",
        "Note right of p0: hedge - duplicate when late - late is after 0.02 s",
        "Note right of p0: race - hedge model - first acceptable answer",
    ]


def test_the_sequence_shows_the_slowest_votes_with_the_requests_of_their_members(tmp_path: Path) -> None:
    votes = []
    for number in range(10, 50, 2):
        votes.append(span(number + 1, name="member", parent_id=number, start_s=0.3, end_s=0.31))
        votes.append(span(number, "vote", "vote jury", start_s=0.3, end_s=0.31 + number / 1000))
    lines = drawn(sequence, stored(tmp_path, [*raced(), *votes]))
    titles = [line for line in lines if "Note over" in line]
    assert [line.split()[5] for line in titles] == [f"e{number}" for number in range(48, 28, -2)]
    assert sum("->>p1: request" in line for line in lines) == 10
    assert "as member" in lines[2]


def test_the_timeline_begins_a_section_for_each_stage_and_tells_what_failed(tmp_path: Path) -> None:
    lines = drawn(timeline, stored(tmp_path, raced()))
    assert lines[:3] == ["timeline", "    title race me", "    section backend_call"]
    assert "        0.200 s : begins" in lines
    assert any("request model e7 fails - TimedOutError： no answer" in line for line in lines)
    assert any("race decides hedge model" in line for line in lines)
