"""A tiny random Llama with a tokenizer of its own, made on the spot; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.local import LocalBackend, LocalOptions
from crucible.adapters.backends.local.process import Worker, lease, release
from crucible.adapters.backends.local.protocol import Load
from crucible.adapters.backends.local.session import LocalSession
from crucible.messages.records import Prompt, SamplingParams
from crucible.messages.requests import BackendRequest

from ..support import INPUT, REFERENCE

needs_torch = pytest.mark.torch
patient = pytest.mark.timeout(
    300
)  # a worker imports torch: seconds when it is alone, a minute on a busy machine

END = "<end>"


def make_model(
    folder: Path,
    *,
    seed: int = 0,
    context: int = 256,
    hidden: int = 32,
    layers: int = 2,
    words: int = 400,
    texts: Sequence[str] = (INPUT, REFERENCE),
) -> Path:
    """Write model and tokenizer; the vocabulary comes from the texts."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(folder, context=context, words=words, texts=texts)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.3,  # at the usual 0.02 the frozen output layer could not express a probability
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_gpt2(folder: Path) -> Path:
    """A tiny GPT-2: its positions are learned and absolute, its linear layers of another class."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = make_tokenizer(folder, context=256, words=400, texts=(INPUT, REFERENCE))
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def make_tokenizer(folder: Path, *, context: int, words: int, texts: Sequence[str]) -> Any:
    """Byte-level BPE of the texts, written into the folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=words,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, model_max_length=context)
    fast.save_pretrained(folder)
    return fast


def options(model: Path, given: Mapping[str, Any] | None = None, **more: Any) -> LocalOptions:
    """Options for the tiny model, on one thread."""
    plain = {"base_model": str(model), "threads": 1, "lora_rank": 4, "lora_dropout": 0.0}
    return msgspec.convert({**plain, **(given or {}), **more}, LocalOptions)


async def opened(model: Path, workdir: Path, *, seed: int = 3, **more: Any) -> LocalSession:
    """A session on the tiny model."""
    return await LocalBackend().open(options(model, more), seed=seed, workdir=workdir)


class Kept:
    """Holds the worker of a model, so that the tests of a file share it."""

    def __init__(self, model: Path) -> None:
        self.load = Load(
            base_model=str(model), revision=None, gguf_file=None, device="auto", dtype="auto", threads=1
        )
        self.worker: Worker = lease(self.load)

    def close(self) -> None:
        release(self.load, self.worker)


def ask(text: str = INPUT, **params: Any) -> BackendRequest:
    """A request."""
    chosen = SamplingParams(**{"max_tokens": 12, **params})
    return BackendRequest(key="k", example_id="e", prompt=Prompt(text=text), params=chosen)
