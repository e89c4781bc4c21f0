"""Engine overhead, memory and start-up, each measured on whole processes.

    python tests/benchmarks/engine.py [overhead] [memory] [startup] [claims]

CPU is user + system time of the process and its children, as the kernel counts it; memory is the largest
resident set. The mock backend answers at once, so what is measured is the engine. Figures of noisy machines
are medians of five runs; absolute goals were set for one core of the machine that is named in the output.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUNS = 5
ALL = (
    "data_load",
    "data_checks",
    "guardrails",
    "backend_call",
    "analysis_surrogate_validation",
    "analysis_tda_validation",
    "analysis_metrics",
    "bench",
    "report",
)
ANSWER = (  # different for each row, so that nothing can be remembered from one row to the next
    "CLAIM[c1]: The drug of {example_id} reduces pain.\\n"
    "CLAIM[c2] (Document 100001): In {example_id} it reduced pain.\\nRELATION: c2 supports c1"
)
CRUCIBLE = [sys.executable, "-c", "from crucible.adapters.cli import main; main()"]


def write_rows(path: Path, count: int) -> None:
    """Short claim-extraction rows, all different."""
    with path.open("w") as file:
        for i in range(count):
            document = 100_000 + i
            prompt = (
                f"Extract claims.\n\nPassage:\nDocument {document}: Study {i}\n\nWe studied drug {i}. "
                f"It reduced pain in {i % 97} patients. No harm was seen.\n\nTask:\n1. Restate.\n"
            )
            completion = (
                f"CLAIM[c1]: Drug {i} reduces pain.\nCLAIM[c2] (Document {document}): It reduced pain in "
                f"{i % 97} patients.\nRELATION: c2 supports c1"
            )
            row = {
                "id": f"r{i}",
                "prompt": prompt,
                "completion": completion,
                "metadata": {"doc_ids": [str(document)]},
            }
            file.write(json.dumps(row) + "\n")


def write_experiment(folder: Path, rows: int, *, analysis: bool) -> Path:
    """An experiment file over ``rows`` rows; without analysis there are no plots either."""
    data = folder / f"rows{rows}.jsonl"
    if not data.exists():
        write_rows(data, rows)
    text = f'id = "bench"\n[dataset]\nname = "rows"\nsplit = "all"\n[dataset.options]\npath = "{data}"\n'
    text += f'[backend]\nid = "mock"\n[[backend.options.replies]]\ntext = "{ANSWER}"\n'
    for name in ALL:
        if analysis or not name.startswith("analysis_"):
            text += f'[[pipeline]]\nname = "{name}"\n'
    if not analysis:
        text += '[[outputs]]\nformats = ["markdown", "json"]\n'
    path = folder / f"bench{rows}{'' if analysis else '-light'}.toml"
    path.write_text(text)
    return path


def write_claims(folder: Path, rows: int, *, critics: bool) -> Path:
    """An experiment over rows of the size of abstracts, answered with three claims each, not all right."""
    data = folder / f"claims{rows}.jsonl"
    if not data.exists():
        with data.open("w") as file:
            for i in range(rows):
                file.write(json.dumps(abstract_row(i)) + "\n")
    text = f'id = "bench"\n[dataset]\nname = "rows"\nsplit = "all"\n[dataset.options]\npath = "{data}"\n'
    text += f'[backend]\nid = "mock"\n[[backend.options.replies]]\ntext = "{CLAIMS}"\n'
    for name in ("data_load", "backend_call", "analysis_surrogate_validation", "analysis_metrics", "bench"):
        text += f'[[pipeline]]\nname = "{name}"\n'
        if critics and name == "analysis_metrics":
            text += "options = { critics = true }\n"
    path = folder / f"claims{rows}{'-critics' if critics else ''}.toml"
    path.write_text(text)
    return path


def abstract_row(i: int) -> dict[str, Any]:
    """A row of about 250 words: an abstract of twelve sentences, none as in another row, and its claims."""
    document = 100_000 + i
    said = [
        f"In cohort {i} of part {n} the treated group {WORDS[(i + n) % 12]} the level of marker {i % 89} "
        f"by {(i * 7 + n) % 97} percent over {n + 2} weeks, as {WORDS[(i * 5 + n) % 12]} before."
        for n in range(12)
    ]
    passage = f"Passage:\nDocument {document}: Study {i}\n\n{' '.join(said)}"
    hypothesis = f"CLAIM[c1]: Treatment changes marker {i % 89}."
    evidence = [f"CLAIM[c{c}] (Document {document}): {said[4 * c - 5]}" for c in (2, 3)]
    relations = ["RELATION: c2 supports c1", "RELATION: c3 refutes c1"]
    return {
        "id": f"r{i}",
        "prompt": f"Extract claims.\n\n{passage}\n\nTask:\n1. Do.\n",
        "completion": "\n".join([hypothesis, *evidence, *relations]),
        "metadata": {"doc_ids": [str(document)]},
    }


WORDS = (
    "raised",
    "lowered",
    "changed",
    "shifted",
    "kept",
    "altered",
    "doubled",
    "halved",
    "moved",
    "improved",
    "worsened",
    "restored",
)
CLAIMS = (
    "CLAIM[c1]: In {example_id} treatment changes the marker.\\n"
    "CLAIM[c2] (Document 100001): In {example_id} the treated group lowered the level of the marker.\\n"
    "RELATION: c2 supports c1\\n"
    "CLAIM[c3] (Document 100002): The marker of {example_id} did not change over three weeks.\\n"
    "RELATION: c3 refutes c1"
)


def measure(arguments: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of one process with its children; raises when it fails."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} exited with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run(folder: Path, rows: int, *, analysis: bool = True) -> tuple[float, float]:
    """One run of the engine."""
    return ran(write_experiment(folder, rows, analysis=analysis), folder)


def ran(path: Path, folder: Path) -> tuple[float, float]:
    """One run of an experiment file."""
    return measure([*CRUCIBLE, "run", str(path), "--out", str(folder / "runs"), "--quiet", "--json"])


def median_cpu(once: Callable[[], tuple[float, float]]) -> float:
    """Median CPU seconds of five runs after one that is not counted."""
    once()
    return statistics.median(once()[0] for _ in range(RUNS))


def line(what: str, measured: str, goal: str, *, met: bool) -> None:
    """Print one figure beside its goal."""
    print(f"{what:<58} {measured:>12}   goal {goal:<12} {'met' if met else 'MISSED'}", flush=True)


def overhead(folder: Path) -> None:
    """CPU per row at 5,000 rows beyond start-up, all nine stages."""
    few, many = (statistics.median(run(folder, rows)[0] for _ in range(3)) for rows in (10, 5000))
    per_row = (many - few) / 4990 * 1000
    line("engine overhead, all stages, 5,000 rows", f"{per_row:.2f} ms/row", "<= 1 ms", met=per_row <= 1)


def claims(folder: Path) -> None:
    """CPU per row at 10,000 rows beyond start-up: load, ask, surrogates, metrics, bench."""
    for critics in (False, True):
        few, many = (
            statistics.median(ran(write_claims(folder, rows, critics=critics), folder)[0] for _ in range(3))
            for rows in (10, 10_000)
        )
        per_row = (many - few) / 9990 * 1000
        what = f"surrogates, metrics, bench, 10,000 abstracts{', critics' if critics else ''}"
        line(what, f"{per_row:.2f} ms/row", "<= 2 ms", met=per_row <= 2)


def memory(folder: Path) -> None:
    """Peak memory at 200,000 rows against 5,000."""
    small, large = run(folder, 5000)[1], run(folder, 200_000)[1]
    ratio = large / small
    text = f"{ratio:.2f} x"
    line(
        f"peak memory, 200,000 rows ({large:.0f} MiB) to 5,000 ({small:.0f} MiB)",
        text,
        "<= 1.3 x",
        met=ratio <= 1.3,
    )


def startup(folder: Path) -> None:
    """CPU of the smallest runs and of --help."""
    light = median_cpu(lambda: run(folder, 10, analysis=False))
    line("10 rows, mock, analysis stages off", f"{light:.2f} s", "<= 0.8 s", met=light <= 0.8)
    full = median_cpu(lambda: run(folder, 10))
    line("10 rows, mock, all nine stages", f"{full:.2f} s", "<= 4 s", met=full <= 4)
    shown = median_cpu(lambda: measure([*CRUCIBLE, "--help"]))
    line("crucible --help", f"{shown:.2f} s", "<= 0.3 s", met=shown <= 0.3)


def main(chosen: list[str]) -> None:
    """Run what was chosen, everything by default."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    parts = {"startup": startup, "overhead": overhead, "memory": memory, "claims": claims}
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen or list(parts):
            parts[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
