"""Expectations on rows and on the whole set."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crucible.actors.ports import Expectations
from crucible.adapters.expectations.options import DataCheckOptions
from crucible.adapters.expectations.suite import ExpectationSuite
from crucible.messages.findings import Issue
from crucible.messages.records import Example


def options(**given: Any) -> DataCheckOptions:
    return msgspec.convert({"required_fields": [], **given}, DataCheckOptions)


def rows(*values: Any, key: str = "x", **parts: Any) -> list[Example]:
    """One example per value; None leaves the field out."""
    return [
        Example(
            id=f"r{line}",
            input=f"input {line}",
            fields={} if value is None else {key: value},
            source="FILE",
            line=line,
            **parts,
        )
        for line, value in enumerate(values, start=1)
    ]


def problems(examples: list[Example], **given: Any) -> list[str]:
    """``line expectation field: problem`` of each issue; line 0 stands for the whole set."""
    suite: Expectations = ExpectationSuite(options(**given))
    found: list[Issue] = [issue for issues in suite.check(examples) for issue in issues]
    found += suite.finish()[0]
    return [f"{issue.line or 0} {issue.expectation} {issue.field}: {issue.problem}" for issue in found]


def test_by_default_every_row_needs_an_input_and_a_reference() -> None:
    suite = ExpectationSuite(DataCheckOptions())
    examples = [
        Example(id="a", input="p", reference="c"),
        Example(id="b", input="p", reference="", source="FILE", line=2),
        Example(id="c", input="p"),
    ]
    issues = suite.check(examples)
    assert [len(found) for found in issues] == [0, 1, 1]
    assert issues[1][0] == Issue(
        expectation="required", field="reference", problem="missing", example_id="b", source="FILE", line=2
    )


def test_required_fields_may_lie_inside_objects() -> None:
    examples = [
        Example(id="a", input="p", fields={"metadata": {"topic": "x"}}),
        Example(id="b", input="p", fields={"metadata": {}}, line=2),
        Example(id="c", input="p", fields={"metadata": "flat"}, line=3),
        Example(id="d", input="p", fields={"metadata.topic": "x"}, line=4),
    ]
    assert problems(examples, required_fields=["metadata.topic"]) == [
        "2 required metadata.topic: missing",
        "3 required metadata.topic: missing",
    ]


@pytest.mark.parametrize(
    ("rule", "good", "bad", "problem"),
    [
        ({"type": "string"}, "a", 1, "type x: expected type string, found 1"),
        ({"type": "integer"}, 1, True, "type x: expected type integer, found True"),
        ({"type": "integer"}, 1, 1.5, "type x: expected type integer, found 1.5"),
        ({"type": "number"}, 1.5, "1", "type x: expected type number, found '1'"),
        ({"type": "boolean"}, False, 0, "type x: expected type boolean, found 0"),
        ({"type": "list"}, [1], {"a": 1}, "type x: expected type list, found {'a': 1}"),
        ({"min_length": 2}, "ab", "a", "length x: 1 characters, expected at least 2"),
        ({"max_length": 2}, [1, 2], [1, 2, 3], "length x: 3 items, expected at most 2"),
        ({"max_length": 2}, "ab", 7, "length x: has no length: 7"),
        ({"minimum": 0}, 0, -0.5, "between x: -0.5 is below 0"),
        ({"maximum": 1}, 1, 2, "between x: 2 is above 1"),
        ({"maximum": 1}, 1, "2", "between x: expected a number, found '2'"),
        ({"values": ["a", 1]}, "a", "b", "values x: 'b' is none of 'a', 1"),
        ({"values": [1]}, 1, True, "values x: True is none of 1"),
        ({"pattern": "^c[0-9]+$"}, "c12", "d1", "pattern x: does not match '^c[0-9]+$'"),
        (
            {"pattern": "a"},
            "a",
            "a" * 10_001,
            "pattern x: 10,001 characters, a pattern is tried on 10,000 at most",
        ),
        ({"format": "email"}, "a.b@c.org", "a@b", "format x: 'a@b' is no email"),
        ({"format": "url"}, "https://a.org/x", "a.org", "format x: 'a.org' is no url"),
        ({"format": "uuid"}, "12345678-1234-5678-1234-567812345678", "12", "format x: '12' is no uuid"),
        ({"format": "iso_date"}, "2024-02-29", "2023-02-29", "format x: '2023-02-29' is no iso_date"),
        ({"format": "iso_datetime"}, "2024-02-29T12:00:00", "noon", "format x: 'noon' is no iso_datetime"),
        ({"format": "ipv4"}, "10.0.0.1", "10.0.0.256", "format x: '10.0.0.256' is no ipv4"),
        ({"format": "hex_color"}, "#0aF", "#0aFg", "format x: '#0aFg' is no hex_color"),
        ({"unique": True}, "a", "a", "unique x: the same value as line 1"),
        ({"order": "increasing"}, 2, 1, "order x: 1 after 2 is not increasing"),
        ({"order": "strictly_decreasing"}, 2, 2, "order x: 2 after 2 is not strictly decreasing"),
        ({"order": "increasing"}, 2, "b", "order x: 'b' after 2 is not increasing"),
    ],
)
def test_a_rule_passes_the_good_value_and_reports_the_bad_one(
    rule: dict[str, Any], good: Any, bad: Any, problem: str
) -> None:
    assert problems(rows(good, bad), fields={"x": rule}) == [f"2 {problem}"]


def test_rules_on_values_pass_over_missing_ones() -> None:
    rule = {"type": "integer", "minimum": 1, "unique": True, "order": "strictly_increasing"}
    assert problems(rows(1, None, "", 2), fields={"x": rule}) == []


def test_a_number_too_large_for_a_float_is_an_issue_and_no_crash() -> None:
    (text,) = problems(rows(1, 10**400), fields={"x": {"maximum": 5}})
    assert text.startswith("2 between x: expected a number, found 1000")


@pytest.mark.parametrize(
    ("rule", "values", "problem"),
    [
        (
            {"not_null_share": 0.8},
            (1, None, 3, None),
            "50.0% of the rows have a value, expected at least 80.0%",
        ),
        ({"mean": [0, 1]}, (1, 2, 3), "the mean is 2, expected 0 to 1"),
        ({"mean": [0, 1]}, ("a", "b"), "the mean is not defined: no value has one"),
        ({"mean_length": [5, 9]}, ("a", "bcd"), "the mean length is 2, expected 5 to 9"),
        ({"distinct": [2, 3]}, ("a", "a"), "1 distinct values, expected 2 to 3"),
        (
            {"min_class_share": 0.4},
            ("a", "a", "b", "a"),
            "'b' is 25.0% of the values, expected at least 40.0%",
        ),
    ],
)
def test_a_rule_on_the_whole_set_reports_once(rule: dict[str, Any], values: Any, problem: str) -> None:
    (text,) = problems(rows(*values), fields={"x": rule})
    assert text.startswith("0 ")
    assert text.endswith(f" x: {problem}")


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ({"not_null_share": 0.5}, (1, None)),
        ({"mean": [2, 2]}, (1, 2, 3)),
        ({"mean_length": [2, 2]}, ("a", "bcd")),
        ({"distinct": [2, 2]}, ("a", "b", "a")),
        ({"min_class_share": 0.5}, ("a", "b")),
    ],
)
def test_a_rule_on_the_whole_set_holds_at_its_bounds(rule: dict[str, Any], values: Any) -> None:
    assert problems(rows(*values), fields={"x": rule}) == []


def test_a_field_that_no_row_has_is_reported_with_a_near_match() -> None:
    assert problems(rows("a", key="topic"), fields={"topics": {"type": "string"}}) == [
        "0 present topics: no row has this field; did you mean 'topic'?"
    ]


def test_the_number_of_rows_is_bounded() -> None:
    assert problems(rows(1, 2), min_rows=3) == ["0 row_count rows: 2 rows, expected at least 3"]
    assert problems(rows(1, 2), max_rows=1) == ["0 row_count rows: 2 rows, expected at most 1"]
    assert problems(rows(1, 2), min_rows=2, max_rows=2) == []


def test_repeated_inputs_are_reported_where_asked_for() -> None:
    examples = [Example(id=f"r{i}", input=text, line=i) for i, text in enumerate("aba", start=1)]
    assert problems(examples) == []
    assert problems(examples, unique_inputs=True) == ["3 unique_inputs input: the same input as line 1"]


def test_an_input_in_two_splits_is_a_leak() -> None:
    examples = [
        Example(id="a", input="p", split="train", line=1),
        Example(id="b", input="p", split="train", line=2),
        Example(id="c", input="p", split="test", line=3),
    ]
    assert problems(examples, no_leaks=True) == ["3 no_leaks input: stands in test and, at line 1, in train"]


def test_a_group_in_two_splits_is_a_leak() -> None:
    examples = [
        Example(id="a", input="p", split="train", group="d1", line=1),
        Example(id="b", input="q", split="test", group="d1", line=2),
        Example(id="c", input="r", split="test", group="d2", line=3),
    ]
    assert problems(examples) == []
    assert problems(examples, no_leaks=True) == ["2 no_leaks group: 'd1' stands in test and in train"]


def test_state_is_kept_over_batches() -> None:
    suite = ExpectationSuite(options(fields={"x": {"unique": True}}))
    first, second = rows("a"), rows(None, "a")
    assert suite.check(first) == [[]]
    assert [len(found) for found in suite.check(second)] == [0, 1]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"min_length": 3, "max_length": 2}, "min_length, max_length: lower bound 3 is above upper bound 2"),
        ({"mean": [2, 1]}, "mean: lower bound 2 is above upper bound 1"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": "(a+)+$"}, "a repeat inside a repeat"),
        ({"typ": "string"}, "unknown field `typ`"),
        ({"type": "text"}, "Invalid enum value 'text'"),
        ({"not_null_share": 1.5}, "Expected `float` <= 1.0"),
    ],
)
def test_rules_that_make_no_sense_do_not_decode(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem.replace("(", r"\(")) as caught:
        options(fields={"x": rule})
    assert "fields" in str(caught.value)
