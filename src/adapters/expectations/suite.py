"""The suite of expectations: checks each example, then the whole set. Implements ``ports.Expectations``."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import ge, gt, le, lt
from typing import Any

from ...messages.errors import near_match
from ...messages.findings import Issue
from ...messages.records import Example
from ..datasets.hash_index import HashIndex
from .options import DataCheckOptions, FieldRule
from .profile import Profile
from .sketches import DistinctSketch, Summary
from .values import FIELD_NAMES, Violation, as_number, canonical_name, field_value, is_missing, value_checks

__all__ = ["ExpectationSuite"]

_MAX_CLASSES = 1000
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "increasing": le,
    "strictly_increasing": lt,
    "decreasing": ge,
    "strictly_decreasing": gt,
}


class ExpectationSuite:
    """Give it every example once and in order with ``check``, then ask ``finish``."""

    def __init__(self, options: DataCheckOptions) -> None:
        self._options = options
        self._required = tuple(dict.fromkeys(canonical_name(name) for name in options.required_fields))
        self._fields = [_FieldState(canonical_name(name), rule) for name, rule in options.fields.items()]
        self._profile = Profile()
        self._input_lines = array("Q")

    def check(self, examples: Sequence[Example]) -> list[list[Issue]]:
        """The issues of each example, in order."""
        return [[_issue(example, *found) for found in self._violations(example)] for example in examples]

    def finish(self) -> tuple[list[Issue], dict[str, Any]]:
        """Issues of the whole set and its profile."""
        issues = [
            Issue(expectation=name, field=field, problem=problem) for name, field, problem in self._of_set()
        ]
        return issues, self._profile.report()

    def _violations(self, example: Example) -> Iterator[tuple[str, str, str]]:
        """(expectation, field, problem) of one example."""
        for name in self._required:
            if is_missing(field_value(example, name)):
                yield "required", name, "missing"
        line = example.line or self._profile.rows + 1
        for state in self._fields:
            for expectation, problem in state.check(field_value(example, state.name), line):
                yield expectation, state.name, problem
        yield from self._repeats(example)

    def _repeats(self, example: Example) -> Iterator[tuple[str, str, str]]:
        seen = self._profile.add(example)
        if self._options.no_leaks and seen.group_split != example.split:
            yield (
                "no_leaks",
                "group",
                f"{example.group!r} stands in {example.split} and in {seen.group_split}",
            )
        if seen.input_number is None:
            self._input_lines.append(example.line or self._profile.rows)
            return
        line = self._input_lines[seen.input_number]
        if self._options.unique_inputs:
            yield "unique_inputs", "input", f"the same input as line {line}"
        if self._options.no_leaks and seen.input_split != example.split:
            yield "no_leaks", "input", f"stands in {example.split} and, at line {line}, in {seen.input_split}"

    def _of_set(self) -> Iterator[tuple[str, str, str]]:
        rows, options = self._profile.rows, self._options
        if options.min_rows is not None and rows < options.min_rows:
            yield "row_count", "rows", f"{rows:,} rows, expected at least {options.min_rows:,}"
        if options.max_rows is not None and rows > options.max_rows:
            yield "row_count", "rows", f"{rows:,} rows, expected at most {options.max_rows:,}"
        for state in self._fields:
            if rows and not state.present:
                known = (*FIELD_NAMES, *self._profile.fields)
                match = near_match(state.name, [name for name in known if name != state.name])
                hint = f"; did you mean {match!r}?" if match else ""
                yield "present", state.name, f"no row has this field{hint}"
            for expectation, problem in state.of_set(rows):
                yield expectation, state.name, problem


class _FieldState:
    """One field's rules and what they must remember over the stream."""

    def __init__(self, name: str, rule: FieldRule) -> None:
        self.name, self.rule = name, rule
        self.present = 0
        self._checks = value_checks(rule)
        self._seen, self._seen_lines = HashIndex(), array("Q")
        self._last: Any = None
        self._numbers, self._lengths = Summary(), Summary()
        self._distinct = DistinctSketch()
        self._classes: Counter[str] | None = Counter()

    def check(self, value: Any, line: int) -> Iterator[Violation]:
        """What is wrong with one value; ``line`` is where it stands."""
        if is_missing(value):
            return
        self.present += 1
        for check in self._checks:
            if violation := check(value):
                yield violation
        yield from self._check_unique(value, line)
        yield from self._check_order(value)
        self._remember(value)

    def of_set(self, rows: int) -> Iterator[Violation]:
        """What is wrong with the values as a whole."""
        rule = self.rule
        if rule.not_null_share is not None and rows and self.present / rows < rule.not_null_share:
            share, least = self.present / rows, rule.not_null_share
            yield "not_null_share", f"{share:.1%} of the rows have a value, expected at least {least:.1%}"
        if not self.present:
            return
        yield from _outside("mean", "the mean", self._numbers, rule.mean)
        yield from _outside("mean_length", "the mean length", self._lengths, rule.mean_length)
        if rule.distinct is not None and not rule.distinct[0] <= self._distinct.count <= rule.distinct[1]:
            about = "" if self._distinct.exact else "about "
            low, high = rule.distinct
            yield "distinct", f"{about}{self._distinct.count:,} distinct values, expected {low:,} to {high:,}"
        if rule.min_class_share is not None:
            yield from self._check_balance(rule.min_class_share)

    def _check_unique(self, value: Any, line: int) -> Iterator[Violation]:
        if not self.rule.unique:
            return
        earlier = self._seen.add(_text(value))
        if earlier is None:
            self._seen_lines.append(line)
        else:
            yield "unique", f"the same value as line {self._seen_lines[earlier]}"

    def _check_order(self, value: Any) -> Iterator[Violation]:
        if self.rule.order is None:
            return
        last, self._last = self._last, value
        try:
            fits = last is None or _ORDERS[self.rule.order](last, value)
        except TypeError:
            fits = False
        if not fits:
            yield "order", f"{value!r:.60} after {last!r:.60} is not {self.rule.order.replace('_', ' ')}"

    def _remember(self, value: Any) -> None:
        if (number := as_number(value)) is not None:
            self._numbers.add(number)
        if isinstance(value, (str, list)):
            self._lengths.add(len(value))
        if self.rule.distinct is not None:
            self._distinct.add(_text(value))
        if self.rule.min_class_share is not None and self._classes is not None:
            self._classes[_text(value)[:200]] += 1
            if len(self._classes) > _MAX_CLASSES:
                self._classes = None

    def _check_balance(self, smallest: float) -> Iterator[Violation]:
        if self._classes is None:
            yield "class_share", f"more than {_MAX_CLASSES:,} distinct values: not a set of classes"
            return
        rarest, count = min(self._classes.items(), key=lambda pair: (pair[1], pair[0]))
        share = count / self.present
        if share < smallest:
            yield "class_share", f"{rarest!r} is {share:.1%} of the values, expected at least {smallest:.1%}"


def _outside(
    name: str, what: str, summary: Summary, bounds: tuple[float, float] | None
) -> Iterator[Violation]:
    if bounds is None:
        return
    if not summary.n:
        yield name, f"{what} is not defined: no value has one"
    elif not bounds[0] <= summary.mean <= bounds[1]:
        yield name, f"{what} is {summary.mean:.4g}, expected {bounds[0]:g} to {bounds[1]:g}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _issue(example: Example, expectation: str, field: str, problem: str) -> Issue:
    return Issue(
        expectation=expectation,
        field=field,
        problem=problem,
        example_id=example.id,
        source=example.source,
        line=example.line,
    )
