"""Small experiments on disk, and the command run on them: in this process, or as a user would run it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.cli.app import invoke

COMMAND = str(Path(sys.executable).with_name("crucible"))
STAGES = (
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
PROMPT = """Extract the claims.

Passage:
Document {number}: Cells
Cells divide. They also die in group {number}.
"""
ANSWER = """CLAIM[c1]: Cells divide (citing {number})
CLAIM[c2] (Document {number}): "Cells divide."
RELATION: c2 supports c1
"""


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A row of the data set."""
    filled = {
        "prompt": PROMPT.format(number=number),
        "completion": ANSWER.format(number=number),
        "metadata": {"claim_id": f"claim-{number}", "doc_ids": [str(number)]},
    }
    return {**filled, **changes}


@dataclass(frozen=True)
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


class Workbench:
    """A folder with a data set, an experiment file and a place for runs."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.out = folder / "runs"
        self.data = folder / "data.jsonl"
        self._capsys = capsys
        self.write_rows([row(number) for number in range(1, 13)])

    def write_rows(self, rows: list[dict[str, Any]]) -> None:
        """The data set."""
        self.data.write_text("".join(json.dumps(each) + "\n" for each in rows))

    def experiment(self, name: str = "experiment.json", **changes: Any) -> Path:
        """An experiment file; a change whose value is None takes the key out."""
        content: dict[str, Any] = {
            "id": "small",
            "dataset": {"name": "small", "split": "all", "options": {"path": "data.jsonl"}},
            "backend": {"id": "mock"},
            "pipeline": [{"name": name} for name in ("data_load", "data_checks", "backend_call", "report")],
            "outputs": [{"formats": ["json"]}],
        }
        content |= changes
        file = self.folder / name
        file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}, indent=1))
        return file

    def crucible(self, *arguments: str | Path) -> Ran:
        """Run the command in this process."""
        self._capsys.readouterr()
        code = invoke([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    def run(self, file: Path, *arguments: str) -> Ran:
        """``crucible run`` in this process."""
        return self.crucible("run", file, "--out", self.out, *arguments)

    def start(self, *arguments: str | Path, **options: Any) -> "subprocess.Popen[str]":
        """Start the installed command, in a process group of its own."""
        return subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "80"},
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def command(self, *arguments: str | Path) -> Ran:
        """Run the installed command."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=50)
        return Ran(process.returncode, out, err)

    def runs(self) -> list[Path]:
        """The folders of the runs so far."""
        return sorted(self.out.iterdir()) if self.out.is_dir() else []
