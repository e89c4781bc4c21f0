"""A base model in bfloat16, as on a GPU, here on the CPU: the adapter and its optimiser stay in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.backends.local.session import LocalSession

from ..support import INPUT, row
from .support import ask, needs_torch, opened, patient

pytestmark = [needs_torch, patient]
ROWS = [row(number, text=INPUT.replace("120 adults", "adults" + " x" * number)) for number in range(4)]


@pytest.mark.parametrize("more", [{}, {"pack_length": 512}, {"gradient_checkpointing": True}])
async def test_it_learns_much_as_in_float32(model: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    found = {}
    for dtype in ("float32", "bfloat16"):
        session = await opened(model, tmp_path, dtype=dtype, target_modules=["*"], **more)
        assert session.figures()["dtype"] == dtype
        losses = []
        for _ in range(12):
            step = await session.train_step(ROWS)
            await session.optim_step(0.02)
            losses.append(step.loss_sum / step.weight_sum)
        found[dtype] = losses
        await session.aclose()
    assert found["bfloat16"] != found["float32"]  # it was another computation
    assert found["bfloat16"][0] == pytest.approx(found["float32"][0], rel=0.02)
    assert found["bfloat16"][-1] < 0.7 * found["bfloat16"][0]


async def test_its_checkpoint_is_in_float32_and_goes_on_exactly(model: Path, tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    async def steps(session: LocalSession, count: int) -> list[float]:
        taken = []
        for _ in range(count):
            taken.append((await session.train_step(ROWS)).loss_sum)
            await session.optim_step(0.01)
        return taken

    first = await opened(model, tmp_path, dtype="bfloat16", lora_dropout=0.2)
    await steps(first, 3)
    ref = await first.save_checkpoint("half", step=3, epoch=0, loss=None)
    expected = await steps(first, 3)
    await first.aclose()
    second = await opened(model, tmp_path, dtype="bfloat16", lora_dropout=0.2)
    await second.load_checkpoint(ref)
    assert await steps(second, 3) == expected
    await second.aclose()
    for file in ("adapter_model.safetensors", "optimiser.safetensors"):
        kinds = {tensor.dtype for tensor in safetensors.torch.load_file(Path(ref.uri) / file).values()}
        assert kinds == {torch.float32}, file


async def test_a_checkpoint_made_in_float32_is_of_the_same_model(model: Path, tmp_path: Path) -> None:
    trained = await opened(model, tmp_path)
    ref = await trained.save_checkpoint("mine", step=0, epoch=0, loss=None)
    await trained.aclose()
    session = await opened(model, tmp_path, dtype="bfloat16")
    reply = await (await session.sampler(ref)).sample(ask(max_tokens=8))
    await session.aclose()
    assert 0 < reply.usage.completion_tokens <= 8
    assert reply.completions[0].confidence is not None
    assert 0 < reply.completions[0].confidence <= 1
