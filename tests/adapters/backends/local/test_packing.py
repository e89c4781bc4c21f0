"""Rows packed one after another: each is learned as if it stood alone, or the model is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.backends.local.encoding import Encoded
from crucible.messages.errors import OptionError

from ..support import INPUT, REFERENCE, row
from .support import make_gpt2, make_tokenizer, needs_torch, opened, patient

pytestmark = [needs_torch, patient]
ROWS = [row(number, text=INPUT.replace("120 adults", "adults" + " x" * (7 * number))) for number in range(6)]
SHORT = [row(number, text=f"Number {number}.", reference=f"CLAIM[c1]: {number}.") for number in range(9)]


async def learned(model: Path, folder: Path, rows: Any, **options: Any) -> tuple[list[float], float, float]:
    """Losses of three steps, the held-out loss after them, and the share of padding."""
    session = await opened(model, folder, target_modules=["*"], **options)
    losses = []
    for _ in range(3):
        step = await session.train_step(rows)
        await session.optim_step(0.02)
        losses.append(step.loss_sum)
    held_out = (await session.evaluate(rows)).loss_sum
    share = session.figures()["padding_share"]
    await session.aclose()
    return losses, held_out, share


@pytest.mark.parametrize("pack_length", [64, 256, 1024])
@pytest.mark.parametrize("rows", [ROWS, SHORT])
async def test_packed_rows_teach_what_padded_ones_teach(
    model: Path, tmp_path: Path, rows: Any, pack_length: int
) -> None:
    padded = await learned(model, tmp_path, rows)
    packed = await learned(model, tmp_path, rows, pack_length=pack_length)
    assert packed[0] == pytest.approx(padded[0], rel=1e-4)
    assert packed[1] == pytest.approx(padded[1], rel=1e-4)
    assert (padded[2] > 0, packed[2]) == (True, 0.0)
    assert padded[0][-1] < 0.97 * padded[0][0]  # it did learn, so that agreeing means something


async def test_a_model_with_learned_positions_can_be_packed(tmp_path: Path) -> None:
    model = make_gpt2(tmp_path / "gpt2")  # measured without its own dropout
    found = []
    for pack_length in (None, 128):
        session = await opened(model, tmp_path, target_modules=["*"], pack_length=pack_length)
        found.append((await session.evaluate(SHORT)).loss_sum)
        await session.aclose()
    assert found[1] == pytest.approx(found[0], rel=1e-5)


async def test_weights_hold_in_packed_and_padded_rows(model: Path, tmp_path: Path) -> None:
    weights = {"c1_weight": 5.0, "evidence_weight": 2.0}
    padded = await learned(model, tmp_path, ROWS, **weights)
    packed = await learned(model, tmp_path, ROWS, pack_length=512, **weights)
    plain = await learned(model, tmp_path, ROWS)
    assert packed[0] == pytest.approx(padded[0], rel=1e-4)
    assert padded[0][0] > 1.5 * plain[0][0]


async def test_a_weighted_loss_is_that_of_plain_transformers(model: Path, tmp_path: Path) -> None:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    plain = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    prompt = tokenizer(INPUT)["input_ids"]
    made = tokenizer(REFERENCE, return_offsets_mapping=True)
    second, third = REFERENCE.index("CLAIM[c2]"), REFERENCE.index("RELATION")
    weights = [5.0 if at < second else 2.0 if at < third else 1.0 for at, _ in made["offset_mapping"]] + [1.0]
    learned_tokens = [*made["input_ids"], tokenizer.eos_token_id]
    with torch.no_grad():
        logits = plain(input_ids=torch.tensor([prompt + learned_tokens])).logits[0]
    chosen = logits.log_softmax(-1)[len(prompt) - 1 : -1][range(len(learned_tokens)), learned_tokens]
    expected = -sum(w * float(lp) for w, lp in zip(weights, chosen, strict=True))
    session = await opened(model, tmp_path, c1_weight=5.0, evidence_weight=2.0)
    found = await session.evaluate([row()])
    await session.aclose()
    assert found.weight_sum == sum(weights)
    assert found.loss_sum == pytest.approx(expected, rel=1e-5)


async def test_gradient_checkpointing_and_packing_go_together(model: Path, tmp_path: Path) -> None:
    found = [
        await learned(model, tmp_path, SHORT, pack_length=128, gradient_checkpointing=wanted)
        for wanted in (False, True)
    ]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)


# what cannot be packed


def base_of(folder: Path, dtype: str = "float32") -> Any:
    from crucible.adapters.backends.local.base import BaseModel
    from crucible.adapters.backends.local.protocol import Load

    given = {"base_model": str(folder), "revision": None, "gguf_file": None, "device": "cpu", "threads": 1}
    return BaseModel(Load(dtype=dtype, **given))  # type: ignore[arg-type]


async def test_a_model_without_positions_is_refused(tmp_path: Path) -> None:
    import torch
    from transformers import BloomConfig, BloomForCausalLM

    folder = tmp_path / "bloom"
    tokenizer = make_tokenizer(folder, context=256, words=400, texts=(INPUT, REFERENCE))
    torch.manual_seed(0)
    BloomForCausalLM(
        BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=1, n_head=4)
    ).save_pretrained(folder)
    with pytest.raises(OptionError, match=r"pack_length: .*bloom' takes no positions, so packed rows would"):
        await opened(folder, tmp_path, target_modules=["*"], pack_length=64)


def without(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    """It takes everything and sees the whole pass, or counts its tokens from 0."""

    def changed(**given: Any) -> Any:
        if name in given:
            given[name] = given[name][:, 0, 0] * 0 + 1 if name == "attention_mask" else None
        return forward(**given)

    return changed


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("ignored", ["attention_mask", "position_ids"])
def test_a_model_that_ignores_what_it_is_given_is_refused(
    model: Path, tmp_path: Path, ignored: str, dtype: str
) -> None:
    from crucible.adapters.backends.local.passes import check_packing

    del model
    base = base_of(make_gpt2(tmp_path / "gpt2"), dtype)  # a Llama's positions are relative
    check_packing(base, 64)
    base.model.forward = without(ignored, base.model.forward)
    with pytest.raises(OptionError, match="does not keep to the mask and the positions that it is given"):
        check_packing(base, 64)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_llama_can_be_packed_in_both_number_types(model: Path, dtype: str) -> None:
    from crucible.adapters.backends.local.passes import check_packing

    check_packing(base_of(model, dtype), 64)


def test_a_window_shorter_than_a_pack_is_refused(model: Path) -> None:
    from crucible.adapters.backends.local.passes import check_packing

    base = base_of(model)
    base.model.config.sliding_window = 32
    check_packing(base, 32)
    with pytest.raises(OptionError, match="looks back 32 tokens only"):
        check_packing(base, 33)


def test_rows_of_a_pack_do_not_see_each_other(model: Path) -> None:
    import torch

    from crucible.adapters.backends.local.passes import lay_out, summed_loss

    base = base_of(model)
    rows = [Encoded(tuple(range(3 + n, 20 + 2 * n)), 9) for n in range(3)]
    with torch.no_grad():
        alone = [float(summed_loss(base, lay_out(base, [each], packed=True))) for each in rows]
        packed = float(summed_loss(base, lay_out(base, rows, packed=True)))
        layout = lay_out(base, rows, packed=True)
        seeing = {key: value for key, value in layout.given.items() if key != "attention_mask"}
        mixed = float(summed_loss(base, layout._replace(given={**seeing, "position_ids": None})))
    assert packed == pytest.approx(sum(alone), rel=1e-5)
    assert abs(mixed - sum(alone)) > 0.01 * sum(alone)  # they would, without the mask
