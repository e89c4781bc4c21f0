"""The local backend in whole runs: nine stages, a killed training that goes on, members on one base model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.backends.local import process as workers
from crucible.adapters.cli.app import invoke

from .support import make_model, needs_torch

pytestmark = [needs_torch, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[4]
LOCAL = ROOT / "config" / "experiments" / "local.toml"
SAMPLE = ROOT / "config" / "data" / "claims.jsonl"
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


def sample(split: str, **shares: float) -> dict[str, Any]:
    """The sample data, split."""
    options = {"path": str(SAMPLE), "input_key": "prompt", "output_key": "completion", "split": shares}
    return {"name": "sample", "split": split, "options": options}


class Bench:
    """A folder with experiment files and a place for runs."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.out = folder / "runs"
        self._capsys = capsys

    def experiment(self, content: dict[str, Any]) -> Path:
        file = self.folder / "experiment.json"
        file.write_text(json.dumps({"id": "local", "seed": 5, **content}))
        return file

    def run(self, file: Path, *flags: str) -> tuple[int, str]:
        """``crucible run`` in this process: exit code and stderr."""
        self._capsys.readouterr()
        code = invoke(["run", str(file), "--out", str(self.out), *flags])
        return code, self._capsys.readouterr().err

    def start(self, file: Path) -> subprocess.Popen[str]:
        """The installed command."""
        command = [COMMAND, "run", str(file), "--out", str(self.out)]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def runs(self) -> list[Path]:
        return sorted(self.out.iterdir()) if self.out.is_dir() else []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose tokenizer knows the sample data."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    texts = [row[key] for row in rows for key in ("prompt", "completion")]
    folder = tmp_path_factory.mktemp("tiny")
    return make_model(folder, context=1024, hidden=64, words=3000, texts=texts)


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capsys)


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def stage(folder: Path, name: str = "backend_call") -> dict[str, Any]:
    return next(each for each in report(folder)["stages"] if each["stage"] == name)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def training(tiny: Path, bench: Bench, **options: Any) -> Path:
    """An experiment that only trains, with a checkpoint every three steps."""
    given = {
        "base_model": str(tiny),
        "threads": 1,
        "target_modules": ["*"],
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 0.01,
        "checkpoint_every_steps": 3,
        **options,
    }
    return bench.experiment(
        {
            "dataset": sample("all", train=0.8, validation=0.2),
            "backend": {"id": "local", "options": given},
            "pipeline": [
                {"name": "data_load"},
                {"name": "backend_call", "options": {"mode": "train"}},
                {"name": "report"},
            ],
            "outputs": [{"name": "report", "formats": ["json"]}],
        }
    )


def saved_steps(bench: Bench) -> int:
    """Steps of the last checkpoint of the first run."""
    records = [folder / "checkpoints" / "training.json" for folder in bench.runs()]
    return json.loads(records[0].read_text())["steps"] if records and records[0].is_file() else 0


def children(pid: int) -> list[int]:
    """Processes whose parent it is."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_experiment_of_the_docs_runs_over_all_nine_stages(tiny: Path, bench: Bench) -> None:
    given = {
        "base_model": str(tiny),
        "threads": 1,
        "epochs": 2,
        "learning_rate": 0.01,
        "target_modules": '["*"]',
    }
    sets = [f"--set=backend.options.{key}={value}" for key, value in given.items()]
    code, err = bench.run(LOCAL, *sets, "--set=pipeline.backend_call.options.max_tokens=24")
    assert code == 0, err
    (folder,) = bench.runs()
    stages = report(folder)["stages"]
    assert [each["stage"] for each in stages if each["status"] == "completed"] == STAGES
    metrics = stage(folder)["metrics"]
    epochs = metrics["training"]["epoch_losses"]
    assert epochs[1]["train"] < epochs[0]["train"]
    assert epochs[1]["validation"] < epochs[0]["validation"]
    assert metrics["systems"]["local"]["failed"] == 0
    assert metrics["systems"]["local"]["completion_tokens"] > 0
    assert not metrics["systems"]["local"]["tokens_estimated"]
    assert (folder / "checkpoints" / "epoch-2" / "adapter_model.safetensors").is_file()


def test_a_killed_training_goes_on_and_ends_where_an_undisturbed_one_does(tiny: Path, bench: Bench) -> None:
    code, err = bench.run(training(tiny, bench))
    assert code == 0, err
    (undisturbed,) = bench.runs()
    expected = stage(undisturbed)["losses"]

    bench.out = bench.folder / "killed"
    killed = bench.start(training(tiny, bench))
    wait_until(lambda: saved_steps(bench) >= 9)
    (worker,) = children(killed.pid)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    wait_until(lambda: is_gone(worker))
    (first,) = bench.runs()
    saved = saved_steps(bench)

    bench.out = bench.folder / "resumed"
    code, err = bench.run(training(tiny, bench, resume=str(first)))
    assert code == 0, err
    (resumed,) = bench.runs()
    found = stage(resumed)
    assert found["metrics"]["training"]["resumed_at"] == saved
    steps = [point["step"] for point in found["losses"] if point["split"] == "train"]
    assert steps == list(range(1, found["metrics"]["training"]["steps"] + 1))
    assert [p["step"] for p in found["losses"]] == [p["step"] for p in expected]
    assert [p["loss"] for p in found["losses"]] == pytest.approx([p["loss"] for p in expected], rel=1e-6)


def test_an_interrupt_in_training_leaves_no_process(tiny: Path, bench: Bench) -> None:
    running = bench.start(training(tiny, bench, epochs=1000))
    wait_until(lambda: saved_steps(bench) >= 3)
    (worker,) = children(running.pid)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    wait_until(lambda: is_gone(worker))
    assert running.returncode == 130
    assert err.splitlines()[-1].startswith("crucible: run cancelled: interrupted")


def test_members_with_different_adapters_share_one_base_model(
    tiny: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.run(training(tiny, bench, epochs=2))[0] == 0
    (trained,) = bench.runs()
    started = []

    class Counted(workers.Worker):
        def __init__(self, load: Any) -> None:
            started.append(load)
            super().__init__(load)

    monkeypatch.setattr(workers, "Worker", Counted)
    base = {"base_model": str(tiny), "threads": 1}
    members = [
        {"id": "local", "name": name, "options": {**base, **more}}
        for name, more in (
            ("untrained", {}),
            ("epoch 1", {"adapter": str(trained / "checkpoints" / "epoch-1")}),
            ("epoch 2", {"adapter": str(trained / "checkpoints" / "epoch-2")}),
        )
    ]
    bench.out = bench.folder / "voted"
    file = bench.experiment(
        {
            "dataset": sample("test", train=0.9, test=0.1),
            "backend": {"id": "local", "name": "together", "options": base},
            "pipeline": [
                {"name": "data_load"},
                {"name": "backend_call", "options": {"mode": "sample", "max_tokens": 12}},
                {"name": "report"},
            ],
            "reliability": {"ensemble": {"strategy": "majority", "members": members, "timeout_ms": 100_000}},
            "outputs": [{"name": "report", "formats": ["json"]}],
        }
    )
    code, err = bench.run(file)
    assert code == 0, err
    assert len(started) == 1
    (folder,) = bench.runs()
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    texts = [
        {member["system"]: member["text"] for member in output["ballots"]["members"]}
        for each in samples
        for output in each["outputs"].values()
    ]
    assert all(set(each) == {"untrained", "epoch 1", "epoch 2"} for each in texts)
    assert any(each["untrained"] != each["epoch 1"] for each in texts)
    assert any(each["epoch 1"] != each["epoch 2"] for each in texts)
