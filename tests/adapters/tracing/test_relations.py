"""Whether spans fit together."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.tracing import StoredTrace
from crucible.adapters.tracing.relations import Relations, check_relations
from crucible.messages.errors import DatasetError
from crucible.messages.trace import Span

from .traces import raced, span, stored


def changed(number: int, **changes: Any) -> list[Span]:
    return [
        msgspec.structs.replace(each, **changes) if each.id == number and each.status != "open" else each
        for each in raced()
    ]


def found(folder: Path, spans: Sequence[Span]) -> Relations:
    return check_relations(stored(folder, spans))


def test_a_sound_trace_has_no_problem_though_a_loser_outlives_its_request(tmp_path: Path) -> None:
    checked = found(tmp_path, raced())
    assert (checked.problems, checked.count, checked.spans) == ([], 0, 7)


@pytest.mark.parametrize(
    ("spans", "problem"),
    [
        (changed(3, parent_id=99), "span 3 (request 'model'): its parent 99 is not in the trace"),
        (changed(3, parent_id=3), "span 3 (request 'model'): is its own ancestor"),
        (changed(3, start_s=0.1), "span 3 (request 'model'): begins 0.1 s before its parent 2"),
        (changed(3, end_s=1.05), "span 3 (request 'model'): ends 0.05 s after its parent 2"),
        (changed(7, id=3), "span 3 (request 'model'): another span has its id"),
        (changed(2, parent_id=None), "2 spans have no parent: expected one, the run"),
        (
            changed(5, status="ok", attributes={}),
            "span 5 (attempt 'first model'): ends 0.419 s after its parent 4",
        ),
    ],
)
def test_each_fault_is_found_and_named(tmp_path: Path, spans: list[Span], problem: str) -> None:
    assert found(tmp_path, spans).problems == [problem]


def test_a_loser_that_was_let_run_may_end_after_its_request(tmp_path: Path) -> None:
    assert found(tmp_path, changed(5, status="ok")).problems == []


def test_a_cycle_names_its_spans_and_not_those_that_hang_from_it(tmp_path: Path) -> None:
    checked = found(tmp_path, changed(4, parent_id=6))
    assert checked.problems == [
        "span 6 (hedge 'hedge model'): is its own ancestor",
        "span 4 (request 'model'): is its own ancestor",
    ]


def test_a_span_that_hangs_from_a_cycle_is_not_in_it(tmp_path: Path) -> None:
    looped = [span(3, parent_id=6), span(6, parent_id=7), span(7, parent_id=6)]
    kept = [each for each in raced() if each.id not in (3, 6, 7)]
    own = [each for each in found(tmp_path, [*kept, *looped]).problems if "its own ancestor" in each]
    assert [problem.split(" (")[0] for problem in own] == ["span 6", "span 7"]


def test_a_trace_without_a_run_says_so(tmp_path: Path) -> None:
    checked = found(tmp_path, [span(3, parent_id=3)])
    assert checked.problems[0] == "0 spans have no parent: expected one, the run"


def test_a_trace_that_is_cut_off_lacks_only_what_was_under_way(tmp_path: Path) -> None:
    whole = stored(tmp_path, [*raced()[:2], raced()[3]])
    cut = tmp_path / "cut"
    cut.write_bytes(whole.path.read_bytes()[:-3])
    checked = check_relations(StoredTrace(cut))
    assert (checked.problems, checked.lost_parents, checked.cut_off) == ([], 1, True)


def test_many_problems_are_counted_and_the_first_hundred_listed(tmp_path: Path) -> None:
    orphans = [span(number, parent_id=1000) for number in range(10, 260)]
    checked = found(tmp_path, [*raced(), *orphans])
    assert (checked.count, len(checked.problems)) == (250, 100)


def test_ids_that_no_counter_gave_are_refused_before_they_cost_memory(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the span id 4000000000"):
        found(tmp_path, [span(4_000_000_000)])


def test_memory_is_a_few_bytes_for_each_span(tmp_path: Path) -> None:
    trace = stored(
        tmp_path, [*raced(), *(span(number, start_s=0.3, end_s=0.4) for number in range(8, 8_008))]
    )
    tracemalloc.start()
    checked = check_relations(trace)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert checked.problems == []
    assert peak < 8_000 * 80
