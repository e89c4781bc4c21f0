"""A daemon that dies in the middle of a training: a real `crucible serve` against the tests' server."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import crucible

from ..support import row
from .support import KEY, MARKS, Tenant

pytestmark = [*MARKS, pytest.mark.timeout(300)]  # whole processes, on a busy machine
COMMAND = str(Path(sys.executable).with_name("crucible"))
STEPS, EVERY, DIES_AT = 16, 3, 11
LAST_SAVED = 9
"""The last multiple of EVERY before the step at which the service falls silent."""


@contextlib.contextmanager
def serving(data: Path, tenant: Tenant) -> Iterator[subprocess.Popen[str]]:
    """A daemon that answers; killed at the end if it still lives."""
    command = [COMMAND, "serve", "--data", str(data), "--set", "api.port=0"]
    environment = {**os.environ, "TINKER_API_KEY": KEY, "TINKER_BASE_URL": tenant.url}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("crucible serves http://127.0.0.1:")
            yield process
        finally:
            process.kill()


def experiment(folder: Path, tokenizer: Path) -> Path:
    """16 rows to train on, two at a step, twice over; 4 to be asked about."""
    rows = []
    for number in range(20):
        made = row(number)
        split = "test" if number < 4 else "train"
        rows.append({"id": made.id, "prompt": made.input, "completion": made.reference, "split": split})
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    options = {
        "base_model": "tiny/lora",
        "tokenizer": str(tokenizer),
        "learning_rate": 0.05,
        "epochs": 2,
        "batch_size": 2,
        "checkpoint_every_steps": EVERY,
        "recovery_backoff_s": 0,
    }
    content = {
        "id": "trained",
        "dataset": {"name": "rows", "split": "test", "options": {"path": "rows.jsonl", "split_key": "split"}},
        "backend": {"id": "tinker", "options": options},
        "baselines": [{"id": "mock"}],
        "pipeline": [
            {"name": "data_load"},
            {"name": "backend_call", "options": {"mode": "train_then_sample", "max_tokens": 8}},
            {"name": "bench"},
            {"name": "report"},
        ],
        "outputs": [{"formats": ["json"]}],
    }
    file = folder / "trained.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def record(data: Path, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "runs" / run_id / "run.json").read_bytes())
    return found


def trained(record: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[int, float]]]:
    """What is said of the training, and its loss at each step."""
    (call,) = [stage for stage in record["stages"] if stage["stage"] == "backend_call"]
    points = [(each["step"], each["loss"]) for each in call["losses"] if each["split"] == "train"]
    return call["metrics"]["training"], points


def test_a_training_under_a_killed_daemon_repeats_no_step_before_its_checkpoint_and_skips_none(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    data, file = tmp_path / "data", experiment(tmp_path, tokenizer)
    tenant.control(faults=[{"at": "future:OptimStep", "from": DIES_AT, "never": True}])
    with serving(data, tenant) as daemon:
        with crucible.Client(data=data) as client:
            run_id = client.submit(file).run.id
        tenant.wait("never:OptimStep")
        daemon.kill()
    before = tenant.counts()["optim_step"]
    assert DIES_AT <= before < STEPS
    tenant.control(faults=[])

    with serving(data, tenant), crucible.Client(data=data) as client:
        assert client.wait(run_id).state == "completed"
        assert tenant.counts()["optim_step"] - before == STEPS - LAST_SAVED
        undisturbed = client.submit(file).run.id
        assert client.wait(undisturbed).state == "completed"

    found, whole = record(data, run_id), record(data, undisturbed)
    training, losses = trained(found)
    assert training["resumed_at"] == LAST_SAVED
    assert [step for step, _ in losses] == list(range(1, STEPS + 1))
    assert losses == trained(whole)[1]
    assert [stage["status"] for stage in found["stages"]] == ["completed"] * 4
    folder = data / "runs" / run_id
    assert json.loads((folder / "report.json").read_bytes())["status"] == "completed"
    assert len((folder / "samples.jsonl").read_bytes().splitlines()) == 4
    with contextlib.closing(sqlite3.connect(data / "queue.db")) as database:
        effects = database.execute(
            "SELECT step, state FROM effect WHERE run_id = ? AND key LIKE '%/step-%' ORDER BY step", (run_id,)
        ).fetchall()
        assert effects == [(step, "acknowledged") for step in range(1, STEPS + 1)]
        (last,) = database.execute("SELECT last_step FROM session WHERE run_id = ?", (run_id,)).fetchone()
        assert last == STEPS
