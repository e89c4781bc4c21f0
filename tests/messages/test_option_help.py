"""Help rows and schemas, and that they agree with the decoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct, field

from crucible.messages.experiment import Experiment
from crucible.messages.option_help import (
    OptionDescription,
    describe_options,
    experiment_schema,
    options_schema,
)


class Inner(Struct, frozen=True):
    train: Annotated[float, Meta(ge=0, le=1, description="Share of the rows.")] = 0.8


class Sample(Struct, frozen=True, kw_only=True):
    """Options for the tests below."""

    path: Annotated[str, Meta(min_length=1, description="The file.")]
    rank: Annotated[int, Meta(ge=1, description="Rank.")] = 8
    mode: Annotated[Literal["train", "sample"], Meta(description="What to do.")] = "train"
    names: list[str] = field(default_factory=lambda: ["a", 'b"'])
    split: Annotated[Inner | None, Meta(description="Shares.")] = None
    parts: tuple[Inner, ...] = (Inner(), Inner(train=0.5))
    extra: dict[str, Any] = field(default_factory=dict)
    flag: bool = True


def test_options_are_described_in_plain_words_with_tables_opened() -> None:
    rows = [
        (row.name, row.type, row.required, row.default, row.description) for row in describe_options(Sample)
    ]

    assert rows == [
        ("path", "non-empty str", True, "", "The file."),
        ("rank", "int >= 1", False, "8", "Rank."),
        ("mode", "one of 'train', 'sample'", False, '"train"', "What to do."),
        ("names", "list of str", False, '["a", "b\\""]', ""),
        ("split", "table or null", False, "none", "Shares."),
        ("split.train", "float >= 0 and <= 1", False, "0.8", "Share of the rows."),
        ("parts", "list of table", False, "[{}, { train = 0.5 }]", ""),
        ("parts[].train", "float >= 0 and <= 1", False, "0.8", "Share of the rows."),
        ("extra", "table", False, "{}", ""),
        ("flag", "bool", False, "true", ""),
    ]


def test_tables_stay_closed_on_request() -> None:
    names = [row.name for row in describe_options(Sample, nested=False)]
    assert names == ["path", "rank", "mode", "names", "split", "parts", "extra", "flag"]


def test_rows_are_records_that_encode() -> None:
    row = describe_options(Sample)[0]
    assert msgspec.json.decode(msgspec.json.encode(row), type=OptionDescription) == row


def test_every_key_of_the_experiment_is_described() -> None:
    assert [row.name for row in describe_options(Experiment) if not row.description] == []


KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}


def is_kind(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


SIMPLE: dict[str, Callable[[Any, Any], bool]] = {
    "type": is_kind,
    "enum": lambda value, rule: value in rule,
    "required": lambda value, rule: not isinstance(value, dict) or set(rule) <= value.keys(),
    "pattern": lambda value, rule: not isinstance(value, str) or bool(re.search(rule, value)),
    "minimum": lambda value, rule: not is_kind(value, "number") or value >= rule,
    "exclusiveMinimum": lambda value, rule: not is_kind(value, "number") or value > rule,
    "maximum": lambda value, rule: not is_kind(value, "number") or value <= rule,
    "exclusiveMaximum": lambda value, rule: not is_kind(value, "number") or value < rule,
    "minLength": lambda value, rule: not isinstance(value, str) or len(value) >= rule,
    "maxLength": lambda value, rule: not isinstance(value, str) or len(value) <= rule,
    "minItems": lambda value, rule: not isinstance(value, list) or len(value) >= rule,
}
"""Keyword of JSON Schema -> whether a value keeps to it."""
PASSIVE = {"$schema", "$defs", "title", "description", "default"}
NESTING = {"$ref", "properties", "additionalProperties", "items", "anyOf"}


def schema_problems(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    """The part of JSON Schema that our schemas use."""
    assert schema.keys() <= SIMPLE.keys() | PASSIVE | NESTING, "a keyword that this test does not know"
    for word in schema.keys() & SIMPLE.keys():
        if not SIMPLE[word](value, schema[word]):
            yield f"{value!r}: {word} {schema[word]}"
    if "$ref" in schema:
        yield from schema_problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key, inner in value.items():
            if key in known:
                yield from schema_problems(inner, known[key], root)
            elif schema.get("additionalProperties") is False:
                yield f"{key} is unknown"
    if isinstance(value, list):
        for inner in value:
            yield from schema_problems(inner, schema.get("items", {}), root)
    if "anyOf" in schema and all(list(schema_problems(value, each, root)) for each in schema["anyOf"]):
        yield f"{value!r} fits no alternative"


SCHEMA = experiment_schema()
MINIMAL: dict[str, Any] = {"id": "a", "backend": {"id": "mock"}, "pipeline": [{"name": "report"}]}


def test_the_schema_of_the_experiment_says_what_it_is() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"] == "Crucible experiment"
    assert SCHEMA["$ref"] == "#/$defs/Experiment"
    assert msgspec.json.decode(msgspec.json.encode(SCHEMA)) == SCHEMA


def test_every_reference_of_the_schema_leads_somewhere_and_every_key_is_described() -> None:
    references = re.findall(r'"\$ref":"#/\$defs/(\w+)"', msgspec.json.encode(SCHEMA).decode())
    assert set(references) == set(SCHEMA["$defs"])
    for name, definition in SCHEMA["$defs"].items():
        assert definition["additionalProperties"] is False
        for key, part in definition["properties"].items():
            assert part.get("description"), f"{name}.{key}"


def test_the_schema_accepts_what_the_decoder_accepts() -> None:
    full = msgspec.json.decode(msgspec.json.encode(msgspec.convert(MINIMAL, Experiment)))
    assert list(schema_problems(MINIMAL, SCHEMA, SCHEMA)) == []
    assert list(schema_problems(full, SCHEMA, SCHEMA)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"seed": 2**32},
        {"seed": "x"},
        {"id": "a b"},
        {"id": "a" * 101},
        {"pipeline": []},
        {"pipeline": [{}]},
        {"backnd": {}},
        {"backend": {"id": ""}},
        {"reliability": {"hedging": {"percentile": 100}}},
        {"reliability": {"stats": {"tests": ["ttst"]}}},
        {"schema_version": 2},
        {"outputs": [{"formats": []}]},
        {"dataset": 3},
    ],
)
def test_the_schema_refuses_what_the_decoder_refuses(change: dict[str, Any]) -> None:
    assert list(schema_problems({**MINIMAL, **change}, SCHEMA, SCHEMA))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**MINIMAL, **change}, Experiment)


def test_an_options_schema_refuses_unknown_keys() -> None:
    schema = options_schema(Sample)
    assert list(schema_problems({"path": "p", "split": {"train": 1}}, schema, schema)) == []
    assert list(schema_problems({"path": "p", "pth": 1}, schema, schema)) == ["pth is unknown"]
    assert list(schema_problems({"path": "p", "split": {"tran": 1}}, schema, schema))
