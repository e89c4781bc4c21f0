"""The strict decoder: exact messages, all of them at once, and the same value as msgspec on valid data."""

from __future__ import annotations

import datetime as dt
import enum
import math
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from crucible.messages.decoding import collect, decode_struct
from crucible.messages.errors import ExperimentError, Problem
from crucible.messages.experiment import Experiment


class Split(Struct, frozen=True, forbid_unknown_fields=True):
    train: Annotated[float, Meta(ge=0, le=1)]
    test: Annotated[float, Meta(ge=0, le=1)] = 0.5


class Add(Struct, frozen=True, tag="add"):
    amount: int


class Scale(Struct, frozen=True, tag="scale"):
    factor: float


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Options(Struct, frozen=True, kw_only=True):
    """One field of every kind that the decoder walks."""

    path: Annotated[str, Meta(min_length=1)]
    lora_rank: Annotated[int, Meta(ge=1)] = 8
    rate: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    step: Annotated[int, Meta(multiple_of=4)] = 4
    any_rate: Annotated[float, Meta(extra={"finite": False})] = 0.0
    flag: bool = False
    mode: Literal["train", "sample", "train_then_sample"] = "train"
    level: Literal[1, 2, "high"] = 1
    label: Annotated[str, Meta(pattern="^[a-z]+$")] = "x"
    short: Annotated[str, Meta(max_length=3)] = ""
    names: list[str] = field(default_factory=list)
    counts: Annotated[tuple[int, ...], Meta(min_length=1, max_length=2)] = (1,)
    pair: tuple[str, int] = ("a", 1)
    unique: set[int] = field(default_factory=set)
    frozen: frozenset[str] = frozenset()
    weights: dict[str, float] = field(default_factory=dict)
    by_mode: dict[Literal["a", "b"], int] = field(default_factory=dict)
    split: Split | None = None
    splits: tuple[Split, ...] = ()
    either: int | str = 0
    limit: Annotated[int, Meta(ge=1)] | None = None
    step_kind: Add | Scale | None = None
    colour: Colour = Colour.RED
    free: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    api_key: str = ""


class Range(Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not exceed high")


class Holder(Struct):
    ranges: list[Range]


def messages(value: Any, type_: Any = Options, path: str = "") -> list[str]:
    decoded, problems = collect(value, type_, path)
    assert (decoded is None) == bool(problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lora_rank", "x", 'expected int >= 1, got "x"'),
        ("lora_rank", 0, "expected int >= 1, got 0"),
        ("lora_rank", 1.0, "expected int >= 1, got 1.0"),
        ("lora_rank", True, "expected int >= 1, got true"),
        ("lora_rank", None, "expected int >= 1, got null"),
        ("lora_rank", [], "expected int >= 1, got an empty list"),
        ("lora_rank", [1], "expected int >= 1, got a list of 1 item"),
        ("lora_rank", {"a": 1}, "expected int >= 1, got a table"),
        ("lora_rank", dt.date(2025, 1, 1), "expected int >= 1, got a date or time"),
        ("lora_rank", -(10**100), "expected int >= 1, got an integer of 333 bits"),
        ("rate", 1, "expected float > 0 and < 1, got 1"),
        ("rate", True, "expected float > 0 and < 1, got true"),
        ("rate", math.nan, "expected float > 0 and < 1, got nan"),
        ("any_rate", "x", 'expected float, got "x"'),
        ("any_rate", 10**400, "expected float, got an integer of 1329 bits"),
        ("step", 6, "expected int a multiple of 4, got 6"),
        ("flag", 1, "expected bool, got 1"),
        ("flag", "true", 'expected bool, got "true"'),
        (
            "mode",
            "smaple",
            "expected one of 'train', 'sample', 'train_then_sample', got \"smaple\"; did you mean 'sample'?",
        ),
        ("mode", "zzz", "expected one of 'train', 'sample', 'train_then_sample', got \"zzz\""),
        ("mode", 3, "expected one of 'train', 'sample', 'train_then_sample', got 3"),
        ("level", True, "expected one of 1, 2, 'high', got true"),
        ("level", 1.0, "expected one of 1, 2, 'high', got 1.0"),
        ("label", "A", 'expected str matching ^[a-z]+$, got "A"'),
        ("label", "a\n", 'expected str matching ^[a-z]+$, got "a\\n"'),
        ("short", "abcd", 'expected str (at most 3 characters), got "abcd"'),
        ("path", "", 'expected non-empty str, got ""'),
        ("path", "\ud800", 'expected non-empty str, got "\\ud800"'),
        ("path", 3, "expected non-empty str, got 3"),
        ("names", "abc", 'expected list of str, got "abc"'),
        ("counts", [], "expected list of int (1 to 2 items), got an empty list"),
        ("counts", [1, 2, 3], "expected list of int (1 to 2 items), got a list of 3 items"),
        ("pair", ["a"], "expected list [str, int], got a list of 1 item"),
        ("weights", [], "expected table of float, got an empty list"),
        ("split", 3, "expected table, got 3"),
        ("either", 1.5, "expected int or str, got 1.5"),
        ("limit", 0, "expected int >= 1, got 0"),
        ("limit", "none", 'expected int >= 1, got "none"'),
        ("colour", "rad", "expected one of 'red', 'blue', got \"rad\"; did you mean 'red'?"),
        ("free", math.nan, "expected a finite number, got nan"),
        ("free", "\udfff", "expected text, got lone surrogates"),
        ("free", dt.time(1), "expected plain data, got a date or time; write it as text, in quotes"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(key: str, value: Any, message: str) -> None:
    assert messages({"path": "p", key: value}) == [f"{key}: {message}"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"names": ["a", 1]}, "names[1]: expected str, got 1"),
        ({"counts": [True]}, "counts[0]: expected int, got true"),
        ({"pair": ["a", "b"]}, 'pair[1]: expected int, got "b"'),
        ({"unique": [1, "2"]}, 'unique[1]: expected int, got "2"'),
        ({"weights": {"a.b": "x"}}, 'weights."a.b": expected float, got "x"'),
        ({"weights": {"a": math.inf}}, "weights.a: expected float, got inf"),
        ({"by_mode": {"c": 1}}, "by_mode.c: key: expected one of 'a', 'b', got \"c\""),
        ({"split": {"train": 2}}, "split.train: expected float >= 0 and <= 1, got 2"),
        ({"split": {}}, "split.train: missing; expected float >= 0 and <= 1"),
        ({"splits": [{"train": 0}, {"train": 0, "tset": 1}]}, None),
        ({"step_kind": {"amount": 1}}, "step_kind.type: missing; expected one of 'add', 'scale'"),
        ({"step_kind": {"type": "add"}}, "step_kind.amount: missing; expected int"),
        (
            {"step_kind": {"type": "ad"}},
            "step_kind.type: expected one of 'add', 'scale', got \"ad\"; did you mean 'add'?",
        ),
        ({"step_kind": {"type": []}}, "step_kind.type: expected one of 'add', 'scale', got an empty list"),
        ({"extra": {"deep": [{"x": math.inf}]}}, "extra.deep[0].x: expected a finite number, got inf"),
        ({"extra": {1: 2}}, "extra.1: key: expected str, got 1"),
    ],
)
def test_the_path_leads_to_the_wrong_part(data: dict[str, Any], problem: str | None) -> None:
    expected = problem or "splits[1].tset: unknown key; did you mean 'test'?"
    assert messages({"path": "p", **data}) == [expected]


def test_every_problem_is_told_at_once_below_the_given_path() -> None:
    data = {"mdoe": 1, "lora_rank": "x", "splits": [{}, {"train": "y"}], "label": "3"}

    assert messages(data, path="pipeline[3].options") == [
        "pipeline[3].options.mdoe: unknown key; did you mean 'mode'?",
        'pipeline[3].options.lora_rank: expected int >= 1, got "x"',
        "pipeline[3].options.splits[0].train: missing; expected float >= 0 and <= 1",
        'pipeline[3].options.splits[1].train: expected float >= 0 and <= 1, got "y"',
        'pipeline[3].options.label: expected str matching ^[a-z]+$, got "3"',
        "pipeline[3].options.path: missing; expected non-empty str",
    ]


def test_an_unknown_key_is_answered_with_the_key_it_resembles_or_all_keys() -> None:
    data = {"id": "a", "backend": {"id": "mock"}, "pipeline": [{"name": "report", "optoins": {}, "zzz": 1}]}

    assert messages(data, Experiment) == [
        "pipeline[0].optoins: unknown key; did you mean 'options'?",
        "pipeline[0].zzz: unknown key; known: name, enabled, options; all else goes into the table options",
    ]


def test_a_struct_without_fields_allows_no_key() -> None:
    class Nothing(Struct):
        """No options."""

    assert messages({"a": 1}, Nothing, "options") == ["options.a: unknown key; no keys are allowed here"]


def test_something_that_is_no_table_is_refused_at_the_root() -> None:
    assert messages([1], Options) == ["expected table, got a list of 1 item"]


@pytest.mark.parametrize("value", ["hunter2", 12345678, 1.5, True])
@pytest.mark.parametrize("key", ["api_key", "hfToken", "x-api-key", "DB_PASSWORD", "Authorization"])
def test_a_value_under_a_secret_key_is_never_repeated(key: str, value: Any) -> None:
    class Headers(Struct):
        headers: dict[str, list[str]]

    assert messages({"headers": {key: value}}, Headers) == [
        f"headers.{key}: expected list of str, got a hidden value"
    ]


def test_a_near_match_of_a_secret_is_not_offered() -> None:
    class Login(Struct):
        password: Literal["hunter2"]

    (message,) = messages({"password": "hunter22"}, Login)
    assert "hunter22" not in message
    assert "did you mean" not in message


def test_a_url_with_a_password_is_never_repeated() -> None:
    data = {"path": "p", "lora_rank": "postgres://user:hunter2@host/db"}
    assert messages(data) == ["lora_rank: expected int >= 1, got a hidden value"]


def test_long_text_is_cut_and_control_characters_are_escaped() -> None:
    (message,) = messages({"path": "p", "lora_rank": "β" * 61 + "\x1b"})
    assert message == f'lora_rank: expected int >= 1, got "{"β" * 60}…" (62 characters)'
    (message,) = messages({"path": "p", "lora_rank": "\x1b[31m\u202e"})
    assert message == 'lora_rank: expected int >= 1, got "\\u001b[31m\\u202e"'


def test_nan_passes_where_the_field_allows_it() -> None:
    decoded = decode_struct({"path": "p", "any_rate": math.nan}, Options)
    assert math.isnan(decoded.any_rate)


def test_a_rule_of_the_struct_itself_is_a_problem_at_its_path() -> None:
    data = {"ranges": [{"low": 1, "high": 2}, {"low": 3, "high": 2}]}
    assert messages(data, Holder, "options") == ["options.ranges[1]: low must not exceed high"]
    assert messages({"low": 3, "high": 2}, Range) == ["low must not exceed high"]


def test_a_rule_that_begins_with_a_key_is_a_problem_at_that_key() -> None:
    class Server(Struct):
        url: str = ""

        def __post_init__(self) -> None:
            raise ValueError(f"{self.url}: expected a URL")

    assert collect({"url": "url"}, Server, "options")[1] == [Problem("options.url", "expected a URL")]
    assert collect({"url": "x"}, Server, "options")[1] == [Problem("options", "x: expected a URL")]


def test_decode_struct_raises_all_problems_with_their_source() -> None:
    with pytest.raises(ExperimentError) as caught:
        decode_struct({"lora_rank": 0}, Options, path="backend.options", source="exp.toml")

    assert caught.value.problems == (
        Problem("backend.options.lora_rank", "expected int >= 1, got 0"),
        Problem("backend.options.path", "missing; expected non-empty str"),
    )
    assert str(caught.value).startswith("exp.toml: backend.options.lora_rank: expected int >= 1, got 0\n")


finite = st.floats(allow_nan=False, allow_infinity=False)
small = st.integers(-3, 9)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
splits = st.fixed_dictionaries({"train": st.floats(0, 1) | st.integers(0, 1)}, optional={"test": st.just(1)})
valid_options = st.fixed_dictionaries(
    {"path": st.text(min_size=1, max_size=4)},
    optional={
        "lora_rank": st.integers(1, 2**70),
        "rate": st.floats(0.01, 0.99),
        "step": st.integers(-5, 5).map(lambda number: 4 * number),
        "any_rate": finite | small,
        "flag": st.booleans(),
        "mode": st.sampled_from(["train", "sample", "train_then_sample"]),
        "level": st.sampled_from([1, 2, "high"]),
        "label": st.sampled_from(["a", "abc"]),
        "short": st.text(max_size=3),
        "names": st.lists(st.text(max_size=2)),
        "counts": st.lists(small, min_size=1, max_size=2),
        "pair": st.tuples(st.text(max_size=2), small).map(list),
        "unique": st.lists(small),
        "frozen": st.lists(st.text(max_size=2)),
        "weights": st.dictionaries(st.text(max_size=2), finite | small),
        "by_mode": st.dictionaries(st.sampled_from(["a", "b"]), small),
        "split": st.none() | splits,
        "splits": st.lists(splits, max_size=2),
        "either": small | st.text(max_size=2),
        "limit": st.none() | st.integers(1, 3),
        "step_kind": st.none()
        | st.fixed_dictionaries({"type": st.just("add"), "amount": small})
        | st.fixed_dictionaries({"type": st.just("scale"), "factor": finite}),
        "colour": st.sampled_from(["red", "blue"]),
        "free": plain,
        "extra": st.dictionaries(st.text(max_size=3), plain, max_size=3),
    },
)


@given(valid_options)
def test_valid_data_gives_what_msgspec_gives(data: dict[str, Any]) -> None:
    decoded, problems = collect(data, Options)

    assert problems == []
    assert decoded == msgspec.convert(data, Options)


@given(valid_options, st.sampled_from(Options.__struct_fields__), plain)
@example({"path": "p"}, "lora_rank", True)
def test_whatever_msgspec_refuses_is_refused_with_a_problem_at_the_key(
    data: dict[str, Any], key: str, value: Any
) -> None:
    data = {**data, key: value}
    decoded, problems = collect(data, Options)

    try:
        expected = msgspec.convert(data, Options)
    except msgspec.ValidationError:
        assert problems
        assert all(problem.path.startswith(key) for problem in problems)
    else:
        # The decoder is stricter in its documented ways only: keys that msgspec ignores.
        assert decoded == expected or all("unknown key" in problem.message for problem in problems)
