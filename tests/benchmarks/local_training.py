"""LoRA training by the local backend beside a bare PyTorch + peft loop, and stalls of the event loop.

    python tests/benchmarks/local_training.py [--model FOLDER] [--steps 20] [--rounds 5] [--batch 4]

Both train the same model on the same batches with the same optimiser, on one thread, in turn; a round is one
of each, each in a process of its own, and ratios are taken within a round. The bare loop is the one that most
people write: rows padded on the right, tokenised beforehand, the model's own loss over all logits. ``lean``
is the same with logits of the completions only, as the backend does it. Tokens are counted per second of
wall time, and per second of CPU time of all processes, which others on the machine disturb less.

The event loop's longest stall is measured by a task that sleeps for 1 ms over and over: with the backend's
process, with the same trainer in a thread of this process, and with nothing to do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the tiny model is that of the tests

RATE = 1e-3
RANK = 16
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
WARM_UP = 2
SPEEDS = ("tokens_per_s", "tokens_per_cpu_s")


def batches(size: int, steps: int) -> list[list[dict[str, str]]]:
    """So many batches of sample rows, over and over."""
    with (ROOT / "config/data/claims.jsonl").open() as file:
        rows = [json.loads(line) for line in file]
    picked = [rows[number % len(rows)] for number in range(size * steps)]
    return [picked[start : start + size] for start in range(0, len(picked), size)]


def bare(model_folder: str, size: int, steps: int, *, lean: bool) -> dict[str, Any]:
    """What a loop without Crucible does."""
    import peft
    import torch
    import transformers

    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
    base = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    torch.manual_seed(0)
    config = peft.LoraConfig(
        r=RANK, lora_alpha=32, lora_dropout=0.1, target_modules=TARGETS, task_type="CAUSAL_LM"
    )
    model = peft.get_peft_model(base, config)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    prepared = [_collated(tokenizer, batch, lean=lean) for batch in batches(size, steps + WARM_UP)]
    tokens, started, busy = 0, 0.0, 0.0
    for number, (given, labels, count) in enumerate(prepared):
        if number == WARM_UP:
            started, busy = time.perf_counter(), cpu_s()
        if lean:
            keep = labels.shape[1] + 1
            logits = model(**given, logits_to_keep=keep, use_cache=False).logits[:, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        else:
            loss = model(**given, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        tokens += count if number >= WARM_UP else 0
    return {
        "tokens_per_s": tokens / (time.perf_counter() - started),
        "tokens_per_cpu_s": tokens / (cpu_s() - busy),
        "loss": float(loss.detach()),
    }


def cpu_s(child: int | None = None) -> float:
    """CPU seconds of this process so far, and of a running child."""
    mine = time.process_time()
    if child is None:
        return mine
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return mine + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _collated(tokenizer: Any, batch: list[dict[str, str]], *, lean: bool) -> tuple[Any, Any, int]:
    import torch

    prompts = [tokenizer(row["prompt"])["input_ids"] for row in batch]
    ends = [
        tokenizer(row["completion"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        for row in batch
    ]
    width = max(len(p) + len(e) for p, e in zip(prompts, ends, strict=True))
    longest = max(map(len, ends))
    ids, mask, labels = [], [], []
    for prompt, end in zip(prompts, ends, strict=True):
        row, gap = prompt + end, [0] * (width - len(prompt) - len(end))
        if lean:
            ids.append(gap + row)
            mask.append(gap + [1] * len(row))
            labels.append([-100] * (longest - len(end)) + end)
        else:
            ids.append(row + gap)
            mask.append([1] * len(row) + gap)
            labels.append([-100] * len(prompt) + end + [-100] * len(gap))
    given = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    if lean:
        given["position_ids"] = (given["attention_mask"].cumsum(1) - 1).clamp(min=0)
    return given, torch.tensor(labels), sum(len(p) + len(e) for p, e in zip(prompts, ends, strict=True))


async def ours(
    model_folder: str, size: int, steps: int, workdir: Path, *, watched: bool = False
) -> dict[str, Any]:
    """The backend, by its public side, as the training loop drives it: one step ahead.

    Its speed is taken unwatched: waking every millisecond costs CPU time of its own.
    """
    from crucible.adapters.backends.local import LocalBackend
    from crucible.messages.records import Example

    session = await LocalBackend().open(_options(model_folder, size), seed=0, workdir=workdir)
    given = [
        [Example(id=row["id"], input=row["prompt"], reference=row["completion"]) for row in batch]
        for batch in batches(size, steps + WARM_UP)
    ]
    step = None

    worker = session._worker.process.pid

    async def train() -> tuple[float, float]:
        nonlocal step
        for batch in given[:WARM_UP]:
            step = await (await session.submit_step(batch, RATE)).result()
        before = session.figures()["training_tokens"]
        started, busy = time.perf_counter(), cpu_s(worker)
        pending = await session.submit_step(given[WARM_UP], RATE)
        for batch in given[WARM_UP + 1 :]:
            following = await session.submit_step(batch, RATE)
            step = await pending.result()
            pending = following
        step = await pending.result()
        tokens = session.figures()["training_tokens"] - before
        return tokens / (time.perf_counter() - started), tokens / (cpu_s(worker) - busy)

    stall, (speed, thrift) = await longest_stall(train) if watched else ({}, await train())
    assert step is not None
    await session.aclose()
    return {
        "tokens_per_s": speed,
        "tokens_per_cpu_s": thrift,
        "loss": step.loss_sum / step.weight_sum,
        **stall,
    }


def _options(model_folder: str, size: int) -> Any:
    from crucible.adapters.backends.local import LocalOptions

    return LocalOptions(
        base_model=model_folder, threads=1, micro_batch_size=size, lora_rank=RANK, device="cpu"
    )


async def in_thread(model_folder: str, size: int, steps: int) -> dict[str, Any]:
    """The same trainer in a thread of the event loop's process: the design that was rejected."""
    from crucible.adapters.backends.local import protocol
    from crucible.adapters.backends.local.host import Host
    from crucible.adapters.backends.local.session import _opening

    load = protocol.Load(
        base_model=model_folder, revision=None, gguf_file=None, device="cpu", dtype="auto", threads=1
    )

    async def train() -> None:
        host = await asyncio.to_thread(Host, load)
        host.do(_opening("s", _options(model_folder, size), 0), lambda: None)
        for batch in batches(size, steps):
            rows = tuple(
                protocol.Row(id=row["id"], prompt=row["prompt"], completion=row["completion"])
                for row in batch
            )
            operation = protocol.Pass(session="s", rows=rows, train=True)
            await asyncio.to_thread(host.do, operation, lambda: None)
            await asyncio.to_thread(host.do, protocol.Step(session="s", learning_rate=RATE), lambda: None)

    return (await longest_stall(train))[0]


async def longest_stall(work: Callable[[], Awaitable[Any]]) -> tuple[dict[str, float], Any]:
    """By how many milliseconds a sleep of 1 ms was late at worst while the work was done, and its result.

    Also the most CPU time that the loop's thread used between two such sleeps: the part of a stall that is
    its own doing; the rest is waiting for the interpreter's lock or, on a busy machine, for a processor.
    """
    worst = own = 0.0

    async def watch() -> None:
        nonlocal worst, own
        while True:
            before, busy = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - before - 0.001)
            own = max(own, time.thread_time() - busy)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    result = await work()
    watching.cancel()
    return {"stall_ms": worst * 1000, "own_ms": own * 1000}, result


def measure(kind: str, model: str, size: int, steps: int) -> dict[str, Any]:
    """One kind, in this process."""
    if kind in ("bare", "lean"):
        return bare(model, size, steps, lean=kind == "lean")
    if kind == "thread":
        return asyncio.run(in_thread(model, size, steps))
    if kind == "idle":
        return asyncio.run(longest_stall(lambda: asyncio.sleep(5)))[0]
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(ours(model, size, steps, Path(folder), watched=kind == "process"))


def in_process(kind: str, model: str, size: int, steps: int) -> dict[str, Any]:
    """One kind, in a process of its own."""
    command = [sys.executable, __file__, "--kind", kind, "--model", model]
    command += ["--batch", str(size), "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder of a causal language model; default: a small random one")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.kind is not None:
        print(json.dumps(measure(given.kind, given.model, given.batch, given.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = given.model
        if model is None:
            from tests.adapters.backends.local.support import make_model

            texts = [
                row[key] for batch in batches(80, 1) for row in batch for key in ("prompt", "completion")
            ]
            small = make_model(Path(folder), context=2048, hidden=128, layers=4, words=4000, texts=texts)
            model = str(small)
        compare(model, given.batch, given.steps, given.rounds)


def compare(model: str, size: int, steps: int, rounds: int) -> None:
    """All kinds, in turn."""
    kinds = ("bare", "lean", "ours")
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind in kinds if number % 2 else reversed(kinds):
            found[kind].append(in_process(kind, model, size, steps))
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"{rounds} rounds of {steps} steps of {size} rows")
    for kind in kinds:
        by_wall, by_cpu = (statistics.median(each[key] for each in found[kind]) for key in SPEEDS)
        loss = found[kind][-1]["loss"]
        print(f"{kind:6} {by_wall:9.1f} tokens/s, {by_cpu:9.1f} per CPU second, last loss {loss:.4f}")
    for kind in ("bare", "lean"):
        for key in SPEEDS:
            pairs = zip(found["ours"], found[kind], strict=True)
            ratios = sorted(mine[key] / its[key] for mine, its in pairs)
            spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
            print(f"ours / {kind}, {key}: {statistics.median(ratios):.3f} ({spread})")
    for kind in ("process", "thread", "idle"):
        measured = [in_process(kind, model, size, steps) for _ in range(rounds)]
        typical, worst = (
            choose(each["stall_ms"] for each in measured) for choose in (statistics.median, max)
        )
        own = max(each["own_ms"] for each in measured)
        print(f"longest stall, {kind}: {typical:.1f} ms (median), {worst:.1f} (worst), own work {own:.1f}")


if __name__ == "__main__":
    main()
