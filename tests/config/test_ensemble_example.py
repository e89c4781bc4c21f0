"""The example with an ensemble, as its head says: three server processes, then the run."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import crucible
from crucible.adapters.tracing import read_trace
from crucible.messages.report import RunReport

CONFIG = Path(__file__).parents[2] / "config"
RATES = {"35%": 8101, "25%": 8102, "20%": 8103}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def ports() -> Iterator[dict[int, int]]:
    """The port in the file -> the one that a server took."""
    command = [sys.executable, str(CONFIG / "model_servers.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as servers:
        found: dict[int, int] = {}
        try:
            for line in servers.stdout or ():
                told = re.match(r"http://127.0.0.1:(\d+)/v1: leaves out (\S+) ", line)
                assert told is not None, line
                found[RATES[told[2]]] = int(told[1])
                if len(found) == len(RATES):
                    break
            yield found
        finally:
            servers.send_signal(signal.SIGTERM)


def test_the_example_shows_racing_and_voting_in_its_report_and_trace(
    ports: dict[int, int], tmp_path: Path
) -> None:
    text = (CONFIG / "experiments" / "ensemble.toml").read_text()
    for port, taken in ports.items():
        text = text.replace(f":{port}/", f":{taken}/")
    text = text.replace("timeout_ms = 10_000", "timeout_ms = 120_000")  # a busy machine fails no member
    path = tmp_path / "ensemble.toml"
    path.write_text(text.replace("../data", (CONFIG / "data").as_posix()))
    result = crucible.run(crucible.load_experiment(path), out=tmp_path / "runs", base=tmp_path)
    assert result.failure is None
    (folder,) = (tmp_path / "runs").iterdir()

    report = msgspec.json.decode((folder / "report.json").read_bytes(), type=RunReport)
    found = next(stage.metrics for stage in report.stages if stage.stage == "backend_call")
    votes, races = found["ensemble"], found["hedging"]
    assert (votes["questions"], votes["judged"], votes["learned"]["rows"]) == (24, 55, 8)
    best = max(member["precision"] for member in votes["members"].values())
    assert votes["precision"] > best
    assert votes["calibration"]["after"]["error"] < votes["calibration"]["before"]["error"]
    assert races["requests"] == 5 * 24 + 4 * 8
    assert len(report.slowest) == 10
    assert len(report.disagreements) == 5

    page = (folder / "report.html").read_text()
    assert all(f'<section id="{key}"' in page for key in ("votes", "disagreements", "hedging", "slowest"))
    kinds = {span.kind for span in read_trace(folder / "trace.json")}
    assert {"vote", "request", "attempt"} <= kinds


def test_a_port_that_is_taken_is_one_line_and_ends_all_three() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, str(CONFIG / "model_servers.py"), str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"model_servers.py: cannot listen on port {port}: Address already in use; end what" in done.stderr
    assert "Traceback" not in done.stderr
