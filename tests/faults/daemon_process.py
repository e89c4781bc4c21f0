"""A daemon in a process of its own, experiments for it, and what became of them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.integration.model_server import ModelServer

import crucible
from crucible.messages.queue import TERMINAL, QueuedRun

COMMAND = str(Path(sys.executable).with_name("crucible"))
BOUND = (sys.executable, "-I", str(Path(__file__).with_name("ends_with_parent.py")))
ROWS = 30
STAGES = ("backend_call", "bench", "data_load", "report")
PATIENCE_S = 50.0


def serve_command(data: Path, *options: str) -> list[str]:
    """The command of a daemon that does not outlive the tests."""
    return [*BOUND, COMMAND, "serve", "--data", str(data), "--set", "api.port=0", *options]


def log_of(data: Path) -> Path:
    """What the daemons on a folder have logged."""
    return data.with_suffix(".log")


@contextlib.contextmanager
def serving(data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon that answers; killed at the end if it still lives."""
    with log_of(data).open("ab") as file:
        process = subprocess.Popen(
            serve_command(data, *options), stdout=subprocess.PIPE, stderr=file, text=True
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("crucible serves http://127.0.0.1:")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()


def experiment(
    folder: Path, name: str, latency_s: float = 0.05, backend: Any = None, concurrency: int = 1
) -> Path:
    """Rows that are asked, one after the other by default, of a model that takes its time."""
    rows = folder / "rows.jsonl"
    if not rows.exists():
        lines = (json.dumps({"prompt": f"Say {n}.", "completion": "c"}) + "\n" for n in range(ROWS))
        rows.write_text("".join(lines))
    content: dict[str, Any] = {
        "id": name,
        "dataset": {"name": "rows", "split": "all", "options": {"path": str(rows)}},
        "backend": backend
        or {"id": "mock", "options": {"replies": [{"text": "c"}], "latency_ms": 1000 * latency_s}},
        "pipeline": [
            {"name": "data_load"},
            {"name": "backend_call", "options": {"concurrency": concurrency}},
            {"name": "bench"},
            {"name": "report"},
        ],
        "outputs": [{"formats": ["json"]}],
    }
    file = folder / f"{name}.json"
    file.write_text(json.dumps(content))
    return file


def of_server(server: ModelServer) -> dict[str, Any]:
    """The backend that asks it."""
    return {"id": "openai", "options": {"base_url": server.url, "model": "m"}}


def submit(data: Path, file: Path) -> str:
    with crucible.Client(data=data) as client:
        return client.submit(file).run.id


def runs(data: Path) -> dict[str, QueuedRun]:
    with crucible.Client(data=data) as client:
        return {run.id: run for run in client.runs().runs}


def until(data: Path, done: Callable[[dict[str, QueuedRun]], bool]) -> dict[str, QueuedRun]:
    """Ask until it is so."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = runs(data)
        if done(found):
            return found
        assert time.monotonic() < end, {run.id: (run.state, run.reason) for run in found.values()}
        time.sleep(0.05)


def wait_for(happened: Callable[[], bool], what: str) -> None:
    """Look until it has happened."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def answered(data: Path, run_id: str) -> int:
    """Rows that have their answer, as the daemon itself sees it."""
    with crucible.Client(data=data) as client:
        stages = {stage.name: stage for stage in client.live_run(run_id).stages}
    return stages["backend_call"].done if "backend_call" in stages else 0


def all_ended(found: dict[str, QueuedRun]) -> bool:
    return all(run.state in TERMINAL for run in found.values())


def check_report(data: Path, run_id: str) -> None:
    """It is complete: every row is there, once."""
    folder = data / "runs" / run_id
    report = json.loads((folder / "report.json").read_bytes())
    assert report["status"] == "completed"
    lines = (folder / "samples.jsonl").read_bytes().splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == ROWS


def check_recorded_once(data: Path, run_id: str) -> None:
    """Each stage, and the end."""
    with crucible.Client(data=data) as client:
        stages = [each.name for each in client.stages(run_id) if each.status == "completed"]
        assert sorted(stages) == sorted(STAGES)
        kinds = [event.kind for event in client.logs(run_id)]
    assert kinds.count("stage.completed") == len(STAGES)
    assert kinds.count("run.completed") == 1
