"""``crucible train --backend local`` with what cannot work, as a user would: one clear line each time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.mounts import mounted

from crucible.adapters.cli.app import invoke

from ..support import INPUT, REFERENCE
from .support import make_model, needs_torch, patient

pytestmark = [needs_torch, patient, pytest.mark.slow]


class Desk:
    """A file of ten rows, a tiny model, and the command."""

    def __init__(self, folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self.out, self.model = folder / "rows.jsonl", folder / "runs", model
        self._capsys = capsys
        self.write([INPUT.replace("120", str(number)) for number in range(10)])

    def write(self, prompts: Sequence[str]) -> None:
        rows = [{"id": str(n), "prompt": text, "completion": REFERENCE} for n, text in enumerate(prompts)]
        self.file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def train(
        self,
        *arguments: str,
        model: Path | None = None,
        split: Sequence[str] = ("0.8", "0", "0.2"),
        out: Path | None = None,
        **options: Any,
    ) -> tuple[int, str]:
        """Exit code, and what stood on stderr."""
        given = {"threads": 1, "target_modules": ["*"], **options}
        sets = [f"--set=backend.options.{key}={json.dumps(value)}" for key, value in given.items()]
        line = ["train", str(self.file), "--backend", "local", "--base-model", str(model or self.model), "-q"]
        line += ["--split", *split, "--batch-size", "4", "--out", str(out or self.out)]
        line += ["--set=pipeline.backend_call.options.max_tokens=4", *sets, *arguments]
        self._capsys.readouterr()
        code = invoke(line)
        return code, self._capsys.readouterr().err

    def refused(self, *arguments: str, code: int = 2, **given: Any) -> str:
        """The one line that says why."""
        found, err = self.train(*arguments, **given)
        (line,) = err.splitlines()
        assert found == code, line
        return line

    def training(self) -> dict[str, Any]:
        """What the last run tells of its training."""
        record = json.loads((self.last() / "run.json").read_text(encoding="utf-8"))
        stages = {stage["stage"]: stage for stage in record["stages"]}
        return dict(stages["backend_call"]["metrics"]["training"])

    def last(self) -> Path:
        return max((each for each in self.out.iterdir()), key=lambda each: each.stat().st_mtime_ns)


@pytest.fixture
def desk(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, model, capsys)


def test_an_unknown_base_model(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # a hub that cannot be reached, without waiting for it
    line = desk.refused(model=Path("nobody/nothing"))
    assert "base_model: cannot load 'nobody/nothing' as a causal language model (there is no such" in line


def test_rank_0(desk: Desk) -> None:
    line = desk.refused(lora_rank=0)
    assert line == "crucible: --set backend.options.lora_rank: expected int >= 1 and <= 4096, got 0"


def test_target_modules_that_match_nothing(desk: Desk) -> None:
    line = desk.refused(target_modules=["query"])
    assert "target_modules: 'query' matches no linear layer; there are: down_proj, gate_proj, k_pr" in line


@pytest.mark.parametrize(("too_long", "counted"), [("reject", (1, 0)), ("truncate", (0, 1))])
def test_a_row_longer_than_the_context_is_counted(
    desk: Desk, too_long: str, counted: tuple[int, int]
) -> None:
    desk.write([INPUT.replace("120", str(number)) for number in range(9)] + [INPUT * 3])
    code, err = desk.train("--seed", "2", too_long=too_long, epochs=1)
    assert code == 0, err
    service = desk.training()["service"]
    assert (service["rows_rejected"], service["rows_truncated"]) == counted


def test_rows_that_are_all_too_long(desk: Desk) -> None:
    line = desk.refused(max_length=20)
    assert "nothing to learn from: the backend left all 8 training rows out, as too long" in line


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        (("0", "0", "1"), "needs training rows with a reference"),
        (("1", "0", "0"), "rows.jsonl: split 'test' has no rows: 10 rows were dealt as train 10"),
    ],
)
def test_an_empty_split(desk: Desk, shares: tuple[str, ...], problem: str) -> None:
    assert problem in desk.refused(split=shares)


def test_a_checkpoint_from_another_model(desk: Desk, tmp_path: Path) -> None:
    assert desk.train(epochs=1)[0] == 0
    trained = desk.last()
    other = make_model(tmp_path / "other", seed=1)
    line = desk.refused(code=1, model=other, epochs=2, resume=str(trained))
    assert "checkpoints/epoch-1: the checkpoint belongs to another base model: it was trained on" in line


def test_an_adapter_file_that_is_cut_off_and_a_run_that_was_moved(desk: Desk, tmp_path: Path) -> None:
    assert desk.train(epochs=1)[0] == 0
    moved = shutil.move(desk.last(), tmp_path / "moved")
    code, err = desk.train(epochs=2, resume=str(moved))
    assert (code, desk.training()["resumed_at"]) == (0, 2), err
    adapter = tmp_path / "moved/checkpoints/epoch-1/adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:500])
    line = desk.refused(code=1, epochs=2, resume=str(moved))
    assert f"{adapter}: checkpoint is damaged: its SHA-256 is not the one recorded" in line
    line = desk.refused(code=1, adapter=str(adapter.parent))
    assert line.count(str(adapter)) == 1
    assert "adapter_model.safetensors: the file is corrupt" in line


def test_a_full_disk_keeps_the_last_good_checkpoint(desk: Desk, tmp_path: Path) -> None:
    with mounted(tmp_path / "runs", size="500k"):
        line = desk.refused(epochs=100)
        assert "cannot write checkpoint: No space left on device" in line
        record = json.loads((desk.last() / "checkpoints/training.json").read_bytes())
        saved = Path(record["checkpoints"][-1]["uri"])
        kept = shutil.copytree(saved.parent, tmp_path / "kept")
    assert (kept / saved.name).is_dir()
    epochs = record["steps"] // 2 + 1
    code, err = desk.train(out=tmp_path / "roomy", epochs=epochs, resume=str(kept))
    assert code == 0, err


def test_a_loss_that_is_no_number_and_a_gradient_that_is_none(desk: Desk) -> None:
    line = desk.refused(code=1, c1_weight=1e38, evidence_weight=1e38)
    assert "training loss is inf at step 1; no checkpoint was saved before; try a lower learning_rate" in line
    wild = {"learning_rate": 10, "max_grad_norm": 0, "lora_alpha": 65536, "warmup_steps": 0}
    line = desk.refused(code=1, epochs=50, checkpoint_every_steps=1, **wild)
    assert "the last good checkpoint is" in line
    assert "try a lower learning_rate" in line
