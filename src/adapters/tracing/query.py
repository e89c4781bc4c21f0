"""Which spans are meant: conditions such as ``kind=hedge``, ``duration>2s`` or ``text~time.?out``.

Called by the command line and by whoever reads traces. A condition is a field, an operator and a value;
a span must meet all conditions. ``=`` and ``!=`` take several values with commas between them. What holds of
one decision of a span holds of the span.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

from ...messages.errors import InputError, near_match
from ...messages.trace import Span, SpanKind, SpanStatus

__all__ = ["FIELDS", "Query", "example_of", "stage_of"]

CONDITION = re.compile(
    r"\s*(?P<field>[\w.\-]+?)\s*(?P<sign>!=|!~|<=|>=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL
)
ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "m": 60.0, "h": 3600.0}
AMOUNT = re.compile(r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)\s*(?P<unit>us|ms|s|m|h)?", re.IGNORECASE)


def stage_of(span: Span) -> str:
    """The stage that a span belongs to; empty for the run."""
    return "" if span.kind == "run" else span.lane.partition("/")[0]


def example_of(span: Span) -> str:
    """The example that a span is about; empty when it is about none or several."""
    found = span.attributes.get("example", "")
    return found if isinstance(found, str) else str(found)


def _examples(span: Span) -> list[str]:
    return [example_of(span), *(each.subject for each in span.decisions)]


def _words(span: Span) -> list[str]:
    """All text of a span, in one string."""
    return ["\n".join(_leaves([span.name, span.kind, span.status, span.lane, span.attributes, _told(span)]))]


def _told(span: Span) -> list[Any]:
    return [[each.kind, each.chosen, each.alternatives, each.why, each.subject] for each in span.decisions]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


TEXTS: dict[str, Callable[[Span], list[str]]] = {
    "kind": lambda span: [span.kind],
    "name": lambda span: [span.name],
    "stage": lambda span: [stage_of(span)],
    "status": lambda span: [span.status],
    "lane": lambda span: [span.lane],
    "example": _examples,
    "decision": lambda span: [each.kind for each in span.decisions],
    "chosen": lambda span: [each.chosen for each in span.decisions],
    "text": _words,
}
NUMBERS: dict[str, Callable[[Span], list[float | None]]] = {
    "id": lambda span: [span.id],
    "parent": lambda span: [span.parent_id],
    "start": lambda span: [span.start_s],
    "end": lambda span: [span.end_s],
    "duration": lambda span: [span.end_s - span.start_s],
    "confidence": lambda span: [each.confidence for each in span.decisions],
}
TIMES = frozenset({"start", "end", "duration"})
KNOWN: dict[str, tuple[str, ...]] = {"kind": get_args(SpanKind), "status": get_args(SpanStatus)}
ATTRIBUTE = "attr."
FIELDS = (*TEXTS, *NUMBERS, f"{ATTRIBUTE}NAME")


class Query:
    """All conditions together. Raises InputError for one that cannot be understood."""

    def __init__(self, conditions: Sequence[str] = ()) -> None:
        self.conditions = tuple(conditions)
        self._tests = [_condition(text) for text in conditions]

    def matches(self, span: Span) -> bool:
        """Whether a span meets them all."""
        return all(test(span) for test in self._tests)

    def select(self, spans: Iterable[Span]) -> Iterator[Span]:
        """Those that do, one at a time."""
        return filter(self.matches, spans) if self._tests else iter(spans)


def _condition(text: str) -> Callable[[Span], bool]:
    found = CONDITION.fullmatch(text)
    if found is None:
        raise InputError(f"condition {text!r}: expected FIELD=VALUE, or with != ~ !~ < <= > >= instead of =")
    field, sign, value = found["field"], found["sign"], found["value"]
    try:
        if field in NUMBERS:
            return _numeric(field, sign, value)
        return _textual(field, sign, value)
    except ValueError as error:
        raise InputError(f"condition {text!r}: {error}") from None


def _numeric(field: str, sign: str, value: str) -> Callable[[Span], bool]:
    if sign not in ORDER:
        raise ValueError(f"{field} is a number: expected = != < <= > or >=, got {sign}")
    found = AMOUNT.fullmatch(value)
    unit = (found["unit"] or "").lower() if found else ""
    if found is None or (unit and field not in TIMES):
        wanted = "a time such as 1.5s or 20ms" if field in TIMES else "a number"
        raise ValueError(f"expected {wanted}, got {value!r}")
    get, compare, limit = NUMBERS[field], ORDER[sign], float(found["number"]) * SECONDS[unit]
    return lambda span: any(each is not None and compare(each, limit) for each in get(span))


def _attribute(key: str) -> Callable[[Span], list[str]]:
    def get(span: Span) -> list[str]:
        found = span.attributes.get(key)
        return [] if found is None else ["\n".join(_leaves(found))]

    return get


def _textual(field: str, sign: str, value: str) -> Callable[[Span], bool]:
    if field.startswith(ATTRIBUTE):
        get = _attribute(field.removeprefix(ATTRIBUTE))
    elif field in TEXTS:
        get = TEXTS[field]
    else:
        hint = near_match(field, FIELDS)
        known = f"did you mean {hint!r}?" if hint else f"expected one of {', '.join(FIELDS)}"
        raise ValueError(f"unknown field {field!r}; {known}")
    if sign in ("~", "!~"):
        try:
            search = re.compile(value).search
        except (re.error, OverflowError) as error:
            raise ValueError(f"not a regular expression: {error}") from None
        wanted = sign == "~"
        return lambda span: any(search(each) is not None for each in get(span)) is wanted
    if sign not in ("=", "!="):
        raise ValueError(f"{field} is text: expected = != ~ or !~, got {sign}")
    values = frozenset(each.strip() for each in value.split(","))
    for each in sorted(values - {*KNOWN.get(field, values)}):
        raise ValueError(f"expected one of {', '.join(KNOWN[field])}, got {each!r}")
    among = sign == "="
    if field == "text":
        parts = [each.casefold() for each in values]
        return lambda span: any(part in words.casefold() for words in get(span) for part in parts) is among
    return lambda span: any(each in values for each in get(span)) is among
