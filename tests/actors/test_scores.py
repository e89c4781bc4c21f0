"""Columns of scores, clusters, reference scores, histograms, tallies and the spool."""

import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.distributions import histograms
from crucible.actors.scores import ClusterIndex, Column, Columns
from crucible.actors.spool import Spool
from crucible.actors.system_tally import SystemTally
from crucible.messages.errors import OutputError
from crucible.messages.flow import Sample
from crucible.messages.records import Example, Output, Usage


def test_a_metric_that_appears_late_is_undefined_for_earlier_examples() -> None:
    columns = Columns("m", ClusterIndex())
    columns.add({"a": 1.0}, {"a": "x"})
    columns.add({"a": 2.0, "b": 3.0}, {"a": "x", "b": "y"})
    assert list(columns.values("a")) == [1.0, 2.0]
    assert math.isnan(columns.values("b")[0])
    assert columns.values("b")[1] == 3.0


def test_one_metric_of_two_methods_is_refused() -> None:
    columns = Columns("m", ClusterIndex())
    columns.add({"a": 1.0}, {"a": "lexical"})
    with pytest.raises(ValueError, match="two methods, lexical and nli"):
        columns.add({"a": 1.0}, {"a": "nli"})


def test_examples_of_one_group_share_a_cluster_and_ungrouped_ones_stand_alone() -> None:
    index = ClusterIndex()
    for group in ("x", "y", "x", None, None):
        index.add(group)
    clusters = index.clusters()
    assert clusters is not None
    assert clusters[0] == clusters[2] != clusters[1]
    assert len({clusters[i] for i in (0, 1, 3, 4)}) == 4


def test_groups_of_one_example_each_are_no_clusters() -> None:
    index = ClusterIndex()
    for group in ("x", "y"):
        index.add(group)
    assert index.clusters() is None


def test_histograms_share_their_edges_and_count_the_undefined() -> None:
    shapes = histograms("f1", [("m", [0.0, 1.0, math.nan]), ("b", [0.5, 0.5, 0.5])])
    assert [shape.system for shape in shapes] == ["m", "b"]
    assert shapes[0].edges == shapes[1].edges
    assert (shapes[0].counts[0], shapes[0].counts[-1], shapes[0].n_undefined) == (1, 1, 1)
    assert sum(shapes[1].counts) == 3


def test_a_spool_reads_back_any_order_and_leaves_no_file(tmp_path: Path) -> None:
    samples = [Sample(example=Example(id=str(i), input="x" * i)) for i in range(5)]
    spool = Spool(tmp_path)
    spool.append(samples[:3])
    spool.append(samples[3:])
    assert spool.read([4, 0, 3]) == [samples[4], samples[0], samples[3]]
    assert len(spool) == 5
    assert list(tmp_path.iterdir()) == []
    spool.close()


def output(latency: float = 1.0, **fields: object) -> Output:
    return Output(example_id="e", system="m", backend="b", latency_s=latency, **fields)  # type: ignore[arg-type]


def test_latency_percentiles_are_nearest_ranks() -> None:
    tally = SystemTally("b")
    for latency in range(1, 101):
        tally.add(output(float(latency)))
    assert tally.metrics()["latency_s"] == {"mean": 50.5, "p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}


def test_a_cost_that_is_unknown_once_is_unknown_in_all() -> None:
    tally = SystemTally("b")
    tally.add(output(cost_usd=0.5))
    assert tally.metrics()["cost_usd"] == 0.5
    tally.add(output())
    assert tally.metrics()["cost_usd"] is None


def test_the_cost_does_not_depend_on_the_order_of_the_answers() -> None:
    tallies = SystemTally("b"), SystemTally("b")
    for tally, costs in zip(tallies, ((0.1, 0.2, 0.3), (0.3, 0.2, 0.1)), strict=True):
        for cost in costs:  # added one by one: 0.6000000000000001 and 0.6
            tally.add(output(cost_usd=cost))
    assert tallies[0].metrics()["cost_usd"] == tallies[1].metrics()["cost_usd"]


def test_failures_and_retries_are_counted_apart() -> None:
    tally = SystemTally("b")
    tally.add(output(attempts=3, usage=Usage(prompt_tokens=5, completion_tokens=7)))
    tally.add(output(attempts=4, error="OverloadedError: busy"))
    metrics = tally.metrics()
    assert (metrics["asked"], metrics["failed"], metrics["retries"]) == (2, 1, 5)
    assert (metrics["prompt_tokens"], metrics["completion_tokens"]) == (5, 7)
    assert metrics["first_error"] == "OverloadedError: busy"


def test_a_folder_that_cannot_hold_waiting_rows_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere: cannot hold waiting rows: No such file or directory"):
        Spool(tmp_path / "nowhere")


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False, width=16), max_size=600))
def test_a_column_gives_back_exactly_what_it_was_given(values: list[float | None]) -> None:
    column = Column()
    for value in values:
        column.append(value)
    assert len(column) == len(values)
    got = [None if math.isnan(value) else value for value in column.values()]
    assert got == values


def test_a_column_of_few_values_takes_one_byte_a_score() -> None:
    column = Column()
    for number in range(100_000):
        column.append((0.0, 0.5, 1.0, None)[number % 4])
    assert sys.getsizeof(column._codes) < 120_000


def test_a_column_of_many_values_is_exact_too() -> None:
    column = Column(undefined=2)
    values = [number / 7 for number in range(1000)]
    for value in values:
        column.append(value)
    assert math.isnan(column.values()[1])
    assert list(column.values()[2:]) == values


def test_a_group_that_comes_late_counts_the_ungrouped_examples_before_it() -> None:
    index = ClusterIndex()
    for group in (None, None, "x", "x"):
        index.add(group)
    assert list(index.clusters() or ()) == [0, 1, 2, 2]
