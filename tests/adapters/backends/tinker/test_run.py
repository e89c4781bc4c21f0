"""`crucible run` of the shipped Tinker experiment, as a user runs it, against the tests' server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .support import KEY, MARKS, Tenant, make_tokenizer, running_server

pytestmark = [*MARKS, pytest.mark.slow, pytest.mark.timeout(300)]  # whole processes, on a busy machine
COMMAND = str(Path(sys.executable).with_name("crucible"))
STAGES = [
    "data_load",
    "data_checks",
    "guardrails",
    "backend_call",
    "analysis_surrogate_validation",
    "analysis_tda_validation",
    "analysis_metrics",
    "bench",
    "report",
]
EXPERIMENT = Path(__file__).parents[4] / "config" / "experiments" / "tinker.toml"


class Service:
    """A tenant and the command that uses it."""

    def __init__(self, port: int, name: str, tokenizer: Path, out: Path) -> None:
        self.tenant, self._tokenizer, self.out = Tenant(port, name), tokenizer, out

    def command(self, out: str, *settings: str) -> list[str]:
        given = (
            "base_model=tiny/lora",
            f"tokenizer={self._tokenizer}",
            "learning_rate=0.05",
            "epochs=2",
            "batch_size=4",
            "recovery_backoff_s=0",
            *settings,
        )
        sets = [part for setting in given for part in ("--set", f"backend.options.{setting}")]
        short = ["--set", "pipeline.backend_call.options.max_tokens=48", "--set", "dataset.options.limit=40"]
        return [COMMAND, "run", str(EXPERIMENT), "--out", str(self.out / out), *sets, *short]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "TINKER_API_KEY": KEY, "TINKER_BASE_URL": self.tenant.url}

    def run(self, out: str, *settings: str) -> dict[str, Any]:
        command = self.command(out, *settings)
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return self.record(out)

    def folder(self, out: str) -> Path:
        (folder,) = (self.out / out).iterdir()
        return folder

    def record(self, out: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(out) / "run.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("tinker")
    tokenizer = make_tokenizer(folder / "tokenizer")
    with running_server(tokenizer) as port:
        yield Service(port, "run", tokenizer, folder / "runs")


@pytest.fixture(scope="module")
def whole(service: Service) -> dict[str, Any]:
    """A run that nothing happened to."""
    return service.run("whole")


def stage(record: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in record["stages"] if each["stage"] == name]
    return dict(found)


def train_losses(record: dict[str, Any]) -> list[float]:
    return [point["loss"] for point in stage(record, "backend_call")["losses"] if point["split"] == "train"]


def test_all_nine_stages_complete_and_the_loss_falls(service: Service, whole: dict[str, Any]) -> None:
    assert whole["status"] == "completed"
    assert [each["stage"] for each in whole["stages"]] == STAGES
    assert all(each["status"] == "completed" for each in whole["stages"])
    losses = train_losses(whole)
    assert len(losses) == 12
    assert losses[-1] < 0.8 * losses[0]
    training = stage(whole, "backend_call")["metrics"]["training"]
    assert training["unit"] == "token"
    assert training["service"]["train_tokens"] > 10_000
    assert training["held_out_loss"] < 0.9 * stage(whole, "backend_call")["losses"][0]["loss"]
    assert stage(whole, "bench")["comparisons"]
    assert stage(whole, "analysis_metrics")["figures"]
    assert service.tenant.asked("finish")[0]["reason"] == {"type": "success"}


@pytest.mark.usefixtures("whole")
def test_no_file_of_the_run_holds_the_key(service: Service) -> None:
    for path in service.folder("whole").rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(
    service: Service, whole: dict[str, Any]
) -> None:
    service.tenant.control(faults=[{"at": "future:OptimStep", "from": 9, "never": True}])
    command, nowhere = service.command("killed"), subprocess.DEVNULL
    process = subprocess.Popen(command, env=service.environment, stdout=nowhere, stderr=nowhere)
    service.tenant.wait("never:OptimStep")
    process.kill()
    process.wait()
    service.tenant.control(faults=[])
    resumed = service.run("resumed", f"resume={service.folder('killed')}")
    training = stage(resumed, "backend_call")["metrics"]["training"]
    assert training["resumed_at"] == 6
    assert train_losses(resumed) == train_losses(whole)
    assert training["held_out_loss"] == stage(whole, "backend_call")["metrics"]["training"]["held_out_loss"]


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(service: Service) -> None:
    service.tenant.control(faults=[{"at": "job:ForwardBackward", "from": 5, "nan": True}])
    command = service.command("diverged")
    ran = subprocess.run(command, env=service.environment, capture_output=True, text=True, check=False)
    service.tenant.control(faults=[])
    assert ran.returncode == 1
    assert "training loss is nan at step 5; the last good checkpoint is " in ran.stderr
    assert [path.name for path in (service.folder("diverged") / "checkpoints").glob("step-*")] == [
        "step-3.tinker.json"
    ]


def test_regularisers_of_the_file_stand_in_the_record_and_the_report(service: Service) -> None:
    given = '[{term="kl_k3",weight=0.2},{term="confidence",weight=0.1}]'
    record = service.run("regularised", f"regularisers={given}")
    points = [each for each in stage(record, "backend_call")["losses"] if each["split"] == "train"]
    assert [term["name"] for term in points[-1]["terms"]] == ["cross_entropy", "kl_k3", "confidence"]
    assert all(term["gradient_norm"] > 0 for term in points[-1]["terms"])
    assert stage(record, "backend_call")["metrics"]["training"]["service"]["regulariser_tokens"] > 0
    page = (service.folder("regularised") / "report.md").read_text(encoding="utf-8")
    assert "### Terms of the training loss" in page


def test_a_missing_key_ends_the_run_in_one_line(service: Service) -> None:
    environment = {name: value for name, value in service.environment.items() if name != "TINKER_API_KEY"}
    command = service.command("keyless")
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("crucible: ")]
    assert "TINKER_API_KEY" in line
