"""``crucible label``: a queue goes out, people fill it in, and it comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .support import Workbench

STAGES = [{"name": name} for name in ("data_load", "backend_call", "analysis_metrics", "report")]
PASSAGE = (
    "Extract.\n\nPassage:\nDocument {n}: Zinc\n\nZinc raises iron levels in group {n}. Pain did not differ.\n"
)
GOLD = (
    "CLAIM[c1]: Zinc raises iron levels.\nCLAIM[c2] (Document {n}): Zinc raises iron levels in group {n}.\n"
)
RELATION = "RELATION: c2 supports c1"
ANSWERS = {
    1: GOLD.format(n=1) + RELATION,
    2: GOLD.format(n=2).replace("Zinc raises iron levels.", "Zinc lowers iron levels.") + RELATION,
    3: GOLD.format(n=9) + RELATION,
    4: "I cannot say.",
    5: "CLAIM[c1]: Zinc raises iron levels.\nCLAIM[c2] (Document 5): Cats purr loudly.\n" + RELATION,
    6: "CLAIM[c1]: Zinc raises iron levels.\nCLAIM[c2] (Document 6): Zinc raises blood levels of 6 cats.\n"
    + RELATION,
}


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    made = Workbench(tmp_path, capsys)
    made.write_rows(
        [
            {"id": f"r{n}", "prompt": PASSAGE.format(n=n), "completion": GOLD.format(n=n) + RELATION}
            for n in ANSWERS
        ]
    )
    replies = [{"contains": f"Document {n}:", "text": text} for n, text in ANSWERS.items()]
    content: dict[str, Any] = {
        "backend": {"id": "mock", "name": "model", "options": {"replies": replies}},
        "pipeline": STAGES,
    }
    result = made.run(made.experiment(**content), "--quiet")
    assert result.code == 0, result.err
    return made


def run_of(bench: Workbench) -> Path:
    (folder,) = bench.runs()
    return folder


def exported(bench: Workbench, *arguments: str, name: str = "queue.jsonl") -> list[dict[str, Any]]:
    path = bench.folder / name
    result = bench.crucible("label", "export", run_of(bench), "--output", path, *arguments)
    assert result.code == 0, result.err
    lines = path.read_text(encoding="utf-8").splitlines()
    assert result.out == f"{path}: {len(lines)} answers to label\n"
    return [json.loads(line) for line in lines]


def labelled(bench: Workbench, lines: list[dict[str, Any]], name: str = "done.jsonl") -> Path:
    path = bench.folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def taken_in(bench: Workbench, path: Path) -> dict[str, Any]:
    result = bench.crucible("label", "import", run_of(bench), path, "--json")
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


def refused(bench: Workbench, *arguments: str | Path) -> str:
    result = bench.crucible(*arguments)
    assert result.code == 2, result.out
    (line,) = result.lines
    return line


def test_the_flags_of_a_run_say_what_is_wrong_with_each_answer(bench: Workbench) -> None:
    path = bench.folder / "flags.jsonl"
    result = bench.crucible("label", "flags", run_of(bench), "--output", path)
    assert result.code == 0, result.err
    flags = {row["example"]: row for row in map(json.loads, path.read_text().splitlines())}
    assert {name: [issue["type"] for issue in row["issues"]] for name, row in flags.items()} == {
        "r2": ["CONTRADICTS_REFERENCE"],
        "r3": ["CITATION_INVALID", "CITATION_INCOMPLETE", "WEAK_ENTAILMENT"],
        "r4": ["NO_CLAIM"],
        "r5": ["WEAK_ENTAILMENT"],
    }
    assert json.loads(result.out)["by_severity"] == {"high": 3, "medium": 1, "low": 0}


def test_a_threshold_of_the_command_moves_the_flags(bench: Workbench) -> None:
    result = bench.crucible("label", "flags", run_of(bench), "--contradiction", "1", "--entailment", "0")
    assert json.loads(result.out)["flagged"] == 2


def test_a_threshold_out_of_range_is_refused(bench: Workbench) -> None:
    assert "entailment" in refused(bench, "label", "flags", run_of(bench), "--entailment", "2")


def test_a_queue_by_doubt_starts_where_the_score_is_closest_to_the_threshold(bench: Workbench) -> None:
    lines = exported(bench, "--metric", "mean_entailment", "--size", "1")
    assert [line["example"] for line in lines] == ["r6"]


def test_a_queue_by_flags_starts_with_the_gravest(bench: Workbench) -> None:
    lines = exported(bench, "--order", "flags")
    assert lines[0]["example"] == "r3"
    assert {line["example"] for line in lines[:3]} == {"r2", "r3", "r4"}
    assert lines[3]["example"] == "r5"


def test_a_random_queue_is_the_same_for_the_same_seed_only(bench: Workbench) -> None:
    first = exported(bench, "--order", "random", "--seed", "1", name="a")
    assert exported(bench, "--order", "random", "--seed", "1", name="b") == first
    assert exported(bench, "--order", "random", "--seed", "2", name="c") != first
    assert sorted(line["example"] for line in first) == [f"r{n}" for n in ANSWERS]


def test_a_queue_does_not_tell_what_the_machine_thinks(bench: Workbench) -> None:
    for line in exported(bench):
        assert set(line) == {
            "example", "system", "rule", "input", "output", "reference", "label", "labeller", "note"
        }  # fmt: skip
        assert line["label"] is None


def test_an_answer_without_the_score_is_left_out(bench: Workbench) -> None:
    lines = exported(bench, "--metric", "mean_entailment")
    assert "r4" not in {line["example"] for line in lines}


def test_labels_that_agree_with_the_machine_have_a_kappa_of_one(bench: Workbench) -> None:
    lines = exported(bench)
    wrong = {"r2", "r3", "r4", "r5"}
    for line in lines:
        line["label"] = "reject" if line["example"] in wrong else "accept"
    found = taken_in(bench, labelled(bench, lines))
    assert found["compared"] == 6
    assert found["agreed"] == 1.0
    assert found["kappa"]["value"] == pytest.approx(1.0)
    assert found["table"] == {"accept/accept": 2, "reject/reject": 4}


def test_unsure_labels_and_empty_lines_are_counted_and_not_compared(bench: Workbench) -> None:
    lines = exported(bench)
    lines[0]["label"], lines[1]["label"] = "unsure", "accept"
    found = taken_in(bench, labelled(bench, lines))
    assert (found["labels"], found["unsure"], found["compared"]) == (2, 1, 1)
    assert found["kappa"]["value"] is None
    assert found["kappa"]["status"] == "too_few"


def test_two_people_are_compared_with_each_other_too(bench: Workbench) -> None:
    lines = exported(bench)
    for number, line in enumerate(lines):
        line |= {"label": "accept" if number % 2 else "reject", "labeller": "ann"}
    taken_in(bench, labelled(bench, lines))
    for line in lines:
        line["labeller"] = "bob"
    found = taken_in(bench, labelled(bench, lines))
    assert found["labels"] == 12
    assert found["between_people"]["value"] == pytest.approx(1.0)


def test_a_label_of_the_same_person_takes_the_place_of_the_earlier_one(bench: Workbench) -> None:
    lines = exported(bench, "--size", "1")
    for label in ("accept", "reject"):
        lines[0]["label"] = label
        found = taken_in(bench, labelled(bench, lines))
    assert found["labels"] == 1
    (kept,) = (run_of(bench) / "labels.jsonl").read_text().splitlines()
    assert json.loads(kept)["label"] == "reject"


def test_the_agreement_is_told_in_words(bench: Workbench) -> None:
    lines = exported(bench)
    for line in lines:
        line["label"] = "reject" if line["example"] in {"r3", "r4", "r5"} else "accept"
    result = bench.crucible("label", "import", run_of(bench), labelled(bench, lines))
    assert "  person accept, machine reject: 1\n" in result.out
    assert "agreed: 83.3%\n" in result.out
    assert "Cohen's kappa: 0.67 (95 % " in result.out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"label": "good"}, "done.jsonl:1: "),
        ({"example": "r99"}, "'r99'"),
        ({"system": "nobody"}, "expected one of 'model', got 'nobody'"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_line_that_is_not_of_this_queue_is_refused_by_its_number(
    bench: Workbench, change: dict[str, Any], told: str
) -> None:
    lines = exported(bench, "--size", "1")
    path = labelled(bench, [{**lines[0], "label": "accept", **change}])
    line = refused(bench, "label", "import", run_of(bench), path)
    assert told in line
    assert str(path) in line
    assert not (run_of(bench) / "labels.jsonl").exists()


def test_two_labels_of_one_person_for_one_answer_are_refused(bench: Workbench) -> None:
    lines = exported(bench, "--size", "1")
    lines[0]["label"] = "accept"
    line = refused(bench, "label", "import", run_of(bench), labelled(bench, lines * 2))
    assert "line 1 already has a label" in line


def test_a_queue_without_a_name_is_in_the_folder_of_its_run(bench: Workbench) -> None:
    queue = run_of(bench) / "queue.jsonl"
    result = bench.crucible("label", "export", run_of(bench))
    assert (result.code, result.out) == (0, f"{queue}: 6 answers to label\n")
    lines = [{**json.loads(line), "label": "accept"} for line in queue.read_text().splitlines()]
    queue.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = bench.crucible("label", "import", run_of(bench))
    assert result.code == 0, result.err
    assert result.out.startswith("labels 6, of them unsure 0")


def test_a_queue_that_nobody_filled_in_is_told_with_what_to_fill_in(bench: Workbench) -> None:
    exported(bench)
    result = bench.crucible("label", "import", run_of(bench), bench.folder / "queue.jsonl")
    assert (result.code, result.out) == (0, "")
    assert 'queue.jsonl: nothing is labelled yet: set "label" to "accept", "reject" or "unsure"' in result.err
    assert not (run_of(bench) / "labels.jsonl").exists()


def test_a_queue_is_never_overwritten(bench: Workbench) -> None:
    exported(bench)
    told = refused(bench, "label", "export", run_of(bench), "--output", bench.folder / "queue.jsonl")
    assert "already exists" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--metric", "mean_entailmnt"), "did you mean 'mean_entailment'?"),
        (("--system", "nobody"), "which has model"),
        (("--size", "0"), "at least 1"),
        (("--metric", "chirality", "--order", "flags"), "cannot be used with a metric"),
        (("--metric", "chirality", "--threshold", "nan"), "finite"),
    ],
)
def test_a_queue_that_cannot_be_made_is_refused(
    bench: Workbench, arguments: tuple[str, ...], told: str
) -> None:
    output = bench.folder / "q.jsonl"
    assert told in refused(bench, "label", "export", run_of(bench), "--output", output, *arguments)
    assert not output.exists()
