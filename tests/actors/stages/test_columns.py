from crucible.actors.stages.columns import SystemColumns
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.experiment import StatsConfig
from crucible.messages.findings import OutputScores
from crucible.messages.flow import Sample
from crucible.messages.records import Example, Output


def filled(rows: list[dict[str, float | None]]) -> SystemColumns:
    columns = SystemColumns()
    for number, scores in enumerate(rows):
        name = f"r{number}"
        output = Output(example_id=name, system="model", backend="mock", text="x")
        sample = Sample(example=Example(id=name, input="x"), outputs=(output,))
        methods = dict.fromkeys(scores, "counted")
        columns.add(sample, [OutputScores(system="model", scores=scores, methods=methods)])
    return columns


def test_counts_and_shares_of_the_same_values_have_their_own_intervals() -> None:
    columns = filled([{"loops": float(n == 0), "looped": float(n == 0)} for n in range(6)])
    count, share = columns.summarize(
        PairedStatistics(), StatsConfig(), 0, unbounded=frozenset(), counts=frozenset({"loops"})
    )
    assert count.value == share.value
    assert count.interval is not None
    assert (count.interval.low, count.interval.method) == (0.0, "t(5), cut at 0")
    assert share.interval is not None
    assert share.interval.method == "Wilson"
    assert {count.method, share.method} == {"counted"}


def test_without_a_score_they_are_empty() -> None:
    assert SystemColumns().empty
    assert filled([{}]).empty
    assert not filled([{"loops": None}]).empty
