"""``crucible run --reproduce``: a run once more, and whether its figures agree."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from .support import Workbench

ROWS = [{"id": f"r{number}", "prompt": f"Say {number}.", "completion": f"{number}"} for number in range(10)]
STAGES = [{"name": name} for name in ("data_load", "backend_call", "analysis_metrics", "bench", "report")]
GOOD = [{"contains": f"Say {number}.", "text": f"{number}"} for number in range(10)]


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    made = Workbench(tmp_path, capsys)
    made.write_rows(ROWS)
    return made


def first_run(bench: Workbench) -> Path:
    backend = {"id": "mock", "options": {"replies": GOOD}}
    assert bench.run(bench.experiment(backend=backend, pipeline=STAGES), "--quiet").code == 0
    (folder,) = bench.runs()
    return folder


def rewrite(folder: Path, ids: set[str]) -> None:
    """As if these examples had been answered wrongly."""
    lines = [msgspec.json.decode(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]
    for line in lines:
        if line["id"] in ids:
            line["outputs"]["mock"]["text"] = "something else"
            line["scores"]["mock"] |= {"exact_match": 0.0, "token_f1": 0.0}
    (folder / "samples.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def reproduced(bench: Workbench, folder: Path, code: int) -> dict[str, Any]:
    result = bench.crucible("run", "--reproduce", folder.name, "--out", bench.out, "--quiet", "--json")
    assert result.code == code, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_the_same_seed_and_the_same_answers_give_the_same_figures(bench: Workbench) -> None:
    found = reproduced(bench, first_run(bench), code=0)
    assert (found["agrees"], found["same_data"], found["changed"]) == (True, True, {})
    assert found["identical"] == {"mock": 10}
    assert {figure["status"] for figure in found["figures"]} == {"equal"}


def test_it_runs_from_another_folder_than_the_first_time(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = first_run(bench)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert reproduced(bench, folder, code=0)["rows"] == 10


def test_a_few_other_answers_are_within_noise(bench: Workbench) -> None:
    folder = first_run(bench)
    rewrite(folder, {"r1", "r2"})
    found = reproduced(bench, folder, code=0)
    assert found["identical"] == {"mock": 8}
    (match,) = [figure for figure in found["figures"] if figure["metric"] == "exact_match"]
    assert (match["before"], match["again"], match["status"]) == (0.8, 1.0, "within_noise")
    assert match["interval"]["low"] < 0.2 < match["interval"]["high"]


def test_other_answers_throughout_differ_and_the_exit_code_says_so(bench: Workbench) -> None:
    folder = first_run(bench)
    rewrite(folder, {row["id"] for row in ROWS})
    found = reproduced(bench, folder, code=1)
    assert not found["agrees"]
    (match,) = [figure for figure in found["figures"] if figure["metric"] == "exact_match"]
    assert (match["before"], match["again"], match["status"]) == (0.0, 1.0, "differs")


def test_changed_data_never_agree(bench: Workbench) -> None:
    folder = first_run(bench)
    bench.write_rows([*ROWS[:9], {"id": "new", "prompt": "Say 3.", "completion": "3"}])
    result = bench.crucible("run", "--reproduce", folder, "--out", bench.out, "--quiet")
    assert result.code == 1
    assert "the data set has changed\n2 rows are in one of the runs only" in result.out
    assert result.out.endswith("the runs do not agree\n")


def test_versions_that_changed_are_named(bench: Workbench) -> None:
    folder = first_run(bench)
    result = json.loads((folder / "run.json").read_text())
    result["provenance"]["packages"]["numpy"] = "0.1"
    (folder / "run.json").write_text(json.dumps(result))
    changed = reproduced(bench, folder, code=0)["changed"]
    assert list(changed) == ["numpy"]
    assert changed["numpy"][0] == "0.1"


def test_the_line_of_a_figure_has_both_values_and_the_interval(bench: Workbench) -> None:
    folder = first_run(bench)
    rewrite(folder, {"r1", "r2"})
    out = bench.crucible("run", "--reproduce", folder, "--out", bench.out, "--quiet").out
    assert "mock: 8 of 10 answers identical" in out
    assert "  exact_match of mock: 0.800 -> 1.000, difference in [" in out


def test_an_experiment_that_is_no_longer_known_is_named_with_the_file_it_stands_in(bench: Workbench) -> None:
    folder = first_run(bench)
    kept = folder / "run.json"
    result = json.loads(kept.read_text())
    result["experiment"]["backend"]["id"] = "mocc"
    kept.write_text(json.dumps(result))
    again = bench.crucible("run", "--reproduce", folder, "--out", bench.out)
    assert (again.code, len(again.lines)) == (2, 1)
    assert f"{kept}: backend.id: unknown backend 'mocc'; did you mean 'mock'?" in again.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["x.toml", "--reproduce", "y"], "expected no file and no --set"),
        (["--reproduce", "y", "--set", "seed=1"], "expected no file and no --set"),
        (["--reproduce", "nothing"], "expected the folder of a run"),
        ([], "expected an experiment file, or --reproduce RUN"),
    ],
)
def test_wrong_use_is_one_line(bench: Workbench, arguments: list[str], problem: str) -> None:
    result = bench.crucible("run", *arguments)
    assert (result.code, len(result.lines)) == (2, 1)
    assert problem in result.err
