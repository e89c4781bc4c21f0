"""Options of the extractive backend."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from ....messages.base import Message

__all__ = ["ExtractiveOptions"]


class ExtractiveOptions(Message, frozen=True):
    """The model; epochs, batch size and learning rate belong to the training stage."""

    dimension: Annotated[
        int, Meta(ge=2**8, le=2**20, description="Slots for hashed words; a power of two.")
    ] = 2**14
    l2: Annotated[float, Meta(ge=0, description="Weight of the L2 penalty on the mean loss.")] = 3e-4
    use_words: Annotated[bool, Meta(description="Use the hashed words and pairs of words.")] = True
    use_position: Annotated[bool, Meta(description="Use where the sentence stands.")] = True
    use_claim: Annotated[bool, Meta(description="Use the claim that a prompt states.")] = True
    max_claims: Annotated[int, Meta(ge=1, le=100, description="Most evidence sentences of an answer.")] = 10
    allow_no_evidence: Annotated[
        bool, Meta(description="Where the prompt states a claim, an answer may name no evidence.")
    ] = True
    cache_rows: Annotated[
        int, Meta(ge=0, description="Rows, the first seen, whose features stay in memory.")
    ] = 4096

    base_model: Annotated[
        str | None, Meta(description="Not used: so that the file of a LoRA job runs here as it stands.")
    ] = None
    lora_rank: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Not used, as base_model.")] = (
        None
    )

    def __post_init__(self) -> None:
        if self.dimension & (self.dimension - 1):
            raise ValueError("dimension: expected a power of two")

    def fingerprint(self) -> str:
        """Hash of the options that shape features and training: a checkpoint fits only where it is equal."""
        shaping = (self.dimension, self.l2, self.use_words, self.use_position, self.use_claim)
        return hashlib.sha256(msgspec.json.encode(shaping)).hexdigest()[:16]
