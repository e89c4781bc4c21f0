"""``--set``: what a key reaches, how a value is read, and what is said when it does not apply."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from crucible.messages.overrides import apply_overrides

DATA: dict[str, Any] = {
    "id": "a",
    "backend": {"id": "mock"},
    "pipeline": [
        {"name": "data_load"},
        {"name": "cns_metrics", "options": {"k": 1}},
        {"name": "bench"},
        {"name": "bench"},
    ],
    "baselines": [{"id": "lead"}, {"id": "mock", "name": "second"}],
    "tags": ["x", "y"],
}


def changed(*overrides: str) -> dict[str, Any]:
    data, _, problems = apply_overrides(DATA, overrides)
    assert problems == []
    return data


def problems_of(*overrides: str) -> list[str]:
    return [str(problem) for problem in apply_overrides(DATA, overrides)[2]]


def test_a_key_makes_the_tables_that_it_needs() -> None:
    assert changed("backend.options.lora_rank=8")["backend"] == {"id": "mock", "options": {"lora_rank": 8}}


def test_a_stage_is_reached_by_number_and_by_either_spelling_of_its_name() -> None:
    for stage in ("pipeline[1]", "pipeline.cns_metrics", "pipeline.analysis_metrics"):
        assert changed(f"{stage}.options.k=2")["pipeline"][1] == {"name": "cns_metrics", "options": {"k": 2}}


def test_other_lists_are_reached_by_name_or_id() -> None:
    data = changed("baselines.lead.options.n=1", "baselines.second.profile=p", "tags[1]=z")
    assert data["baselines"] == [
        {"id": "lead", "options": {"n": 1}},
        {"id": "mock", "name": "second", "profile": "p"},
    ]
    assert data["tags"] == ["x", "z"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("2e-4", 2e-4),
        ("true", True),
        ('["a", 1]', ["a", 1]),
        ("{ a = 1 }", {"a": 1}),
        ('"8"', "8"),
        ("sample", "sample"),
        ("a=b", "a=b"),
        ("", ""),
        ("2024-01-01", "2024-01-01"),
        ("1\nother = 2", "1\nother = 2"),
        ("[1", "[1"),
        ("path/to file.jsonl", "path/to file.jsonl"),
    ],
)
def test_a_value_is_read_as_toml_and_else_as_text(text: str, value: Any) -> None:
    read = changed(f"metadata.x={text}")["metadata"]["x"]
    assert read == value
    assert type(read) is type(value)


def test_quoted_keys_may_hold_dots() -> None:
    assert changed('metadata."a.b"=1')["metadata"] == {"a.b": 1}


def test_later_overrides_win_and_the_input_stays_as_it_was() -> None:
    before = copy.deepcopy(DATA)
    assert changed("id=b", "id=c")["id"] == "c"
    assert before == DATA


def test_changed_paths_are_given_with_numbers_for_names() -> None:
    _, paths, _ = apply_overrides(DATA, ["pipeline.data_load.enabled=false"])
    assert paths == {"pipeline[0].enabled": "pipeline.data_load.enabled"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pipeline.backend_call.x=1", "pipeline.backend_call.x: pipeline has no item named 'backend_call'"),
        ("pipeline.bench.x=1", "pipeline.bench.x: pipeline has 2 items named 'bench'; use pipeline[2]"),
        ("pipeline[9].x=1", "pipeline[9].x: pipeline has 4 items"),
        ("id.x=1", "id.x: id is not a table"),
        ("id[0]=1", "id[0]: id is not a list"),
        ("outputs[0].name=r", "outputs[0].name: outputs is not in the file, so it has no items"),
        ("tags.z=1", "tags.z: tags has no item named 'z'; there are: none"),
        (
            "a..b=1",
            "a..b: expected a path like backend.options.lora_rank or pipeline[3].options.mode",
        ),
        ("=1", ": expected a path like backend.options.lora_rank or pipeline[3].options.mode"),
        ("[0]=1", "[0]: expected a path like backend.options.lora_rank or pipeline[3].options.mode"),
    ],
)
def test_an_override_that_does_not_apply_is_named(override: str, message: str) -> None:
    (problem,) = problems_of(override)
    assert problem.startswith(f"--set {message}")


def test_a_misspelt_stage_name_is_answered_with_the_near_one() -> None:
    assert problems_of("pipeline.data_lod.x=1") == [
        "--set pipeline.data_lod.x: pipeline has no item named 'data_lod'; did you mean 'data_load'?"
    ]


def test_an_override_without_a_value_is_not_repeated() -> None:
    assert problems_of("id=b", "sk-hunter2") == ["--set number 2: expected KEY=VALUE, for example seed=3"]


def test_all_overrides_that_do_not_apply_are_told_at_once() -> None:
    assert len(problems_of("id.x=1", "id=b", "tags.z=hunter2")) == 2
    assert "hunter2" not in "".join(problems_of("id.x=hunter2", "tags.z=hunter2", "a..b=hunter2"))
