"""What differs between two runs."""

from typing import Any

import msgspec

from crucible.adapters.tracing.diff import TraceDiff, diff_traces
from crucible.messages.trace import Decision, Span

from .traces import raced, span

BEFORE = [each for each in raced() if each.status != "open"]


def after(number: int, **changes: Any) -> TraceDiff:
    spans = [msgspec.structs.replace(each, **changes) if each.id == number else each for each in BEFORE]
    return diff_traces(BEFORE, spans)


def test_equal_traces_do_not_differ() -> None:
    found = diff_traces(BEFORE, BEFORE)
    assert (found.same, found.counts, found.listed) == (7, {}, {})


def test_ids_do_not_matter_but_stage_kind_name_and_example_do() -> None:
    renumbered = [msgspec.structs.replace(each, id=each.id + 100) for each in BEFORE]
    assert not diff_traces(BEFORE, renumbered).counts
    found = after(3, attributes={"example": "other"})
    assert found.counts == {"new": 1, "missing": 1}
    assert (found.listed["new"][0].example, found.listed["missing"][0].example) == ("other", "e3")


def test_the_nth_of_its_sort_is_compared_with_the_nth() -> None:
    once, twice = [span(3)], [span(3), span(4, attributes={"example": "e3"})]
    assert diff_traces(once, twice).counts == {"new": 1}
    assert diff_traces(twice, once).counts == {"missing": 1}


def test_a_span_is_slower_only_when_the_difference_is_worth_telling() -> None:
    assert after(3, end_s=0.3 + 0.149).counts == {}
    slower = after(3, end_s=0.3 + 0.2)
    assert slower.counts == {"slower": 1}
    assert slower.listed["slower"][0][2:] == ("100 ms", "200 ms")


def test_the_slowest_twenty_are_listed_the_worst_first() -> None:
    fast = [span(number, start_s=0, end_s=0.1) for number in range(50)]
    slow = [span(number, start_s=0, end_s=0.2 + number / 10) for number in range(50)]
    found = diff_traces(fast, slow)
    assert found.counts == {"slower": 50}
    assert [change.example for change in found.listed["slower"]] == [f"e{n}" for n in range(49, 29, -1)]


def test_another_status_and_another_decision_are_told() -> None:
    assert after(7, status="ok").listed["status"][0][2:] == ("error", "ok")
    found = after(4, decisions=(Decision(kind="hedge", chosen="no duplicate"),))
    assert found.listed["decision"][0][2:] == (
        "hedge: duplicate when late, race: hedge model",
        "hedge: no duplicate",
    )


def test_times_stand_side_by_side() -> None:
    pace = next(each for each in after(3, name="large").paces if each.sort.name == "large")
    assert (pace.before[0], pace.after[0]) == (0, 1)
    pace = next(each for each in diff_traces(BEFORE, BEFORE).paces if each.sort.kind == "request")
    assert [round(value, 3) for value in pace.before] == [3, 0.1, 0.1]


def test_batches_are_told_apart_by_their_number() -> None:
    def batch(number: int, batch: int) -> Span:
        return span(number, "batch", "data_load", attributes={"batch": batch, "rows": 3})

    found = diff_traces([batch(3, 0), batch(4, 1)], [batch(3, 1)])
    assert found.counts == {"missing": 1}
    assert found.listed["missing"][0].example == "batch 0"
