"""The fairness stage in whole runs, and docs/fairness.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.actors.stages.fairness import FairnessOptions

from .support import Workbench, row

PAGE = (Path(__file__).parents[2] / "docs" / "fairness.md").read_text(encoding="utf-8")
STAGES = [{"name": name} for name in ("data_load", "backend_call", "fairness", "report")]


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workbench:
    return Workbench(tmp_path, capsys)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_report_of_the_page_is_what_its_experiment_writes(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.folder)
    exec(block("python"), {})
    (bench.folder / "loans.toml").write_text(block("toml"))
    assert bench.run(bench.folder / "loans.toml").code == 0
    report = (bench.runs()[0] / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (?:criterion \| system|\w+ \| mock) .*$", PAGE, re.MULTILINE)
    assert len(shown) == 9
    for line in shown:
        assert line in report
    stored = json.loads((bench.runs()[0] / "report.json").read_text())
    (stage,) = [each for each in stored["stages"] if each["stage"] == "fairness"]
    assert stage["metrics"]["groups"] == {"south": 120, "north": 120}
    assert [result["system"] for result in stage["fairness"]] == ["mock"]


def test_the_page_names_every_option() -> None:
    for field in msgspec.structs.fields(FairnessOptions):
        assert f"\n| `{field.name}` |" in PAGE


@pytest.mark.parametrize(
    ("fairness", "stages", "problem"),
    [
        ({"enabled": True}, STAGES, "reliability.fairness.group_by: missing"),
        (
            {"enabled": True, "group_by": "region"},
            [STAGES[0], STAGES[1]],
            "reliability.fairness.enabled: has no effect without the stage",
        ),
        (
            {"enabled": True, "group_by": "region", "options": {"treshold": 0.2}},
            STAGES,
            "reliability.fairness.options.treshold: unknown key",
        ),
        (
            {"enabled": True, "group_by": "region", "metrics": ["parity"]},
            STAGES,
            "reliability.fairness.metrics[0]",
        ),
    ],
)
def test_settings_that_make_no_sense_are_named_before_the_run(
    bench: Workbench, fairness: dict[str, Any], stages: list[dict[str, Any]], problem: str
) -> None:
    ran = bench.run(bench.experiment(pipeline=stages, reliability={"fairness": fairness}))
    assert ran.code == 2
    assert problem in ran.err
    assert not bench.runs()


def test_a_model_that_exceeds_the_threshold_fails_the_run_when_asked_to(bench: Workbench) -> None:
    bench.write_rows([row(n, completion="yes", region=("north", "south")[n % 2]) for n in range(80)])
    replies = [{"contains": f"Document {n}:", "text": ["no" if n % 2 else "yes"]} for n in range(80)]
    file = bench.experiment(
        pipeline=STAGES,
        backend={"id": "mock", "options": {"replies": replies}},
        reliability={
            "fairness": {
                "enabled": True,
                "group_by": "region",
                "metrics": ["demographic_parity"],
                "options": {"fail_on_violation": True},
            }
        },
    )
    ran = bench.run(file)
    assert ran.code != 0
    assert "demographic_parity: north is 1 above south, tolerated are 0.1" in ran.err


def test_an_output_that_would_be_named_like_the_table_of_scores_is_refused_before_the_run(
    bench: Workbench,
) -> None:
    ran = bench.run(bench.experiment(outputs=[{"name": "scores", "formats": ["csv"]}]))
    assert ran.code == 2
    assert "outputs[0].name: scores.csv is written by every run" in ran.err
