"""LoRA training of a real architecture at real size, with random weights: tokens a second, memory, losses.

    python tests/benchmarks/local_sizes.py [--size tiny|135m|1b|8b] [--device auto] [--dtype auto]
        [--steps 10] [--batch 8] [--micro-batch 8] [--rows FILE] [--pack 2048] [--checkpointing]

Needs no network: the model is made on the spot, in the shapes of a small test model, of SmolLM2-135M, or of
Llama 3.2 1B or 3.1 8B, and the tokenizer is trained on the rows (JSON Lines with prompt and completion; the
sample data without ``--rows``). Random weights compute as fast as trained ones; their losses say only that
the loop works. With ``--pack`` the same rows go padded and then packed, in one run. The worker's peak memory
is read from the system, a GPU's use from its driver, where what other programs hold is counted with it.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the tokenizer is that of the tests

WARM_UP = 2
CONTEXT = 8192
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4},
    "135m": {
        "vocab_size": 49_152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    },
    "1b": {
        "vocab_size": 128_256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": True,
    },
    "8b": {
        "vocab_size": 128_256,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
}


def read_rows(file: Path) -> list[dict[str, str]]:
    """Prompts and completions."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def make_model(folder: Path, size: str, rows: list[dict[str, str]], dtype: str) -> int:
    """Write model and tokenizer; the number of parameters."""
    import torch
    from tests.adapters.backends.local.support import make_tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    texts = [row[key] for row in rows for key in ("prompt", "completion")]
    tokenizer = make_tokenizer(folder, context=CONTEXT, words=4000, texts=texts)
    given = {"vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT, **SHAPES[size]}
    config = LlamaConfig(**given, bos_token_id=None, eos_token_id=tokenizer.eos_token_id)
    torch.manual_seed(0)
    kind = torch.bfloat16 if dtype == "bfloat16" or (dtype == "auto" and torch.cuda.is_available()) else None
    torch.set_default_dtype(kind or torch.float32)
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


async def trained(folder: str, given: argparse.Namespace, pack_length: int | None) -> dict[str, Any]:
    """Steps by the backend's public side, one ahead, as the training loop drives it."""
    from crucible.adapters.backends.local import LocalBackend, LocalOptions
    from crucible.messages.records import Example

    options = LocalOptions(
        base_model=folder,
        device=given.device,
        dtype=given.dtype,
        threads=given.threads,
        micro_batch_size=given.micro_batch,
        gradient_checkpointing=given.checkpointing,
        pack_length=pack_length,
    )
    rows = read_rows(given.rows)
    examples = [Example(id=str(n), input=r["prompt"], reference=r["completion"]) for n, r in enumerate(rows)]
    batches = [
        [examples[(step * given.batch + place) % len(examples)] for place in range(given.batch)]
        for step in range(given.steps + WARM_UP)
    ]
    session = await LocalBackend().open(options, seed=0, workdir=Path(folder))
    try:
        worker, losses = session._worker.process.pid, list[float]()
        for batch in batches[:WARM_UP]:
            await (await session.submit_step(batch, given.rate)).result()
        before = session.figures()["training_tokens"]
        started = time.perf_counter()
        pending = await session.submit_step(batches[WARM_UP], given.rate)
        for following in [*batches[WARM_UP + 1 :], None]:
            after = None if following is None else await session.submit_step(following, given.rate)
            step = await pending.result()
            losses.append(step.loss_sum / step.weight_sum)
            pending = after or pending
        seconds = time.perf_counter() - started
        figures = session.figures()
        return {
            "tokens_per_s": (figures["training_tokens"] - before) / seconds,
            "padding": figures["padding_share"],
            "losses": losses,
            "worker_gib": peak_gib(worker),
            "gpu_gib": gpu_gib(),
            **{key: figures[key] for key in ("device", "dtype", "versions", "trained_parameters")},
        }
    finally:
        await session.aclose()


def peak_gib(pid: int) -> float:
    """The most memory that a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def gpu_gib() -> float | None:
    """Memory in use on the first GPU, as its driver tells."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return int(told.split()[0]) / 1024


def tell(name: str, found: dict[str, Any]) -> None:
    """A line of figures."""
    gpu = "" if found["gpu_gib"] is None else f", GPU {found['gpu_gib']:.1f} GiB"
    losses = found["losses"]
    third = max(1, len(losses) // 3)
    first, last = statistics.mean(losses[:third]), statistics.mean(losses[-third:])
    print(
        f"{name}: {found['tokens_per_s']:,.0f} tokens/s, {found['padding']:.0%} padding, worker "
        f"{found['worker_gib']:.1f} GiB{gpu}, loss {first:.3f} -> {last:.3f} (first and last third)"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SHAPES), default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--threads", type=int, help="CPU threads of torch")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--micro-batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rows", type=Path, default=ROOT / "config/data/claims.jsonl")
    parser.add_argument("--pack", type=int, help="also packed, up to this many tokens a pass")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parameters = make_model(Path(folder), given.size, read_rows(given.rows), given.dtype)
        ways = {"padded": None} if given.pack is None else {"padded": None, "packed": given.pack}
        found = {name: asyncio.run(trained(folder, given, pack)) for name, pack in ways.items()}
    last = next(iter(found.values()))
    print(f"{given.size}: {parameters:,} parameters, {last['trained_parameters']:,} trained")
    print(f"{last['device']}, {last['dtype']}, {last['versions']}, Python {platform.python_version()}")
    print(f"{given.steps} steps of {given.batch} rows, passes of {given.micro_batch}, {os.cpu_count()} CPUs")
    for name, each in found.items():
        tell(name, each)


if __name__ == "__main__":
    main()
