"""One experiment file on every trainable backend: only its id changes, and the name of the base model may."""

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


def crucible(*arguments: str | Path, folder: Path | None = None, **environment: str) -> dict[str, Any]:
    ran = subprocess.run(
        [COMMAND, *map(str, arguments), "--json"],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def run(out: Path, backend: str, base_model: str, *more: str, **environment: str) -> Path:
    settings = (f"backend.id={backend}", f"backend.options.base_model={base_model}", *SHORT, *more)
    sets = [part for setting in settings for part in ("--set", setting)]
    file = ROOT / "config/experiments/tinker.toml"
    return out / str(crucible("run", file, "-q", "--out", out, *sets, folder=None, **environment)["run_id"])


def compared(out: Path, *runs: Path | str) -> set[str]:
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


def sample_texts() -> list[str]:
    lines = (ROOT / "config/data/claims.jsonl").read_text().splitlines()
    return [str(json.loads(line)[key]) for line in lines for key in ("prompt", "completion")]


@needs_torch
def test_local_trains_from_the_same_file_and_stands_beside_its_own_base_model(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model", context=2048, texts=sample_texts())
    out = tmp_path / "runs"
    tuned, extractive = run(out, "local", str(model)), run(out, "extractive", str(model))
    base = run(out, "local", str(model), "pipeline.backend_call.options.mode=sample")
    names = compared(out, f"tuned={tuned}", f"base={base}", f"extractive={extractive}")
    assert names == {"tuned", "base", "extractive"}
    assert stage(tuned, "backend_call")["metrics"]["training"]["steps"] > 0
    assert "training" not in stage(base, "backend_call")["metrics"]


def stage(folder: Path, name: str) -> dict[str, Any]:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (found,) = [each for each in record["stages"] if each["stage"] == name]
    return dict(found)


@needs_torch
@pytest.mark.parametrize("needed", [pytest.param("tinker", marks=MARKS)])
def test_one_file_trains_on_all_three_with_nothing_changed_but_the_backend(
    needed: str, tmp_path: Path
) -> None:
    make_model(tmp_path / "models" / "small", context=2048, texts=sample_texts())
    tokenizer, out = make_tokenizer(tmp_path / "tokenizer"), tmp_path / "runs"
    file, runs = ROOT / "config/experiments/one_job.toml", dict[str, Path]()
    with running_server(tokenizer) as port:
        given = {"TINKER_API_KEY": KEY, "TINKER_BASE_URL": Tenant(port, "three").url}
        for backend in ("extractive", "local", needed):
            arguments = ("run", file, "-q", "--out", out, "--set", f"backend.id={backend}")
            ran = crucible(*arguments, folder=tmp_path, OMP_NUM_THREADS="1", **given)
            runs[backend] = out / str(ran["run_id"])
    for backend, folder in runs.items():
        called = stage(folder, "backend_call")
        points = [point["loss"] for point in called["losses"] if point["split"] == "train"]
        assert (len(points), points[-1] < points[0]) == (18, True), backend
        assert called["metrics"]["training"]["held_out_loss"] is not None
    found = crucible("compare", *(f"{name}={folder}" for name, folder in runs.items()), "--out", out)
    (bench,) = [each for each in found["stages"] if each["stage"] == "bench"]
    pairs = {(each["system"], each["baseline"], each["n"]) for each in bench["comparisons"]}
    assert pairs >= {("extractive", "local", 12), ("extractive", "tinker", 12)}
    (sentences,) = [
        each
        for each in bench["comparisons"]
        if (each["metric"], each["baseline"]) == ("sentence_f1", "tinker")
    ]
    assert sentences["verdict"] in ("better", "undecided")
    assert sentences["interval"]["low"] <= sentences["difference"] <= sentences["interval"]["high"]
    assert all(0 <= test["p_value"] <= test["p_adjusted"] <= 1 for test in sentences["tests"])
    (page,) = out.glob("comparison-*/report.html")
    assert all(name in page.read_text(encoding="utf-8") for name in runs)
