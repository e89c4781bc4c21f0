"""What a daemon costs when it has nothing to do, and how soon it goes on after a kill.

    python tests/benchmarks/daemon.py

A real ``crucible serve`` with its queue in SQLite. CPU is that of the process over half a minute; memory its
resident set. After a kill -9 in mid-run the clock runs from the start of the next process until the run is
leased again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import crucible

COMMAND = str(Path(sys.executable).with_name("crucible"))
IDLE_S = 30.0
REPEATS = 5


def start(data: Path) -> subprocess.Popen[str]:
    command = [COMMAND, "serve", "--data", str(data), "--set", "api.port=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def idle(data: Path) -> None:
    process = start(data)
    time.sleep(3.0)
    before = cpu_s(process.pid)
    time.sleep(IDLE_S)
    used = cpu_s(process.pid) - before
    cpu = 100 * used / IDLE_S
    print(f"idle: {cpu:.2f} % CPU (goal < 1), {rss_mib(process.pid):.0f} MiB resident (goal < 120)")
    process.terminate()
    process.wait()


def resumed(data: Path) -> float:
    """Seconds from the start of the next process to the run being leased again."""
    rows = data.parent / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"p{n}", "completion": "c"}) + "\n" for n in range(50)))
    content = {
        "id": "slow",
        "dataset": {"name": "rows", "split": "all", "options": {"path": str(rows)}},
        "backend": {"id": "mock", "options": {"replies": [{"text": "c"}], "latency_ms": 1000}},
        "pipeline": [{"name": "data_load"}, {"name": "backend_call"}, {"name": "report"}],
    }
    file = data.parent / "slow.json"
    file.write_text(json.dumps(content))
    process = start(data)
    with crucible.Client(data=data) as client:
        run_id = client.submit(file).run.id
        while client.run(run_id).state != "running":
            time.sleep(0.02)
        token = client.run(run_id).token
    process.kill()
    process.wait()
    began = time.perf_counter()
    process = start(data)
    with crucible.Client(data=data) as client:
        while client.run(run_id).token == token or client.run(run_id).state != "running":
            time.sleep(0.01)
        took = time.perf_counter() - began
        client.cancel(run_id)
    process.terminate()
    process.wait()
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        idle(Path(name) / "data")
        times = sorted(resumed(Path(name) / "data") for _ in range(REPEATS))
        print(f"killed, started again, run leased: {times[0]:.2f} to {times[-1]:.2f} s (goal < 5)")


if __name__ == "__main__":
    main()
