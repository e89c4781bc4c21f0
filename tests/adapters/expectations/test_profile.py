"""Profiles: figures against a plain computation, fixed memory, and whole data sets."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.datasets.indexed import IndexedDataset
from crucible.adapters.datasets.memory import MemoryLoader, MemoryOptions
from crucible.adapters.expectations import DataCheckOptions, check_dataset, profile_dataset
from crucible.adapters.expectations.profile import MAX_FIELDS, Profile
from crucible.adapters.expectations.sketches import RESERVOIR_SIZE, DistinctSketch, Summary
from crucible.messages.experiment import DatasetRef
from crucible.messages.records import Example


def open_rows(rows: list[dict[str, Any]], **options: Any) -> IndexedDataset:
    decoded = msgspec.convert({"rows": rows, **options}, MemoryOptions)
    return MemoryLoader().open(DatasetRef(name="set", split="all"), decoded, seed=0, base=Path())


def report(*examples: Example) -> dict[str, Any]:
    profile = Profile()
    for example in examples:
        profile.add(example)
    result = profile.report()
    assert json.loads(json.dumps(result)) == result
    return result


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=200))
def test_a_summary_equals_the_plain_computation(values: list[float]) -> None:
    summary = Summary()
    for value in values:
        summary.add(value)
    figures = summary.report()
    assert figures is not None
    assert (figures["min"], figures["max"], figures["n"]) == (min(values), max(values), len(values))
    assert figures["mean"] == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert figures["stdev"] == pytest.approx(statistics.stdev(values), abs=1e-4)
    assert figures["p50"] == pytest.approx(statistics.median(values), abs=1e-9)
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    assert figures["p95"] == pytest.approx(cuts[18], abs=1e-6)


def test_quantiles_of_many_values_come_from_a_uniform_sample_and_say_so() -> None:
    summary = Summary()
    for value in range(20_000):
        summary.add(value)
    figures = summary.report()
    assert figures is not None
    assert not figures["quantiles_exact"]
    assert len(summary._reservoir) == RESERVOIR_SIZE
    assert figures["p50"] == pytest.approx(10_000, rel=0.1)
    assert figures["p95"] == pytest.approx(19_000, rel=0.03)


def test_nothing_added_gives_no_figures() -> None:
    assert Summary().report() is None


@pytest.mark.parametrize("distinct", [10, 1023])
def test_few_distinct_values_are_counted_exactly(distinct: int) -> None:
    sketch = DistinctSketch()
    for i in range(5000):
        sketch.add(str(i % distinct))
    assert (sketch.count, sketch.exact) == (distinct, True)


def test_many_distinct_values_are_estimated() -> None:
    sketch = DistinctSketch()
    for i in range(20_000):
        sketch.add(str(i))
        sketch.add(str(i // 2))
    assert not sketch.exact
    assert sketch.count == pytest.approx(20_000, rel=0.1)


def test_a_field_is_described_by_count_type_length_and_variety() -> None:
    result = report(
        Example(
            id="a", input="one two", reference="x", fields={"tag": "t", "n": 1, "m": {"docs": ["1", "2"]}}
        ),
        Example(id="b", input="three", fields={"tag": "t", "n": 4}),
        Example(id="c", input="äö", reference="", fields={"tag": "u", "n": None}),
    )
    fields = result["fields"]
    assert (fields["input"]["count"], fields["input"]["distinct"]) == (3, 3)
    assert (fields["input"]["chars"]["min"], fields["input"]["chars"]["max"]) == (2, 7)
    assert fields["input"]["words"]["mean"] == pytest.approx(4 / 3)
    assert (fields["reference"]["count"], fields["reference"]["missing"]) == (1, 2)
    assert fields["tag"]["top"] == [{"value": "t", "count": 2}, {"value": "u", "count": 1}]
    assert (fields["n"]["types"], fields["n"]["numbers"]["mean"]) == ({"integer": 2}, 2.5)
    assert (fields["m.docs"]["items"]["max"], fields["m.docs"]["missing"]) == (2, 2)
    assert result["complete_share"] == pytest.approx(10 / 15)


def test_texts_that_are_all_different_have_no_top_values() -> None:
    fields = report(Example(id="a", input="p"), Example(id="b", input="q"))["fields"]
    assert "top" not in fields["input"]


def test_splits_groups_and_repeated_inputs_are_counted() -> None:
    result = report(
        Example(id="a", input="p", split="train", group="g", reference="c"),
        Example(id="b", input="p", split="test", group="h"),
        Example(id="c", input="pp", split="train", group="g"),
    )
    assert result["splits"]["train"]["rows"] == 2
    assert result["splits"]["train"]["input_chars"]["mean"] == 1.5
    assert result["splits"]["test"]["reference_chars"] is None
    assert (result["groups"], result["repeated_inputs"], result["inputs_in_two_splits"]) == (2, 1, 1)
    assert result["groups_in_two_splits"] == 0


def test_a_row_with_very_many_keys_does_not_grow_the_profile_without_bound() -> None:
    result = report(Example(id="a", input="p", fields={f"k{i}": i for i in range(500)}))
    assert (len(result["fields"]), result["fields_left_out"]) == (MAX_FIELDS, True)


def test_no_rows_give_an_empty_profile() -> None:
    result = report()
    assert (result["rows"], result["complete_share"], result["splits"]) == (0, None, {})


def test_a_whole_data_set_is_profiled_and_checked() -> None:
    rows = [{"id": i, "prompt": f"p{i}", "completion": "c" if i % 100 else None} for i in range(600)]
    data = open_rows(rows)
    assert profile_dataset(data)["rows"] == 600
    check = check_dataset(data)
    assert (check.passed, check.rows, check.rows_with_issues, check.issue_count) == (False, 600, 6, 6)
    assert [issue.line for issue in check.issues] == [1, 101, 201, 301, 401, 501]
    assert check.profile == profile_dataset(data)
    assert check_dataset(data, DataCheckOptions(max_violations=6)).passed
    assert check_dataset(data, DataCheckOptions(required_fields=("input",))).passed


def test_fail_fast_stops_after_the_batch_with_the_row_too_many() -> None:
    data = open_rows([{"id": i, "prompt": f"p{i}"} for i in range(600)])
    check = check_dataset(data, DataCheckOptions(fail_fast=True, max_violations=3))
    assert (check.passed, check.rows) == (False, 256)


def test_an_issue_of_the_whole_set_fails_the_check() -> None:
    data = open_rows([{"prompt": "p", "completion": "c"}])
    assert not check_dataset(data, DataCheckOptions(min_rows=2)).passed
