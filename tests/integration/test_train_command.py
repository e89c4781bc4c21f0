"""``crucible train``, as a user would."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from .support import Workbench, row


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    return Workbench(tmp_path, capsys)


def write(bench: Workbench, rows: list[Any]) -> Path:
    file = bench.folder / "objects.jsonl"
    file.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows))
    return file


def test_rows_are_trained_on_and_measured_beside_a_baseline(bench: Workbench) -> None:
    bench.write_rows([row(number) for number in range(1, 21)])
    result = bench.crucible(
        "train", bench.data, "--baseline", "lead", "--learning-rate", "0.02", "--out", bench.out, "-q"
    )
    assert result.code == 0, result.err
    assert "sentence_f1: extractive against lead" in result.out
    (folder,) = bench.runs()
    losses = json.loads((folder / "report.json").read_text())["stages"]
    assert any(stage.get("losses") for stage in losses)


def test_objects_become_prompts_of_the_chosen_format(bench: Workbench) -> None:
    file = write(bench, [{"id": f"s{n}", "claim": f"Claim {n}."} for n in range(10)])
    result = bench.crucible(
        "train",
        file,
        "--format",
        "qa",
        "--backend",
        "mock",
        "--experiment",
        "--set",
        "backend.options.losses=[1.0]",
    )
    job = json.loads(result.out)
    assert job["backend"]["options"]["losses"] == [1.0]
    rows = job["dataset"]["options"]["rows"]
    assert rows[0]["output"] == "There is no evidence for this claim."
    assert [each["split"] for each in rows].count("train") == 8


def test_rows_may_stand_in_a_table(bench: Workbench) -> None:
    file = bench.folder / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, ["prompt", "completion"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row(number) for number in range(1, 13))
    result = bench.crucible("train", file, "--learning-rate", "0.02", "--out", bench.out, "-q")
    assert result.code == 0, result.err
    assert "sentence_f1" in result.out


def test_an_override_reaches_a_stage_as_it_does_in_a_file(bench: Workbench) -> None:
    sets = ("--set", "pipeline.backend_call.options.max_tokens=8", "--set", "pipeline.report.options={}")
    result = bench.crucible("train", write(bench, TWO), "--experiment", *sets)
    assert result.code == 0, result.err
    stages = {stage["name"]: stage for stage in json.loads(result.out)["pipeline"]}
    assert stages["backend_call"]["options"]["max_tokens"] == 8


def test_the_printed_experiment_runs(bench: Workbench) -> None:
    file = write(bench, [{"id": f"s{n}", "claim": f"Claim {n}."} for n in range(10)])
    printed = bench.crucible(
        "train", file, "--backend", "mock", "--experiment", "--set", "backend.options.losses=[1.0]"
    )
    experiment = bench.folder / "job.json"
    experiment.write_text(printed.out)
    assert bench.run(experiment, "-q").code == 0


TWO = [{"id": "a", "claim": "x"}, {"id": "b", "claim": "y"}]


@pytest.mark.parametrize(
    ("rows", "arguments", "problem"),
    [
        ([{"id": "a", "claim": "x"}, {"id": "b", "claim": ""}], [], "objects.jsonl:2: claim: expected"),
        ([{"id": "a", "claim": "x"}, "{"], [], "objects.jsonl:2: is not JSON"),
        ([{"id": "a", "claim": "x"}], ["--split", "0.5", "0.1", "0.1"], "three shares that add up to 1"),
        ([{"id": "a", "claim": "x"}], ["--backend", "mocc"], "did you mean 'mock'?"),
        ([{"id": "a", "claim": "x"}], ["--set", "nonsense"], "expected KEY=VALUE"),
        (
            [{"id": "a", "claim": "x"}],
            ["--base-model", "m"],
            "--base-model: is for the backends local and tinker",
        ),
        (TWO, ["--learning-rate", "nan"], "--learning-rate: expected a finite number, got nan"),
        (TWO, ["--learning-rate", "0"], "--learning-rate: expected float > 0 and <= 10, got 0.0"),
        (TWO, ["--seed", "-1"], "--seed: expected int >= 0 and < 4294967296, got -1"),
        (TWO, ["--epochs", "0"], "--epochs: expected int >= 1"),
        (TWO, ["--batch-size", "0", "--experiment"], "--batch-size: expected int >= 1"),
        (TWO, ["--set", "seed=-1"], "--set seed: expected int >= 0"),
        (
            TWO,
            ["--backend", "mocc", "--experiment"],
            "--backend: unknown backend 'mocc'; did you mean 'mock'?",
        ),
        (
            TWO,
            ["--baseline", "leed", "--experiment"],
            "--baseline: unknown backend 'leed'; did you mean 'lead'?",
        ),
        (TWO, ["--set", "backend.options.epoch=2", "--experiment"], "backend.options.epoch"),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(
    bench: Workbench, rows: list[Any], arguments: list[str], problem: str
) -> None:
    result = bench.crucible("train", write(bench, rows), *arguments, "--out", bench.out, "-q")
    assert result.code == 2
    assert problem in result.lines[0]
    assert bench.runs() == []


def test_an_experiment_is_printed_on_a_machine_without_the_key(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINKER_API_KEY", raising=False)
    result = bench.crucible("train", write(bench, TWO), "--backend", "tinker", "--experiment")
    assert result.code == 0
    assert json.loads(result.out)["backend"]["id"] == "tinker"


def test_a_missing_file_is_one_line(bench: Workbench) -> None:
    result = bench.crucible("train", bench.folder / "nothing.jsonl")
    assert (result.code, len(result.lines)) == (2, 1)
