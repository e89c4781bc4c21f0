"""Prompts that are filled from rows, answers that are lists or numbers."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.datasets.memory import MemoryLoader, MemoryOptions
from crucible.adapters.datasets.template import parse_template
from crucible.messages.errors import DatasetError
from crucible.messages.experiment import DatasetRef
from crucible.messages.records import Example

QA = {"input_key": "question", "output_key": "answer"}


def loaded(*rows: dict[str, Any], **options: Any) -> list[Example]:
    decoded = msgspec.convert({"rows": rows, **options}, MemoryOptions)
    data = MemoryLoader().open(
        DatasetRef(name="set", provider="memory", split="all"), decoded, seed=0, base=Path()
    )
    return data.read(0, len(data))


def refusal(*rows: dict[str, Any], **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        loaded(*rows, **options)
    return str(caught.value)


def test_a_template_makes_the_prompt_of_values_of_the_row() -> None:
    (row,) = loaded(
        {"question": "2 {x} 2?", "n": 1, "meta": {"style": "short"}, "answer": "4"},
        template="{n}. Be {meta.style}: {question} {{}}",
        output_key="answer",
    )
    assert row.input == "1. Be short: 2 {x} 2? {}"
    assert row.reference == "4"
    assert row.fields == {"question": "2 {x} 2?", "n": 1, "meta": {"style": "short"}}


def test_a_template_writes_options_with_letters() -> None:
    (row,) = loaded(
        {"question": "Capital of Japan?", "choices": ["Paris", "Tokyo"], "answer": "B"},
        template="{question}\n{choices}",
        output_key="answer",
    )
    assert row.input == "Capital of Japan?\nA. Paris\nB. Tokyo"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"questio": "q"}, "question: missing, but the template names it; did you mean 'questio'?"),
        (
            {"question": None},
            "question: expected a string, a number or a boolean for the template, found null",
        ),
        (
            {"question": ["q"]},
            "question: expected a string, a number or a boolean for the template, found a list",
        ),
    ],
)
def test_a_row_that_cannot_fill_the_template_is_refused(row: dict[str, Any], told: str) -> None:
    assert refusal(row, template="Q: {question}") == f"set:1: {told}"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{question!r}", "expected a plain {key}, got '{question!r}'"),
        ("{question:>10}", "expected a plain {key}, got '{question:>10}'"),
        ("{question[0]}", "expected a plain {key}, got '{question[0]}'"),
        ("{}", "expected a plain {key}, got '{}'"),
        ('{"q": {question}}', "'{' stands alone; write '{{' for the brace itself"),
        ("{question} }", "'}' stands alone; write '}}' for the brace itself"),
        ("Answer!", "no {key} in it"),
    ],
)
def test_what_is_no_plain_key_is_no_template(template: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_template(template)


def test_a_template_that_shows_the_gold_output_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"template: \{answer\} is the gold output"):
        msgspec.convert({"rows": [], "template": "{q} {answer}", "output_key": "answer"}, MemoryOptions)


@pytest.mark.parametrize(
    ("value", "text"), [(4, "4"), (2.5, "2.5"), (-1, "-1"), (True, "true"), (False, "false")]
)
def test_numbers_and_booleans_are_taken_as_text(value: Any, text: str) -> None:
    (row,) = loaded({"question": value, "answer": value}, **QA)
    assert (row.input, row.reference) == (text, text)


def test_of_several_right_answers_the_first_is_the_reference() -> None:
    (row,) = loaded({"question": "Where?", "answer": ["USA", "United States", "USA", 1]}, **QA)
    assert (row.reference, row.alternatives) == ("USA", ("United States", "1"))


def test_right_answers_of_squad_are_reached_by_a_key_with_dots() -> None:
    row = {"question": "Where?", "answers": {"text": ["Paris", "in Paris"], "answer_start": [3, 0]}}
    (read,) = loaded(row, input_key="question", output_key="answers.text")
    assert (read.reference, read.alternatives) == ("Paris", ("in Paris",))


def test_an_empty_list_of_answers_is_no_answer() -> None:
    (row,) = loaded({"question": "Where?", "answer": []}, **QA)
    assert (row.reference, row.alternatives) == (None, ())
