"""Which spans a condition means."""

from typing import Any

import pytest

from crucible.adapters.tracing.query import Query
from crucible.messages.errors import InputError
from crucible.messages.trace import Span

from .traces import raced

SPANS = [each for each in raced() if each.status != "open"]


def meant(*conditions: str) -> list[int]:
    return [each.id for each in Query(conditions).select(SPANS)]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("kind=hedge", [6]),
        ("kind=hedge,attempt", [6, 5]),
        ("kind!=request,run,stage", [6, 5]),
        ("name=first model", [5]),
        ("name~^(first|hedge) ", [6, 5]),
        ("name!~model", [2, 1]),
        ("stage=backend_call", [3, 6, 4, 5, 7, 2]),
        ("status=cancelled", [5]),
        ("example=e4", [6, 4, 5]),
        ("text=timed", [7]),
        ("text!=timed", [3, 6, 4, 5, 2, 1]),
        ("text~after 0.\\d+", [4]),
        ("text=E3,e7", [3, 7]),
        ("decision=race", [4]),
        ("chosen~^hedge", [4]),
        ("confidence<0.96", [4]),
        ("confidence<0.95", []),
        ("confidence >= .95", [4]),
        ("duration>0.3", [5, 2, 1]),
        ("duration > 300ms", [5, 2, 1]),
        ("duration<=70ms", [6]),
        ("start>=0.5s", [7]),
        ("end<481ms", [3, 6]),
        ("id=3", [3]),
        ("parent=4", [6, 5]),
        ("parent!=4", [3, 4, 7, 2]),
        ("attr.gen_ai.request.model=m", [3, 6, 5]),
        ("attr.loser=True", [5]),
        ("attr.nothing~.", []),
    ],
)
def test_a_condition_means_these_spans(condition: str, ids: list[int]) -> None:
    assert meant(condition) == ids


def test_all_conditions_must_hold() -> None:
    assert meant("example=e4", "duration<100ms", "kind=request") == [4]
    assert meant() == [each.id for each in SPANS]


def test_a_span_without_the_number_that_is_asked_for_is_not_meant() -> None:
    alone = Span(id=1, name="a", kind="request", start_s=0, end_s=0)
    assert not Query(["confidence>=0"]).matches(alone)
    assert not Query(["parent!=7"]).matches(alone)


def test_attributes_of_any_kind_can_be_searched() -> None:
    told: dict[str, Any] = {"a": {"b": [1, None, True]}, "c": 2.5}
    deep = Span(id=1, name="", kind="vote", start_s=0, end_s=0, attributes=told)
    assert Query(["text~^b$|2\\.5"]).matches(deep)
    assert not Query(["text=none"]).matches(deep)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "expected FIELD=VALUE"),
        ("kind", "expected FIELD=VALUE"),
        ("knd=hedge", "unknown field 'knd'; did you mean 'kind'?"),
        ("zzz=1", "unknown field 'zzz'; expected one of kind, name, stage"),
        ("kind=hegde", "expected one of run, stage, batch, request, attempt, hedge"),
        ("status=fine", "expected one of ok, error, cancelled, open, got 'fine'"),
        ("name<3", "name is text: expected = != ~ or !~, got <"),
        ("duration~3", "duration is a number: expected = != < <= > or >=, got ~"),
        ("duration>soon", "expected a time such as 1.5s or 20ms, got 'soon'"),
        ("confidence<0.5s", "expected a number, got '0.5s'"),
        ("id=nan", "expected a number, got 'nan'"),
        ("text~(", "not a regular expression: missing ), unterminated subpattern"),
        ("text~a{99999999999}", "not a regular expression"),
    ],
)
def test_a_condition_that_makes_no_sense_is_one_line(condition: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Query([condition])
    assert str(caught.value).startswith(f"condition {condition!r}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
