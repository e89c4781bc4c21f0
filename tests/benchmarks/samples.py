"""Samples a second beside Inspect and lm-eval, and peak memory, on whole processes in one run.

    python -m tests.benchmarks.samples --peers /tmp/peers/bin/python [--count 5000] [--inspect-count 1000]

A local server answers after 10 ms; 64 in flight; all keep a record of each sample as they do by default, and
Crucible besides every reply on disk before it counts, so that a kill loses none. A rate is samples by seconds
of the whole process, start-up and report included; Inspect is asked fewer, since it takes minutes. Answers
are checked: all of them must be right.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from .processes import HERE, asked, latency_server, load

EXPERIMENT = """
id = "samples"
[dataset]
name = "questions"
split = "all"
[dataset.options]
path = "rows.jsonl"
[backend]
id = "openai"
name = "model"
[backend.options]
base_url = "{url}/v1"
model = "m"
[[pipeline]]
name = "data_load"
[[pipeline]]
name = "data_checks"
[[pipeline]]
name = "backend_call"
[pipeline.options]
concurrency = 64
max_tokens = 16
[[pipeline]]
name = "bench"
[[pipeline]]
name = "report"
[[outputs]]
formats = ["json", "markdown"]
"""


class Run(NamedTuple):
    seconds: float
    cpu_s: float
    peak_mib: float


def measured(command: list[str], folder: Path) -> Run:
    """A process from its start to its end."""
    begun = time.monotonic()
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=offline)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((folder / "log").read_text()[-3000:])
    return Run(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def crucible(server: str, count: int, folder: Path, hedging: str) -> Run:
    rows = ({"id": f"r{n}", "prompt": f"question {n}", "completion": "42"} for n in range(count))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "samples.toml").write_text(EXPERIMENT.format(url=server) + hedging)
    command = [sys.executable, "-c", "from crucible.adapters.cli import main; main()", "run"]
    run = measured([*command, str(folder / "samples.toml"), "--out", str(folder / "runs"), "--quiet"], folder)
    (samples,) = (folder / "runs").rglob("samples.jsonl")
    texts = [json.loads(line)["outputs"]["model"]["text"] for line in samples.read_text().splitlines()]
    assert texts == ["42"] * count
    return run


def peer(python: str, name: str, server: str, count: int, folder: Path) -> Run:
    run = measured([python, str(HERE / "peer_samples.py"), name, server, str(count), "64"], folder)
    told = json.loads((folder / "log").read_text().splitlines()[-1])
    assert told == {"right": count, "count": count}, told
    return run


KEPT = '[reliability.cache]\nfolder = "cache"\n'
"""Every reply is on disk before it counts as answered: a kill loses none."""
HEDGED = '[reliability.hedging]\nstrategy = "optimal"\nbudget_percent = 5\n'


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", required=True)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--inspect-count", type=int, default=1_000)
    given = parser.parse_args()
    print(f"10 ms server, 64 in flight; {load()}\n")
    print(
        "| | samples | seconds | samples a second | ms CPU a sample | peak memory | Crucible is faster by |"
    )
    print("|---|---|---|---|---|---|---|")
    count, best = given.count, 0.0
    with latency_server("--ms", "10") as server:
        for name, samples in (
            ("Crucible, replies kept", count),
            ("Crucible", count),
            ("Crucible, replies kept, hedging optimal", count),
            ("lm-eval", count),
            ("Inspect", given.inspect_count),
        ):
            asked(server)
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                if name.startswith("Crucible"):
                    kept = KEPT if "kept" in name else ""
                    run = crucible(server, samples, folder, kept + (HEDGED if "hedging" in name else ""))
                else:
                    run = peer(given.peers, name.lower(), server, samples, folder)
            assert asked(server) >= samples
            rate = samples / run.seconds
            best = best or rate
            cells = [f"{samples:,}", f"{run.seconds:.1f}", f"{rate:.0f}", f"{1000 * run.cpu_s / samples:.2f}"]
            print(
                f"| {name} | {' | '.join(cells)} | {run.peak_mib:.0f} MiB | {best / rate:.1f} x |", flush=True
            )


if __name__ == "__main__":
    main()
