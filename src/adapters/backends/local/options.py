"""Options of the local backend."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from ....messages.base import Message

__all__ = ["LocalOptions"]

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


class LocalOptions(Message, frozen=True):
    """The model, its LoRA adapter and how it is run; epochs and learning rate belong to the training loop."""

    base_model: Annotated[
        str, Meta(min_length=1, description="Causal language model: a Hugging Face name, or a folder.")
    ]
    revision: Annotated[str | None, Meta(description="Branch, tag or commit of a named model.")] = None
    gguf_file: Annotated[str | None, Meta(description="File in the folder, for a model in GGUF form.")] = None
    adapter: Annotated[
        str | None, Meta(description="Folder of a peft adapter to start from, instead of a fresh one.")
    ] = None
    lora_rank: Annotated[int, Meta(ge=1, le=4096, description="Rank of the LoRA matrices.")] = 16
    lora_alpha: Annotated[
        float, Meta(gt=0, le=65_536, description="The adapter is scaled by lora_alpha / lora_rank.")
    ] = 32
    lora_dropout: Annotated[
        float, Meta(ge=0, lt=1, description="Share of the adapter's inputs dropped in training.")
    ] = 0.1
    target_modules: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            min_length=1, description="Linear layers that get an adapter: names or patterns such as *_proj."
        ),
    ] = ("q_proj", "k_proj", "v_proj", "o_proj")
    seed: Annotated[
        Annotated[int, Meta(ge=0, lt=2**53)] | None,
        Meta(description="Seed of the adapter's start and of dropout; default: the experiment's."),
    ] = None
    weight_decay: Annotated[float, Meta(ge=0, le=1, description="Decoupled weight decay of AdamW.")] = 0.0
    max_grad_norm: Annotated[
        float, Meta(ge=0, description="Longest gradient, longer ones are scaled down; 0: never.")
    ] = 1.0
    micro_batch_size: Annotated[
        int, Meta(ge=1, le=4096, description="Rows in one pass; a batch of more is gathered in several.")
    ] = 8
    pack_length: Annotated[
        Annotated[int, Meta(ge=2, le=16_384)] | None,
        Meta(description="Rows go into a pass one after another, up to this many tokens; default: padded."),
    ] = None
    gradient_checkpointing: Annotated[
        bool, Meta(description="Compute activations again instead of keeping them: slower, less memory.")
    ] = False
    max_length: Annotated[
        Annotated[int, Meta(ge=2)] | None,
        Meta(description="Most tokens of a row; default: the model's context."),
    ] = None
    too_long: Annotated[
        Literal["reject", "truncate"],
        Meta(description="A longer row is left out, or loses the start of its prompt; both are counted."),
    ] = "reject"
    c1_weight: Annotated[
        float, Meta(gt=0, description="Loss weight in the line CLAIM[c1], as a multiple.")
    ] = 1.0
    evidence_weight: Annotated[
        float, Meta(gt=0, description="Loss weight in the other CLAIM lines, as a multiple.")
    ] = 1.0
    chat: Annotated[bool, Meta(description="Put prompts into the tokenizer's chat template.")] = False
    eos_token: Annotated[
        str | None, Meta(description="Token that ends an answer; default: the tokenizer's.")
    ] = None
    device: Annotated[str, Meta(description="auto, cpu, cuda, cuda:0, mps; auto: cuda, else cpu.")] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Meta(description="Number type of the base model; auto: bfloat16 on a GPU made for it, else float32."),
    ] = "auto"
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="CPU threads of torch; default: what torch chooses."),
    ] = None
    sample_batch_size: Annotated[int, Meta(ge=1, le=4096, description="Most answers made together.")] = 16
    gather_ms: Annotated[
        float, Meta(ge=0, le=10_000, description="Longest wait for further requests to answer together.")
    ] = 5.0
    cache_rows: Annotated[
        int, Meta(ge=0, description="Rows, the first seen, whose tokens stay in memory.")
    ] = 16_384

    def __post_init__(self) -> None:
        if _DEVICE.fullmatch(self.device) is None:
            raise ValueError("device: expected auto, cpu, mps, cuda or cuda:NUMBER")
