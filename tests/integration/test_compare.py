"""``crucible compare``: finished runs, compared as a user would."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from .support import Workbench, row

ROWS = [{"id": f"r{number}", "prompt": f"Say {number}.", "completion": f"{number}"} for number in range(8)]
STAGES = [{"name": name} for name in ("data_load", "backend_call", "analysis_metrics", "bench", "report")]


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    made = Workbench(tmp_path, capsys)
    made.write_rows(ROWS)
    return made


def ran(bench: Workbench, answers: list[str], **changes: Any) -> Path:
    """A run whose model gives these answers to the rows, in order."""
    replies = [
        {"contains": f"Say {number}.", "text": answer}
        for number, answer in zip(range(8), answers, strict=False)
    ]
    content = {
        "backend": {"id": "mock", "name": "model", "options": {"replies": replies}},
        "baselines": [{"id": "mock", "name": "echo", "options": {"replies": [{"text": "4"}]}}],
        "pipeline": STAGES,
        **changes,
    }
    before = set(bench.runs())
    result = bench.run(bench.experiment(**content), "--quiet")
    assert result.code == 0, result.err
    (folder,) = set(bench.runs()) - before
    return folder


def compared(bench: Workbench, *arguments: str | Path) -> dict[str, Any]:
    result = bench.crucible("compare", *arguments, "--out", bench.out, "--json")
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def difference(found: dict[str, Any], metric: str, baseline: str) -> dict[str, Any]:
    (one,) = [
        each
        for stage in found["stages"]
        for each in stage.get("comparisons", [])
        if (each["metric"], each["baseline"]) == (metric, baseline)
    ]
    return dict(one)


GOOD = [str(number) for number in range(8)]
HALF = [str(number) if number % 2 else "no" for number in range(8)]


def test_runs_are_paired_by_example_and_the_difference_is_that_of_their_scores(bench: Workbench) -> None:
    good, half = ran(bench, GOOD), ran(bench, HALF, id="other")
    found = compared(bench, f"good={good}", f"half={half}")
    assert [system["name"] for system in found["systems"]] == ["good", "half"]
    one = difference(found, "exact_match", "half")
    assert (one["system"], one["n"]) == ("good", 8)
    assert (one["mean_system"], one["mean_baseline"], one["difference"]) == (1.0, 0.5, 0.5)
    assert one["verdict"] == "undecided"  # 4 of 8 pairs differ: the smallest p is 2 / 2**4
    permutation = next(test for test in one["tests"] if test["name"] == "permutation")
    assert permutation["p_value"] == pytest.approx(2 / 2**4)


def test_several_runs_and_a_baseline_of_one_are_corrected_together(bench: Workbench) -> None:
    good, half = ran(bench, GOOD), ran(bench, HALF)
    found = compared(bench, good.name, half.name, f"{half.name}:echo", "--metric", "exact_match")
    names = [system["name"] for system in found["systems"]]
    assert names == [f"model of {good.name}", f"model of {half.name}", f"echo of {half.name}"]
    echo = difference(found, "exact_match", names[2])
    test = next(test for test in echo["tests"] if test["name"] == "permutation")
    assert echo["difference"] == pytest.approx(7 / 8)
    assert test["p_value"] == pytest.approx(2 / 2**7)
    assert test["p_adjusted"] == pytest.approx(2 * 2 / 2**7)  # Holm: the smaller of two


def test_a_path_and_a_system_may_have_an_equals_sign_in_them(bench: Workbench) -> None:
    odd = {"id": "mock", "name": "top_k=4", "options": {"replies": [{"text": "4"}]}}
    good = ran(bench, GOOD, baselines=[odd])
    moved = bench.folder / "seed=3" / "good"
    moved.parent.mkdir()
    good.rename(moved)
    for first, second, names in (
        (f"{moved}", f"{moved}:top_k=4", ["model", "top_k=4"]),
        (f"a={moved}", f"b={moved}:top_k=4", ["a", "b"]),
    ):
        found = compared(bench, first, second)
        assert [system["name"] for system in found["systems"]] == names
        assert difference(found, "exact_match", names[1])["n"] == 8


def test_the_report_of_a_comparison_has_the_answers_side_by_side(bench: Workbench) -> None:
    good, half = ran(bench, GOOD), ran(bench, HALF, id="other")
    folder = Path(compared(bench, f"good={good}", f"half={half}")["folder"])
    assert sorted(path.name for path in folder.iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
        "samples.jsonl",
    ]
    lines = [msgspec.json.decode(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]
    assert {line["id"]: line["outputs"]["half"]["text"] for line in lines}["r2"] == "no"
    assert "good against half" in (folder / "report.md").read_text()


def test_runs_on_different_data_are_refused_unless_told_to(bench: Workbench) -> None:
    first = ran(bench, GOOD)
    bench.write_rows([*ROWS[4:], {"id": "new", "prompt": "Say 9.", "completion": "9"}])
    second = ran(bench, GOOD)
    refused = bench.crucible("compare", first, second, "--out", bench.out)
    assert refused.code == 2
    assert len(refused.lines) == 1
    assert "have different data" in refused.err
    assert "--different-data" in refused.err
    found = compared(bench, first, second, "--different-data")
    assert found["examples"] == 4
    assert any("4 of the 8 rows of its run" in note for note in found["notes"])


def test_a_row_with_the_same_id_and_another_text_is_not_the_same_row(bench: Workbench) -> None:
    first = ran(bench, GOOD)
    bench.write_rows([{**each, "completion": "x"} if each["id"] == "r3" else each for each in ROWS])
    found = compared(bench, first, ran(bench, GOOD), "--different-data")
    assert found["examples"] == 7
    assert any("1 rows have the same id and another text" in note for note in found["notes"])


def test_rows_of_another_split_of_the_same_file_are_refused(bench: Workbench) -> None:
    split = {"path": "data.jsonl", "split": {"train": 0.5, "validation": 0, "test": 0.5}}
    data = {"name": "small", "split": "test", "options": split}
    first, second = (ran(bench, GOOD, dataset=data, seed=seed) for seed in (1, 2))
    refused = bench.crucible("compare", first, second, "--out", bench.out)
    assert refused.code == 2
    assert "asked different rows (4 and 4" in refused.err


def test_a_score_by_another_method_is_left_out_and_said(bench: Workbench) -> None:
    bench.write_rows([row(number) for number in range(1, 9)])
    folder = ran(bench, [])
    samples = folder / "samples.jsonl"
    second = bench.out / "second"
    second.mkdir()
    (second / "run.json").write_bytes((folder / "run.json").read_bytes().replace(folder.name.encode(), b"b"))
    lines = [msgspec.json.decode(line) for line in samples.read_bytes().splitlines()]
    for line in lines:
        line["methods"]["model"]["mean_entailment"] = "nli"
    (second / "samples.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    found = compared(bench, folder, "second")
    assert any("mean_entailment cannot be compared: it was scored by" in note for note in found["notes"])
    figures = {figure["name"] for stage in found["stages"] for figure in stage.get("figures", [])}
    assert "schema_compliance" in figures
    assert "mean_entailment" not in figures


def test_what_spoils_a_run_is_said_of_the_comparison(bench: Workbench) -> None:
    broken = {"id": "mock", "name": "broken", "options": {"errors": {"bad_request": 1.0}}}
    tolerant = [
        {**stage, "options": {"max_failed": 1.0}} if stage["name"] == "backend_call" else stage
        for stage in STAGES
    ]
    good = ran(bench, GOOD, baselines=[broken], pipeline=tolerant)
    found = compared(bench, f"a={good}", f"b={good}:broken")
    (note,) = found["notes"]
    assert note.startswith("b: 8 of 8 requests to broken failed")
    assert note in (Path(found["folder"]) / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["{good}", "nothing"], "nothing: expected the folder of a run, or the name of one in"),
        (["{good}", "{tmp}"], "is not the folder of a run that has ended"),
        (["{good}", "{good}"], "is given twice"),
        (["{good}", "{good}:ecko"], "unknown system 'ecko'; did you mean 'echo'?"),
        (["{good}", "{good}:echo", "--metric", "exact_mach"], "did you mean 'exact_match'?"),
        (["{good}", "={good}"], "expected NAME=RUN"),
        (["{good}", ""], "the name of a run is empty"),
        (["{good}", "a\x1b[31m={good}"], "1 to 200 printable characters, got 'a\\x1b[31m="),
        (["{good}", "a" * 300 + "={good}"], "1 to 200 printable characters, got 'aaa"),
        (["{good}", "{good}:echo", "--alpha", "2"], "--alpha: expected a number between 0 and 1, got 2"),
    ],
)
def test_what_cannot_be_compared_is_one_line(bench: Workbench, arguments: list[str], problem: str) -> None:
    good = ran(bench, GOOD)
    given = [argument.format(good=good, tmp=bench.folder) for argument in arguments]
    before = bench.runs()
    result = bench.crucible("compare", *given, "--out", bench.out)
    assert result.code == 2
    assert len(result.lines) == 1
    assert problem in result.err
    assert bench.runs() == before


def test_a_broken_sample_is_named_with_its_line(bench: Workbench) -> None:
    good, half = ran(bench, GOOD), ran(bench, HALF)
    samples = half / "samples.jsonl"
    lines = samples.read_bytes().splitlines(keepends=True)
    samples.write_bytes(b"".join([*lines[:2], b'{"id": \n', *lines[3:]]))
    result = bench.crucible("compare", good, half, "--out", bench.out)
    assert result.code == 2
    assert f"{samples}:3: is not a sample of a run" in result.err


def test_a_sample_that_stands_twice_is_named_with_both_lines(bench: Workbench) -> None:
    good, half = ran(bench, GOOD), ran(bench, HALF)
    samples = half / "samples.jsonl"
    lines = samples.read_bytes().splitlines(keepends=True)
    samples.write_bytes(b"".join([*lines, lines[2]]))
    result = bench.crucible("compare", good, half, "--out", bench.out)
    assert (result.code, len(result.lines)) == (2, 1)
    assert f"{samples}:9: id: 'r2' is already the id of line 3" in result.err


def test_a_run_without_samples_is_named(bench: Workbench) -> None:
    good, half = ran(bench, GOOD), ran(bench, HALF)
    (half / "samples.jsonl").write_bytes(b"")
    result = bench.crucible("compare", good, half, "--out", bench.out)
    assert (result.code, result.err) == (2, f"crucible: {half}/samples.jsonl: holds no sample\n")


def test_a_metric_that_is_named_twice_is_compared_and_corrected_for_once(bench: Workbench) -> None:
    good, half = ran(bench, GOOD), ran(bench, HALF)
    once = compared(bench, good, half, "--metric", "exact_match")
    twice = compared(bench, good, half, "--metric", "exact_match", "--metric", "exact_match")
    (baseline,) = [each["name"] for each in once["systems"]][1:]
    assert difference(twice, "exact_match", baseline) == difference(once, "exact_match", baseline)


def test_a_run_that_failed_is_refused_with_its_reason(bench: Workbench) -> None:
    good = ran(bench, GOOD)
    result = json.loads((good / "run.json").read_text())
    (good / "run.json").write_text(json.dumps({**result, "status": "failed", "failure": "bench: no"}))
    refused = bench.crucible("compare", good, good, "--out", bench.out)
    assert refused.code == 2
    assert "the run failed: bench: no" in refused.err
