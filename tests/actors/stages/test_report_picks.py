"""Which requests and rows a report shows."""

from __future__ import annotations

import msgspec

from crucible.actors.stages.report_picks import DisagreementPicker, SlowestPicker
from crucible.messages.flow import Sample
from crucible.messages.records import Ballots, Cached, Example, Output, Race


def asked(row: str, system: str, latency_s: float, *, raced: bool = True) -> Output:
    race = Race(winner="first") if raced else None
    return Output(example_id=row, system=system, backend="b", latency_s=latency_s, race=race)


def voted(row: str, agreement: float | None, *members: Output) -> Output:
    ballots = Ballots(status="decided", strategy="majority", reason="", members=members, agreement=agreement)
    return Output(example_id=row, system="jury", backend="ensemble", latency_s=100.0, ballots=ballots)


def sample(row: str, *outputs: Output) -> Sample:
    return Sample(example=Example(id=row, input="?"), outputs=outputs)


def test_the_slowest_requests_are_those_of_members_too_and_no_votes() -> None:
    picker = SlowestPicker(3)
    for i in range(20):
        picker.add(sample(f"r{i}", asked(f"r{i}", "lead", i / 10)))
    picker.add(sample("v", voted("v", 1.0, asked("v", "a", 9.0), asked("v", "b", 0.1))))
    found = [(each.example_id, each.system, each.ensemble, each.latency_s) for each in picker.requests()]
    assert found == [("v", "a", "jury", 9.0), ("r19", "lead", None, 1.9), ("r18", "lead", None, 1.8)]


def test_an_answer_from_the_cache_is_no_request() -> None:
    picker = SlowestPicker(3)
    cached = msgspec.structs.replace(asked("r0", "lead", 0.0), cached=Cached(latency_s=9.0))
    picker.add(sample("r0", cached))
    picker.add(sample("r1", asked("r1", "lead", 0.5)))
    assert [each.example_id for each in picker.requests()] == ["r1"]


def test_of_equally_slow_requests_the_first_are_kept() -> None:
    picker = SlowestPicker(2)
    for i in range(5):
        picker.add(sample(f"r{i}", asked(f"r{i}", "lead", 1.0)))
    assert [each.example_id for each in picker.requests()] == ["r0", "r1"]


def test_a_run_that_neither_races_nor_votes_shows_none() -> None:
    picker = SlowestPicker(3)
    picker.add(sample("r", asked("r", "lead", 1.0, raced=False)))
    assert picker.requests() == ()


def test_the_rows_with_the_least_agreement_are_shown_and_never_full_agreement() -> None:
    picker = DisagreementPicker(10)
    for row, agreement in (("a", 1.0), ("b", 0.5), ("c", 0.4), ("d", None), ("e", 0.5)):
        picker.add(sample(row, voted(row, agreement)))
    assert [each.example.id for each in picker.rows()] == ["c", "b", "e"]


def test_none_may_be_asked_for() -> None:
    slowest, rows = SlowestPicker(0), DisagreementPicker(0)
    for picker in (slowest, rows):
        picker.add(sample("v", voted("v", 0.5, asked("v", "a", 9.0))))
    assert (slowest.requests(), rows.rows()) == ((), ())
