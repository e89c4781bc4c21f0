"""Syntax errors are told in words of the file, with what the slip may be."""

from __future__ import annotations

import json

import pytest

from crucible.messages.errors import ExperimentError
from crucible.messages.experiment_file import parse_document


def told(text: str) -> str:
    with pytest.raises(ExperimentError) as caught:
        parse_document(text.encode(), source="e")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id = mock", "e:1: TOML syntax: Invalid value at column 6; text stands in quotes"),
        ("a = 1\nb = True", "e:2: TOML syntax: Invalid value at column 5; write true"),
        ("b = False\n", "e:1: TOML syntax: Invalid value at column 5; write false"),
        ("[a.b]\n[a.b]\n", "e:2: TOML syntax: the table [a.b] is there twice at column 5"),
        ("a = 1\na = 2\n", "e:2: TOML syntax: a key is given twice at column 6"),
        ("x = 1\na = " + "9" * 5000, "e:2: TOML syntax: a number has too many digits"),
    ],
)
def test_a_slip_in_toml_is_told_with_its_line(text: str, said: str) -> None:
    assert told(text) == said


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"a": 1, // why\n"b": 2}', "JSON has no comments: leave it out, or write TOML"),
        ('{"a": /* why */ 1}', "JSON has no comments: leave it out, or write TOML"),
        ('{"a": 1,\n# why\n"b": 2}', "JSON has no comments: leave it out, or write TOML"),
        ("{'a': 1}", "text stands in double quotes"),
    ],
)
def test_a_slip_in_json_is_told_with_a_hint(text: str, hint: str) -> None:
    assert told(text).endswith(f"; {hint}")


def test_a_last_comma_in_json_is_named() -> None:
    text = '{"a": [1, 2],}'
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert "comma before" in told(text)


def test_a_number_that_is_too_long_is_told_with_its_line_in_json_too() -> None:
    assert told('{"a": 1,\n"b": ' + "9" * 5000 + "}") == "e:2: JSON syntax: a number has too many digits"
