"""What makes no sense in an experiment that decodes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crucible.messages.checks import check_experiment
from crucible.messages.experiment import Experiment

FULL = [
    "data_load",
    "data_checks",
    "guardrails",
    "backend_call",
    "analysis_surrogate_validation",
    "analysis_tda_validation",
    "analysis_metrics",
    "bench",
    "report",
]


def problems_of(pipeline: list[str] | None = None, **changes: Any) -> list[str]:
    stages = [{"name": name} for name in (FULL if pipeline is None else pipeline)]
    data = {"id": "a", "backend": {"id": "mock"}, "pipeline": stages, **changes}
    return [str(problem) for problem in check_experiment(msgspec.convert(data, Experiment))]


def test_the_nine_stages_in_order_make_sense() -> None:
    assert problems_of() == []
    assert problems_of(["validate", *FULL]) == []
    assert problems_of(["backend_call"]) == []


@pytest.mark.parametrize(
    ("pipeline", "problems"),
    [
        (["data_load", "data_load"], ["pipeline[1].name: 'data_load' is already the name of pipeline[0]"]),
        (["data_checks", "data_load"], ["pipeline[1].name: data_load must be the first stage"]),
        (["report", "backend_call"], ["pipeline[0].name: report must be the last stage"]),
        (
            ["analysis_filter", "backend_call"],
            ["pipeline[0].name: analysis_filter must come after backend_call, whose outputs it reads"],
        ),
        (
            ["fairness", "backend_call"],
            ["pipeline[0].name: fairness must come after backend_call, whose outputs it reads"],
        ),
        (
            ["backend_call", "bench", "analysis_metrics"],
            ["pipeline[1].name: bench must come after analysis_metrics, whose scores it compares"],
        ),
    ],
)
def test_stages_out_of_order_are_told(pipeline: list[str], problems: list[str]) -> None:
    assert problems_of(pipeline) == problems


def test_disabled_stages_have_no_place_in_the_order() -> None:
    stages = [{"name": "report", "enabled": False}, {"name": "backend_call"}]
    data = {"id": "a", "backend": {"id": "mock"}, "pipeline": stages}
    assert check_experiment(msgspec.convert(data, Experiment)) == []
    data["pipeline"] = stages[:1]
    assert [str(problem) for problem in check_experiment(msgspec.convert(data, Experiment))] == [
        "pipeline: all stages are disabled; enable at least one"
    ]


def test_output_names_are_unique() -> None:
    assert problems_of(outputs=[{"name": "r"}, {"name": "r"}]) == [
        "outputs[1].name: 'r' is already the name of outputs[0]"
    ]


def test_systems_have_names_of_their_own() -> None:
    assert problems_of(baselines=[{"id": "mock"}, {"id": "lead"}, {"id": "extractive", "name": "lead"}]) == [
        "baselines[0].id: 'mock' is already the name of backend; give this baseline its own name",
        "baselines[2].name: 'lead' is already the name of baselines[1]; give this baseline its own name",
    ]
    assert problems_of(baselines=[{"id": "mock", "name": "other"}]) == []


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31mred", "x" * 201])
def test_a_name_that_would_break_a_table_is_refused(name: str) -> None:
    ref = {"id": "mock", "name": name}
    expected = "name: expected one line of 1 to 200 printable characters, got "
    assert problems_of(backend=ref)[0].startswith(f"backend.{expected}")
    assert problems_of(baselines=[ref])[0].startswith(f"baselines[0].{expected}")
    members = {"ensemble": {"members": [ref]}}
    assert problems_of(reliability=members)[0].startswith(f"reliability.ensemble.members[0].{expected}")


@pytest.mark.parametrize("name", ["new", "Qwen 2.5", "モデル", "é/../x"])
def test_any_printable_name_will_do(name: str) -> None:
    assert problems_of(backend={"id": "mock", "name": name}) == []


def test_hedging_needs_the_figure_of_its_strategy() -> None:
    assert problems_of(reliability={"hedging": {"strategy": "fixed"}}) == [
        "reliability.hedging.delay_ms: missing; strategy 'fixed' needs it"
    ]
    assert problems_of(reliability={"hedging": {"strategy": "percentile"}}) == [
        "reliability.hedging.percentile: missing; strategy 'percentile' needs it"
    ]
    assert problems_of(reliability={"hedging": {"strategy": "fixed", "delay_ms": 0}}) == []


def test_an_ensemble_needs_two_members() -> None:
    assert problems_of(reliability={"ensemble": {"strategy": "majority", "members": [{"id": "a"}]}}) == [
        "reliability.ensemble.members: strategy 'majority' needs at least 2 members, got 1"
    ]
    members = [{"id": "a"}, {"id": "b"}]
    assert problems_of(reliability={"ensemble": {"strategy": "majority", "members": members}}) == []


@pytest.mark.parametrize(
    "key", ["api_key", "hf_token", "apiKey", "X-Api-Key", "db_password", "secret", "OPENAI_API_KEY", "token"]
)
def test_a_secret_in_plain_text_is_refused_without_repeating_it(key: str) -> None:
    message = "looks like a secret in plain text; write env:NAME or file:PATH instead"
    assert problems_of(backend={"id": "m", "options": {"deep": [{key: "hunter2"}]}}) == [
        f"backend.options.deep[0].{key}: {message}"
    ]


def test_secrets_are_found_in_every_table_of_options() -> None:
    options = {"id": "x", "options": {"password": "hunter2"}}
    problems = problems_of(
        dataset={"name": "d", "options": {"token": "hunter2"}},
        baselines=[options],
        reliability={"ensemble": {"members": [options]}, "fairness": {"options": {"secret": "hunter2"}}},
    )
    staged = {
        "id": "a",
        "backend": {"id": "m"},
        "pipeline": [{"name": "s", "options": {"api_key": "hunter2"}}],
    }
    problems += [str(problem) for problem in check_experiment(msgspec.convert(staged, Experiment))]

    assert [problem.split(":")[0] for problem in problems] == [
        "dataset.options.token",
        "baselines[0].options.password",
        "reliability.ensemble.members[0].options.password",
        "reliability.fairness.options.secret",
        "pipeline[0].options.api_key",
    ]


@pytest.mark.parametrize("value", ["env:API_KEY", "file:/run/secrets/key", "", 5, None])
def test_a_reference_to_a_secret_is_welcome(value: Any) -> None:
    assert problems_of(backend={"id": "m", "options": {"api_key": value}}) == []


@pytest.mark.parametrize(
    "key", ["max_tokens", "eos_token", "tokenizer", "token_budget", "api_key_env", "secretary", "pad_token"]
)
def test_keys_that_only_sound_like_secrets_pass(key: str) -> None:
    assert problems_of(backend={"id": "m", "options": {key: "text"}}) == []


def test_secrets_are_found_below_a_secret_table_and_in_urls() -> None:
    options = {"credentials": {"user": "u", "key": ["hunter2"]}, "url": "https://u:hunter2@host/x"}
    problems = problems_of(metadata=options)

    assert [problem.split(":")[0] for problem in problems] == [
        "metadata.credentials.user",
        "metadata.credentials.key[0]",
        "metadata.url",
    ]
    assert "hunter2" not in "".join(problems)
