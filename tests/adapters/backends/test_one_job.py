"""One experiment file on every trainable backend: only its id and the name of the base model change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .local.support import make_model, needs_torch
from .tinker.support import KEY, MARKS, Tenant, make_tokenizer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
COMMAND = str(Path(sys.executable).with_name("crucible"))
ROOT = Path(__file__).parents[3]
SHORT = ("pipeline.backend_call.options.max_tokens=48", "dataset.options.limit=40")


def crucible(*arguments: str | Path, **environment: str) -> dict[str, Any]:
    ran = subprocess.run(
        [COMMAND, *map(str, arguments), "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def run(out: Path, backend: str, base_model: str, **environment: str) -> Path:
    settings = (f"backend.id={backend}", f"backend.options.base_model={base_model}", *SHORT)
    sets = [part for setting in settings for part in ("--set", setting)]
    file = ROOT / "config/experiments/tinker.toml"
    return out / str(crucible("run", file, "-q", "--out", out, *sets, **environment)["run_id"])


def compared(out: Path, *runs: Path) -> set[str]:
    """The systems that a comparison of the runs puts side by side."""
    found = crucible("compare", *runs, "--out", out)
    figures = [figure for stage in found["stages"] for figure in stage.get("figures", [])]
    return {figure["system"] for figure in figures if figure["name"] == "sentence_f1"}


@pytest.mark.parametrize("needed", [pytest.param("tinker", marks=MARKS)])
def test_extractive_and_tinker_train_from_one_file_and_are_compared(needed: str, tmp_path: Path) -> None:
    out, tokenizer = tmp_path / "runs", make_tokenizer(tmp_path / "tokenizer")
    with running_server(tokenizer) as port:
        tenant = Tenant(port, "one-job")
        tinker = run(out, needed, "tiny/lora", TINKER_API_KEY=KEY, TINKER_BASE_URL=tenant.url)
    extractive = run(out, "extractive", "tiny/lora")
    assert compared(out, tinker, extractive) == {"tinker", "extractive"}


@needs_torch
def test_local_trains_from_the_same_file(tmp_path: Path) -> None:
    texts = [
        str(text)
        for line in (ROOT / "config/data/claims.jsonl").read_text().splitlines()
        for text in (json.loads(line)["prompt"], json.loads(line)["completion"])
    ]
    model = make_model(tmp_path / "model", context=2048, texts=texts)
    local = run(tmp_path / "runs", "local", str(model))
    extractive = run(tmp_path / "runs", "extractive", str(model))
    assert compared(tmp_path / "runs", local, extractive) == {"local", "extractive"}
