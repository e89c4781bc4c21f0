"""The example with a dialectic: offline as it is, and with a server by the changes that its head names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.cli.app import invoke

from ..integration.model_server import ModelServer

FILE = Path(__file__).parents[2] / "config" / "experiments" / "dialectic.toml"
SAID = "CLAIM[c1]: It is so.\nCLAIM[c2] (Document 9001): It was measured.\nRELATION: c2 supports c1"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def run(folder: Path, *changes: str) -> dict[str, Any]:
    sets = [part for change in changes for part in ("--set", change)]
    assert invoke(["run", str(FILE), "--out", str(folder), *sets]) == 0
    report: dict[str, Any] = json.loads(next(folder.rglob("report.json")).read_text())
    return {stage["stage"]: stage for stage in report["stages"]}


def test_offline_two_agents_go_by_rules_and_the_answer_is_compared_with_the_models_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = run(tmp_path)
    agents = stages["backend_call"]["metrics"]["dialectic"]
    assert [name for name, each in agents.items() if "requests" not in each] == ["antagonist", "synthesizer"]
    assert stages["dialectic"]["metrics"]["examples"] == 24
    assert "sentence_f1: dialectic against alone" in capsys.readouterr().out
    page = next(tmp_path.rglob("report.html")).read_text()
    assert 'id="dialectic-' in page
    assert 'id="argument-' in page


def test_with_a_server_all_three_agents_are_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(prompt: str, _before: int) -> tuple[float, str]:
        told = "CHALLENGE[k1] scope high: For whom?\n" if prompt.startswith("You are the antagonist") else ""
        return 0.0, told + SAID

    with ModelServer(answer) as server:
        stages = run(
            tmp_path,
            "pipeline.backend_call.options.mode=sample",
            "backend.id=openai",
            f'backend.options={{model="m", base_url="{server.url}"}}',
        )
    capsys.readouterr()
    agents = stages["backend_call"]["metrics"]["dialectic"]
    assert {name: each["by_rules"] for name, each in agents.items()} == dict.fromkeys(agents, 0)
    assert agents["synthesizer"]["requests"]["asked"] >= 24
