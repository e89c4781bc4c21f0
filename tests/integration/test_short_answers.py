"""Short answers from an ordinary file: a template, several right answers, numbers, chatty replies."""

import json
from pathlib import Path
from typing import Any

import pytest

from .support import Workbench

ROWS: list[dict[str, Any]] = [
    {"question": "Where is Texas?", "answer": ["USA", "United States"]},
    {"question": "2+2", "answer": 4},
    {"question": "Is water wet?", "answer": True},
    {"question": "Capital of Italy?", "answer": "Rome"},
]
REPLIES = [
    {"contains": "Texas", "text": "In the **United States**."},
    {"contains": "2+2", "text": "That makes 4."},
    {"contains": "water", "text": "True."},
    {"text": "It is Rome, I think."},
]


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    made = Workbench(tmp_path, capsys)
    made.write_rows(ROWS)
    return made


def experiment(bench: Workbench, **options: Any) -> Path:
    return bench.experiment(
        dataset={
            "name": "qa",
            "split": "all",
            "options": {
                "path": "data.jsonl",
                "template": "Be short.\nQ: {question}\nA:",
                "output_key": "answer",
                **options,
            },
        },
        backend={"id": "mock", "name": "new", "options": {"replies": REPLIES}},
        baselines=[{"id": "mock", "name": "old", "options": {"default": "no idea"}}],
        pipeline=[{"name": name} for name in ("data_load", "data_checks", "backend_call", "bench", "report")],
        outputs=[{"formats": ["json", "markdown"]}],
    )


def test_right_answers_of_a_chatty_model_count(bench: Workbench) -> None:
    ran = bench.run(experiment(bench), "--quiet")
    assert ran.code == 0, ran.err
    told = "new: exact_match is 1 in 1 of 4 answers, though the reference stands in 4: see includes"
    assert f"note: bench: {told}\n" in ran.out
    (folder,) = bench.runs()
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [line["scores"]["new"]["includes"] for line in lines] == [1.0] * 4
    assert [line["scores"]["new"].get("numeric_match") for line in lines] == [None, 1.0, None, None]
    assert [(line["reference"], line["alternatives"]) for line in lines] == [
        ("USA", ["United States"]),
        ("4", []),
        ("true", []),
        ("Rome", []),
    ]
    assert lines[0]["input"] == "Be short.\nQ: Where is Texas?\nA:"
    report = (folder / "report.md").read_text()
    assert f"bench: {told}." in report
    assert "reference:\n\n```text\nUSA\n```\n\nreference:\n\n```text\nUnited States\n```" in report


def test_all_right_answers_are_the_target_of_an_exported_log(bench: Workbench) -> None:
    assert bench.run(experiment(bench), "--quiet").code == 0
    result = bench.crucible("export", bench.runs()[0])
    assert [sample["target"] for sample in json.loads(result.out)["samples"]][:2] == [
        ["USA", "United States"],
        "4",
    ]


def test_a_template_that_rows_cannot_fill_stops_the_run_before_anything_is_asked(bench: Workbench) -> None:
    ran = bench.run(experiment(bench, template="Q: {queston}"), "--quiet")
    assert (ran.code, ran.out) == (2, "")
    told = "data.jsonl:1: queston: missing, but the template names it; did you mean 'question'?"
    assert told in ran.err


def test_a_template_with_more_than_keys_is_named_with_its_field(bench: Workbench) -> None:
    ran = bench.run(experiment(bench, template="Q: {question!r}"), "--quiet")
    assert ran.code == 2
    assert "dataset.options.template: expected a plain {key}, got '{question!r}'" in ran.err
