"""Every problem of an experiment in one go, and none that only follows from another."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

import crucible
from crucible.adapters.cli.app import invoke
from crucible.messages.draft import decode_draft
from crucible.messages.errors import ExperimentError
from crucible.preflight import examine

KEYLESS = {"model": "m", "base_url": "http://127.0.0.1:9", "api_key": "env:NO_SUCH_VARIABLE_HERE"}
MEMBERS = [{"id": "mock", "name": "a"}, {"id": "lead", "name": "b"}]


def content(**changes: Any) -> dict[str, Any]:
    return {
        "id": "small",
        "dataset": {"name": "d", "split": "all", "options": {"path": "data.jsonl"}},
        "backend": {"id": "mock"},
        "baselines": [{"id": "lead"}],
        "pipeline": stages(),
        **changes,
    }


def stages(**options: Any) -> list[dict[str, Any]]:
    names = ("data_load", "backend_call", "bench", "report")
    return [{"name": name, "options": options.get(name, {})} for name in names]


def ensemble(**fields: Any) -> dict[str, Any]:
    return {"ensemble": {"strategy": "weighted", "members": MEMBERS, **fields}}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "data.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    return tmp_path


def paths(base: Path, **changes: Any) -> list[str]:
    _, problems = examine(decode_draft(content(**changes)), base=base)
    return sorted(problem.path for problem in problems)


def test_a_good_experiment_has_no_problem(base: Path) -> None:
    assert paths(base) == []


def test_problems_of_all_kinds_are_told_together(base: Path) -> None:
    pipeline = [
        {"name": "backend_call"},
        {"name": "data_load"},
        {"name": "bench", "options": {"metrics": ["exact_match", 3], "defalt": 1, "watch": ["exact_mach"]}},
    ]
    assert paths(
        base,
        seed=-1,
        dataset={"name": "d", "split": "tset", "options": {"path": "nothere.jsonl"}},
        backend={"id": "mok"},
        baselines=[{"id": "mok", "name": "other", "options": {"x": 1}}],
        pipeline=pipeline,
    ) == [
        "backend.id",
        "baselines[0].id",
        "dataset.options.path",
        "dataset.split",
        "pipeline[1].name",
        "pipeline[2].options.defalt",
        "pipeline[2].options.metrics[1]",
        "pipeline[2].options.watch[0]",
        "seed",
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pipeline": [{"name": "data_lod"}, *stages()[1:]]}, ["pipeline[0].name"]),
        ({"pipeline": [{"name": 3}, *stages()[1:]]}, ["pipeline[0].name"]),
        ({"pipeline": [{"name": "data_load", "enabled": "yes"}, *stages()[1:]]}, ["pipeline[0].enabled"]),
        ({"pipeline": [{"nme": "data_load"}, *stages()[1:]]}, ["pipeline[0].name", "pipeline[0].nme"]),
        ({"pipeline": [{"name": "report", "enabled": False}]}, ["pipeline"]),
        ({"pipeline": [{"name": "report", "enabled": False}, {"name": 3}]}, ["pipeline[1].name"]),
        ({"pipeline": "all"}, ["pipeline"]),
        ({"backend": {"id": "openai", "options": KEYLESS}, "reliability": ensemble(strategy="weigthed")}, [
            "reliability.ensemble.strategy",
        ]),
        ({"backend": {"id": "mok"}, "baselines": [], "reliability": {"limits": {"max_cost_usd": 1}}}, [
            "backend.id",
        ]),
        ({"backend": {"id": 3}}, ["backend.id"]),
        ({"backend": {"id": "lead", "name": 3}}, ["backend.name"]),
        ({"baselines": [{"id": "mock", "name": 3}]}, ["baselines[0].name"]),
        ({"dataset": {"name": "d", "provider": 3, "options": {"rows": 3}}}, ["dataset.provider"]),
        ({"dataset": {"name": "d", "provider": "jsnl", "options": {"x": 3}}}, ["dataset.provider"]),
        ({"dataset": 3}, ["dataset"]),
        ({"backend": {"id": "lead"}, "baselines": [], "pipeline": stages(backend_call={"mode": "trian"})}, [
            "pipeline[1].options.mode",
        ]),
        ({"reliability": ensemble(strategy="weigthed", weights=[1])}, ["reliability.ensemble.strategy"]),
        ({"reliability": ensemble(members=3, weights=[1])}, ["reliability.ensemble.members"]),
        ({"reliability": {"ensemble": {"strategy": "weighted", "member": MEMBERS, "weights": [1, 1]}}}, [
            "reliability.ensemble.member",
        ]),
        ({"reliability": ensemble(members=[{"id": "mock"}, {"id": "mock", "name": "b", "options": 3}])}, [
            "reliability.ensemble.members[1].options",
        ]),
        ({"reliability": ensemble(members=[{"id": "mock"}, {"id": "mock", "name": "b"}]),
          "pipeline": stages(backend_call={"temprature": 0.7})}, ["pipeline[1].options.temprature"]),
        ({"reliability": {"hedging": {"strategy": "fixed", "delay_ms": "5"}}}, [
            "reliability.hedging.delay_ms",
        ]),
        ({"reliability": {"fairness": {"enabled": True, "groupby": "g"}},
          "pipeline": [*stages()[:2], {"name": "fairness"}]}, ["reliability.fairness.groupby"]),
        ({"analysis_adapter": 3, "pipeline": [
            *stages()[:2], {"name": "analysis_metrics", "options": {"theirs": 1}}, {"name": "bench"},
        ]}, ["analysis_adapter"]),
        ({"pipeline": [*stages()[:2], {"name": "analysis_metrics", "options": {"adapter": 3}}]}, [
            "pipeline[2].options.adapter",
        ]),
        ({"backend": {"id": "openai", "options": {"model": "m", "base_url": "http://127.0.0.1:9",
                                                  "api_key": "env:"}}}, ["backend.options.api_key"]),
        ({"seed": -1, "reliability": {"limits": {"max_cost_usd": 1}}}, [
            "reliability.limits.max_cost_usd", "seed",
        ]),
        ({"backend": {"id": "mok"}, "reliability": {"limits": {"max_cost_usd": 1}}}, ["backend.id"]),
    ],
)  # fmt: skip
def test_nothing_is_told_that_only_follows(base: Path, changes: dict[str, Any], told: list[str]) -> None:
    assert paths(base, **changes) == told


def test_what_does_not_hang_on_the_broken_part_is_told_beside_it(base: Path) -> None:
    members = [{"id": "mock", "name": 3}, {"id": "leed", "name": "b"}]
    assert paths(base, reliability=ensemble(members=members, weights=[1, 1, 1], quorum=9)) == [
        "reliability.ensemble.members[0].name",
        "reliability.ensemble.members[1].id",
        "reliability.ensemble.quorum",
        "reliability.ensemble.weights",
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no.jsonl", "no such file (looked in "),
        ("/no/such/file", "no such file"),
        (".", "is a folder; expected a file"),
        ("a" * 5000, "is no usable path"),
    ],
)
def test_a_data_file_that_cannot_be_one_is_told(base: Path, path: str, message: str) -> None:
    dataset = {"name": "d", "split": "all", "options": {"path": path}}
    _, (problem,) = examine(decode_draft(content(dataset=dataset)), base=base)
    assert problem.path == "dataset.options.path"
    assert problem.message.startswith(message)


def test_data_files_of_another_machine_are_not_looked_up(base: Path) -> None:
    dataset = {"name": "d", "split": "all", "options": {"path": "no.jsonl"}}
    assert examine(decode_draft(content(dataset=dataset)), base=base, files=False)[1] == []


def test_validate_run_and_load_experiment_say_the_same(
    base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base)
    Path("e.json").write_text(json.dumps(content(seed=-1, backend={"id": "mok"}), indent=1))
    assert invoke(["validate", "e.json"]) == 2
    validated = capsys.readouterr().err
    assert invoke(["run", "e.json"]) == 2
    assert capsys.readouterr().err == validated
    with pytest.raises(ExperimentError) as caught:
        crucible.load_experiment("e.json")
    assert str(caught.value).splitlines() == [
        "e.json:11: backend.id: unknown backend 'mok'; did you mean 'mock'?",
        "e.json:36: seed: expected int >= 0 and < 4294967296, got -1",
    ]
    assert validated.replace("crucible: ", "") == f"{caught.value}\n"
    assert not Path("runs").exists()


def test_an_experiment_for_another_machine_is_not_judged_by_what_is_installed_here(base: Path) -> None:
    from crucible.loading import decode
    from crucible.messages.experiment_file import read_document

    file = base / "e.json"
    dataset = {"name": "d", "options": {"path": "there.jsonl"}}
    broken = content(seed=-1, backend={"id": "theirs"}, dataset=dataset, outputs=[{}, {}])
    file.write_text(json.dumps(broken))
    with pytest.raises(ExperimentError) as caught:
        decode(read_document(file), base=None)
    assert {problem.path for problem in caught.value.problems} == {"seed", "outputs[1].name"}


def test_whatever_is_wrong_in_a_file_is_told_by_problems(base: Path) -> None:
    rng = random.Random(11)
    wrong = [3, -1, "x", None, [], {}, [3], {"a": 1}, True, float("nan"), "env:", "", 10**30, [{}]]
    for _ in range(150):
        made: Any = copy.deepcopy(
            content(reliability=ensemble(weights=[1, 2]) | {"hedging": {"strategy": "fixed", "delay_ms": 5}})
        )
        for _ in range(rng.randint(1, 3)):
            node = made
            while isinstance(node, dict | list) and node:
                key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
                if rng.random() < 0.4 or not isinstance(node[key], dict | list):
                    node[key] = copy.deepcopy(rng.choice(wrong))
                    break
                node = node[key]
        draft = decode_draft(made)
        told = examine(draft, base=base)[1]
        assert told[: len(draft.problems)] == list(draft.problems)
