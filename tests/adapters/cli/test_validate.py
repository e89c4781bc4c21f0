"""``crucible validate``: everything a run would check before it spends anything."""

import json
from pathlib import Path

import msgspec
import pytest

from crucible.adapters.cli.app import invoke
from crucible.messages.experiment import Experiment

EXPERIMENT = """id = "small"
[dataset]
name = "small"
split = "all"
options = { path = "data.jsonl" }
[backend]
id = "mock"
[[pipeline]]
name = "data_load"
[[pipeline]]
name = "report"
enabled = false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    (tmp_path / "experiment.toml").write_text(EXPERIMENT)
    return tmp_path / "experiment.toml"


def test_a_good_experiment_is_told_in_one_line_with_its_rows(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["validate", str(file)]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{file}: ok, 1 stage, 2 rows (all 2)\n", "")


def test_without_data_only_the_experiment_is_checked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "data.jsonl").unlink()
    assert invoke(["validate", str(file), "--no-data"]) == 0
    assert capsys.readouterr().out == f"{file}: ok, 1 stage\n"
    assert invoke(["validate", str(file)]) == 2


def test_every_problem_is_listed_with_its_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(EXPERIMENT.replace('"mock"', '"mok"').replace('"data_load"', '"data_lode"'))
    assert invoke(["validate", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"crucible: {file}:7: backend.id: unknown backend 'mok'; did you mean 'mock'?",
        f"crucible: {file}:9: pipeline[0].name: unknown stage 'data_lode'; did you mean 'data_load'?",
    ]


def test_an_override_is_checked_like_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["validate", str(file), "--set", "pipeline.report.enabled=true"]) == 0
    assert "2 stages" in capsys.readouterr().out
    assert invoke(["validate", str(file), "--set", "seed=-1"]) == 2
    assert "(from --set seed)" in capsys.readouterr().err


def test_nothing_is_written(file: Path) -> None:
    before = sorted(file.parent.iterdir())
    invoke(["validate", str(file)])
    assert sorted(file.parent.iterdir()) == before


def test_the_schema_is_json_and_names_every_key_of_an_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["validate", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    text = json.dumps(schema)
    assert all(f'"{field.encode_name}"' in text for field in msgspec.structs.fields(Experiment))
    assert "$defs" in schema
