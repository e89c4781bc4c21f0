"""``crucible export``: a finished run for another tool."""

import json
from pathlib import Path
from typing import Any

import pytest

from .support import Workbench

ROWS = [{"id": f"r{number}", "prompt": f"Say {number}.", "completion": f"{number}"} for number in range(4)]
STAGES = [{"name": name} for name in ("data_load", "backend_call", "bench", "report")]


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    made = Workbench(tmp_path, capsys)
    made.write_rows(ROWS)
    return made


def ran(bench: Workbench) -> Path:
    content: dict[str, Any] = {
        "backend": {
            "id": "mock",
            "name": "model",
            "options": {"replies": [{"contains": "Say 1.", "text": "1"}, {"text": "no \ud83d\ude00"}]},
        },
        "baselines": [{"id": "mock", "name": "echo", "options": {"replies": [{"text": "2"}]}}],
        "pipeline": STAGES,
    }
    result = bench.run(bench.experiment(**content), "--quiet")
    assert result.code == 0, result.err
    return bench.runs()[0]


def test_a_run_is_a_log_that_holds_answers_scores_and_means(bench: Workbench) -> None:
    result = bench.crucible("export", ran(bench))
    assert result.code == 0, result.err
    log = json.loads(result.out)
    assert (log["version"], log["status"], log["eval"]["model"]) == (2, "success", "model")
    assert log["eval"]["dataset"]["sample_ids"] == ["r0", "r1", "r2", "r3"]
    means = {score["name"]: score["metrics"]["mean"]["value"] for score in log["results"]["scores"]}
    assert means["exact_match"] == 0.25
    second = log["samples"][1]
    assert (second["input"], second["target"]) == ("Say 1.", "1")
    assert second["output"]["choices"][0]["message"]["content"] == "1"
    assert {name: score["value"] for name, score in second["scores"].items()} == {
        "exact_match": 1.0,
        "token_f1": 1.0,
        "includes": 1.0,
        "numeric_match": 1.0,
    }


def test_another_system_is_chosen_by_name_and_a_folder_gets_a_file(bench: Workbench) -> None:
    folder = ran(bench)
    target = bench.folder / "logs"
    target.mkdir()
    result = bench.crucible("export", folder, "--system", "echo", "--output", target)
    assert result.code == 0, result.err
    [path] = target.iterdir()
    assert path.name.endswith(f"_{folder.name}-echo.json")
    assert json.loads(path.read_bytes())["samples"][2]["scores"]["exact_match"]["value"] == 1.0


def test_a_system_that_is_not_there_is_named_with_those_that_are(bench: Workbench) -> None:
    result = bench.crucible("export", ran(bench), "--system", "modell")
    assert (result.code, result.lines) == (2, ["crucible: unknown system 'modell'; did you mean 'model'?"])


def test_inspect_reads_what_was_written(bench: Workbench) -> None:
    log = pytest.importorskip("inspect_ai.log", reason="needs inspect_ai")
    path = bench.folder / "log.json"
    assert bench.crucible("export", ran(bench), "--output", path).code == 0
    read = log.read_eval_log(str(path))
    assert [sample.scores["exact_match"].value for sample in read.samples] == [0.0, 1.0, 0.0, 0.0]
