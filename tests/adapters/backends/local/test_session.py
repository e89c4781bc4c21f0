"""Training: the loss, its gradient, checkpoints, and what is refused."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from crucible.actors.ports import QueuedSession
from crucible.adapters.backends.local.session import LocalSession
from crucible.messages.errors import BackendError, CrucibleError, InputError, OptionError, OutputError
from crucible.messages.records import Example

from ..support import INPUT, REFERENCE, row
from .support import ask, make_model, needs_torch, opened, patient

pytestmark = [needs_torch, patient]

ROWS = [row(number, text=INPUT.replace("120 adults", "adults" + " x" * number)) for number in range(6)]


async def steps(session: LocalSession, count: int, *, start: int = 0, rate: float = 0.01) -> list[float]:
    """Mean losses of training steps on two rows each."""
    means = []
    for number in range(start, start + count):
        batch = [ROWS[number % 6], ROWS[(number + 1) % 6]]
        done = await session.train_step(batch)
        await session.optim_step(rate)
        means.append(done.loss_sum / done.weight_sum)
    return means


async def losses(session: LocalSession) -> list[float]:
    return [(await session.evaluate([each])).loss_sum for each in ROWS]


async def test_the_loss_is_that_of_the_completion_and_its_end_under_plain_transformers(
    model: Path, tmp_path: Path
) -> None:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    plain = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    prompt = tokenizer(INPUT)["input_ids"]
    learned = tokenizer(REFERENCE)["input_ids"] + [tokenizer.eos_token_id]
    ids = torch.tensor([prompt + learned])
    labels = torch.tensor([[-100] * len(prompt) + learned])
    with torch.no_grad():
        expected = float(plain(input_ids=ids, labels=labels).loss)
    session = await opened(model, tmp_path)
    found = await session.evaluate([row()])
    await session.aclose()
    assert found.weight_sum == len(learned)
    assert found.loss_sum / found.weight_sum == pytest.approx(expected, rel=1e-5)


async def test_rows_of_different_length_lose_together_what_they_lose_alone(
    model: Path, tmp_path: Path
) -> None:
    session = await opened(model, tmp_path, target_modules=["*"])
    await steps(session, 3)
    alone = await losses(session)
    together = await session.evaluate(ROWS)
    await session.aclose()
    assert together.loss_sum == pytest.approx(sum(alone), rel=1e-5)


async def test_a_batch_in_pieces_teaches_what_it_teaches_whole(model: Path, tmp_path: Path) -> None:
    found = []
    for size in (1, 4, 6):
        session = await opened(model, tmp_path, micro_batch_size=size, target_modules=["*"])
        for _ in range(3):
            await session.train_step(ROWS)
            await session.optim_step(0.01)
        found.append(sum(await losses(session)))
        await session.aclose()
    assert found == pytest.approx([found[0]] * 3, rel=1e-4)


async def test_gradients_of_several_calls_add_up(model: Path, tmp_path: Path) -> None:
    found = []
    for batches in ([ROWS], [ROWS[:2], ROWS[2:]]):
        session = await opened(model, tmp_path, target_modules=["*"])
        for batch in batches:
            await session.train_step(batch)
        await session.optim_step(0.01)
        found.append(sum(await losses(session)))
        await session.aclose()
    assert found[0] == pytest.approx(found[1], rel=1e-5)


async def test_training_lowers_the_loss(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path, target_modules=["*"])
    means = await steps(session, 40, rate=0.02)
    await session.aclose()
    assert means[-1] < 0.5 * means[0]


async def test_gradient_checkpointing_changes_nothing_but_memory(model: Path, tmp_path: Path) -> None:
    found = []
    for wanted in (False, True):
        session = await opened(model, tmp_path, gradient_checkpointing=wanted, lora_dropout=0.2)
        found.append(await steps(session, 4))
        await session.aclose()
    assert found[0] == pytest.approx(found[1], rel=1e-5)


async def test_the_seed_decides_start_and_dropout(model: Path, tmp_path: Path) -> None:
    found = []
    for seed in (3, 3, 4):
        session = await opened(model, tmp_path, seed=seed, lora_dropout=0.3)
        found.append(await steps(session, 4))
        await session.aclose()
    assert found[0] == found[1]
    assert found[0] != found[2]


async def test_sessions_side_by_side_do_not_disturb_each_other(model: Path, tmp_path: Path) -> None:
    alone = await opened(model, tmp_path, lora_dropout=0.3)
    expected = await steps(alone, 4)
    await alone.aclose()
    first = await opened(model, tmp_path, lora_dropout=0.3)
    second = await opened(model, tmp_path, lora_rank=2, target_modules=["gate_proj"], seed=9)
    found = []
    for number in range(4):
        found += await steps(first, 1, start=number)
        await steps(second, 1, start=number)
    await first.aclose()
    await second.aclose()
    assert found == expected


async def test_a_submitted_step_is_the_step_that_is_awaited(model: Path, tmp_path: Path) -> None:
    awaited = await opened(model, tmp_path, lora_dropout=0.3)
    expected = await steps(awaited, 3)
    await awaited.aclose()
    session = await opened(model, tmp_path, lora_dropout=0.3)
    assert isinstance(session, QueuedSession)
    pending = [await session.submit_step([ROWS[n], ROWS[n + 1]], 0.01) for n in range(3)]
    done = [await each.result() for each in pending]
    await session.aclose()
    assert [each.loss_sum / each.weight_sum for each in done] == expected


# rows and settings that do not fit


async def test_a_row_longer_than_the_context_is_left_out_and_counted_once(
    model: Path, tmp_path: Path
) -> None:
    session = await opened(model, tmp_path)
    long = row(9, text=INPUT * 3)
    for _ in range(2):
        done = await session.train_step([long, ROWS[0]])
        await session.optim_step(0.01)
    figures = session.figures()
    await session.aclose()
    assert done.examples == 1
    assert (figures["rows_rejected"], figures["rows_truncated"]) == (1, 0)


async def test_a_step_of_rows_that_are_all_too_long_changes_nothing(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    before = await losses(session)
    done = await session.train_step([row(9, text=INPUT * 3)])
    await session.optim_step(0.01)
    after = await losses(session)
    await session.aclose()
    assert (done.weight_sum, before) == (0, after)


async def test_a_longer_row_is_truncated_when_that_is_wanted(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path, too_long="truncate", max_length=120)
    done = await session.train_step([ROWS[0]])
    figures = session.figures()
    await session.aclose()
    assert done.examples == 1
    assert figures["training_tokens"] == 120
    assert figures["rows_truncated"] == 1


async def test_target_modules_that_match_nothing_are_refused_naming_what_there_is(
    model: Path, tmp_path: Path
) -> None:
    session = await opened(model, tmp_path, target_modules=["q_proj", "c_attn"])
    with pytest.raises(
        OptionError, match="'c_attn' matches no linear layer; there are: down_proj, gate_proj"
    ):
        await session.train_step([ROWS[0]])
    await session.aclose()


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["?_proj"], {"q_proj", "k_proj", "v_proj", "o_proj"}),
        (["layers.0.*.q_proj"], {"model.layers.0.self_attn.q_proj"}),
        (["up_proj"], {"up_proj"}),
    ],
)
async def test_target_modules_may_be_patterns(
    model: Path, tmp_path: Path, patterns: list[str], expected: set[str]
) -> None:
    session = await opened(model, tmp_path, target_modules=patterns)
    await session.train_step([ROWS[0]])
    figures = session.figures()
    await session.aclose()
    assert set(figures["target_modules"]) == expected


async def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"backend.options.base_model: there is no folder '.*nowhere'"):
        await opened(tmp_path / "nowhere", tmp_path)


async def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"base_model: cannot load .* as a causal language model"):
        await opened(tmp_path, tmp_path)


async def test_a_gpu_that_is_not_there_is_said_so(model: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="no 'cuda' device"):
        await opened(model, tmp_path, device="cuda")


async def test_a_gradient_that_is_not_finite_is_not_applied(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path, target_modules=["*"])
    await steps(session, 2)
    ref = await session.save_checkpoint("good", step=2, epoch=0, loss=None)
    expected = await losses(session)
    await steps(session, 1, rate=1e30)
    with pytest.raises(BackendError, match="the gradient's length is nan"):
        await steps(session, 2)
    await session.load_checkpoint(ref)
    found = await losses(session)
    await session.aclose()
    assert found == expected


# checkpoints


async def test_going_on_from_a_checkpoint_is_going_on(model: Path, tmp_path: Path) -> None:
    straight = await opened(model, tmp_path, lora_dropout=0.3)
    expected = await steps(straight, 6)
    await straight.aclose()
    first = await opened(model, tmp_path, lora_dropout=0.3)
    found = await steps(first, 3)
    ref = await first.save_checkpoint("half", step=3, epoch=0, loss=None)
    await steps(first, 2, rate=0.5)
    await first.aclose()
    second = await opened(model, tmp_path, lora_dropout=0.3)
    await second.load_checkpoint(ref)
    found += await steps(second, 3, start=3)
    await second.aclose()
    assert found == expected


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # in peft itself
async def test_an_adapter_loads_with_plain_peft(model: Path, tmp_path: Path) -> None:
    import peft
    import torch
    import transformers

    session = await opened(model, tmp_path, target_modules=["*"])
    await steps(session, 10, rate=0.02)
    ref = await session.save_checkpoint("trained", step=10, epoch=0, loss=None)
    expected = await session.evaluate([row()])
    answer = (await (await session.sampler(ref)).sample(ask())).completions[0].text
    await session.aclose()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    base = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    plain = peft.PeftModel.from_pretrained(base, ref.uri).eval()
    prompt = tokenizer(INPUT)["input_ids"]
    learned = tokenizer(REFERENCE)["input_ids"] + [tokenizer.eos_token_id]
    with torch.no_grad():
        ids, labels = torch.tensor([prompt + learned]), torch.tensor([[-100] * len(prompt) + learned])
        loss = float(plain(input_ids=ids, labels=labels).loss)
        mask = torch.ones(1, len(prompt), dtype=torch.long)
        made = plain.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=mask,
            max_new_tokens=12,
            do_sample=False,
            pad_token_id=0,
        )
    assert expected.loss_sum / expected.weight_sum == pytest.approx(loss, rel=1e-5)
    assert answer == tokenizer.decode(made[0][len(prompt) :], skip_special_tokens=True)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # in peft itself
async def test_training_can_start_from_an_adapter_of_any_peft_program(model: Path, tmp_path: Path) -> None:
    import peft
    import torch
    import transformers

    base = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    peft.get_peft_model(base, config).save_pretrained(tmp_path / "given")
    plain = await opened(model, tmp_path)
    session = await opened(model, tmp_path, adapter=str(tmp_path / "given"))
    before, untrained = await losses(session), await losses(plain)
    await steps(session, 3)
    after = await losses(session)
    await session.aclose()
    await plain.aclose()
    assert before != untrained
    assert after != before


async def test_a_checkpoint_of_another_base_model_is_refused(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    ref = await session.save_checkpoint("mine", step=0, epoch=0, loss=None)
    await session.aclose()
    other = make_model(tmp_path / "other", seed=1)  # the same shape, other weights
    stranger = await opened(other, tmp_path)
    with pytest.raises(BackendError, match="belongs to another base model: it was trained on"):
        await stranger.load_checkpoint(ref)
    with pytest.raises(BackendError, match="belongs to another base model"):
        await stranger.sampler(ref)
    await stranger.aclose()


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"lora_rank": 2}, "lora_rank"), ({"target_modules": ["q_proj"]}, "target_modules")],
)
async def test_a_checkpoint_of_another_adapter_is_refused(
    model: Path, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    session = await opened(model, tmp_path)
    ref = await session.save_checkpoint("mine", step=0, epoch=0, loss=None)
    other = await opened(model, tmp_path, **changes)
    with pytest.raises(BackendError, match=named):
        await other.load_checkpoint(ref)
    await session.aclose()
    await other.aclose()


async def test_a_corrupt_adapter_file_is_refused(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    ref = await session.save_checkpoint("mine", step=0, epoch=0, loss=None)
    await session.aclose()
    copied = shutil.copytree(ref.uri, tmp_path / "copied")
    (copied / "adapter_model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BackendError, match=r"adapter_model.safetensors: the file is corrupt"):
        await opened(model, tmp_path, adapter=str(copied))
    (copied / "adapter_config.json").write_text(json.dumps({"peft_type": "IA3"}))
    with pytest.raises(BackendError, match=r"adapter_config.json: not the configuration of a LoRA adapter"):
        await opened(model, tmp_path, adapter=str(copied))
    with pytest.raises(OptionError, match=r"backend.options.adapter: cannot read .*adapter_config.json"):
        await opened(model, tmp_path, adapter=str(tmp_path / "nowhere"))


async def test_a_full_disk_leaves_the_last_good_checkpoint(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    await steps(session, 1)
    ref = await session.save_checkpoint("last", step=1, epoch=0, loss=None)
    expected = await losses(session)
    await steps(session, 1)
    worker = session._worker.process.pid
    limits = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (2048, limits[1]))  # what is longer cannot be written
    try:
        with pytest.raises(OutputError, match="last: cannot write checkpoint: File too large"):
            await session.save_checkpoint("last", step=2, epoch=0, loss=None)
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)
    await session.load_checkpoint(ref)
    found = await losses(session)
    await session.aclose()
    assert found == expected
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


async def test_a_closed_session_says_so(model: Path, tmp_path: Path) -> None:
    session = await opened(model, tmp_path)
    await session.aclose()
    with pytest.raises(CrucibleError, match="closed"):
        await session.evaluate([Example(id="e", input="a", reference="b")])
