"""Which requests and rows a report shows."""

from __future__ import annotations

import msgspec
import pytest

from crucible.actors.stages.report_picks import (
    DisagreementPicker,
    ExcerptPicker,
    ReportOptions,
    SlowestPicker,
)
from crucible.messages.experiment import BackendRef, Experiment, StageDef
from crucible.messages.findings import OutputScores
from crucible.messages.flow import Sample
from crucible.messages.records import Ballots, Cached, Example, Output, Race
from crucible.stage_types import compared


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


def scored(row: str, **systems: float | None) -> Sample:
    found = tuple(OutputScores(system=name, scores={"f1": value}) for name, value in systems.items())
    return Sample(example=Example(id=row, input="?"), scores=found)


def test_the_samples_on_which_another_system_differs_most_are_shown_with_its_name() -> None:
    picker = ExcerptPicker(ReportOptions(excerpts=2), "m", ("f1",))
    for each in (
        scored("same", m=0.5, a=0.5),
        scored("near", m=0.5, a=0.4, b=0.45),
        scored("far", m=0.2, a=0.3, b=0.9),
        scored("none", m=0.2, a=None),
        scored("won", m=1.0, a=0.5),
    ):
        picker.add(each)
    found = [(e.sample.example.id, e.score, e.other) for e in picker.excerpts() if e.rank == "apart"]
    assert found == [("far", 0.2, "b"), ("won", 1.0, "a")]


def test_no_sample_stands_apart_where_all_systems_score_the_same() -> None:
    picker = ExcerptPicker(ReportOptions(), "m", ("f1",))
    picker.add(scored("same", m=1.0, a=1.0))
    assert [each.rank for each in picker.excerpts()] == ["worst"]


@pytest.mark.parametrize(
    ("options", "expected"), [({"metrics": ["exact_match", "f1"]}, ("exact_match", "f1")), ({}, ())]
)
def test_samples_are_ranked_by_what_bench_is_told_to_compare(
    options: dict[str, object], expected: tuple[str, ...]
) -> None:
    pipeline = (StageDef(name="bench", options=options), StageDef(name="report"))
    assert compared(Experiment(id="e", backend=BackendRef(id="mock"), pipeline=pipeline)) == expected
