"""Critics in an experiment: scores in the figures and the report, issues beside each answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .support import ANSWER, Workbench

STAGES = ("data_load", "backend_call", "analysis_metrics", "bench", "report")


def test_an_experiment_that_asks_for_critics_reports_their_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Workbench(tmp_path, capsys)
    pipeline: list[dict[str, Any]] = [{"name": name} for name in STAGES]
    pipeline[2] |= {"options": {"critics": True}}
    replies = [{"text": ANSWER.format(number=1)}]
    file = bench.experiment(
        backend={"id": "mock", "options": {"replies": replies}},
        pipeline=pipeline,
        outputs=[{"formats": ["markdown", "json"]}],
    )
    result = bench.run(file, "--quiet")
    assert result.code == 0, result.err
    (folder,) = bench.runs()
    assert "critic_grounding" in (folder / "report.md").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        (system,) = line["scores"]
        assert 0.0 < line["scores"][system]["critic_verdict"] < 1.0
        assert line["details"][system]["critics"]["level"]
