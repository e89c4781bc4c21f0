"""The trivial baseline: the first sentences of each document are the evidence, and all of it supports.

Named ``lead`` in experiments, as a baseline for models that answer in the claim grammar. Lead-k is the
customary lower bound in summarisation (Nallapati et al. 2017 call it lead-3); it looks at nothing but the
order of the sentences, so what a model gains over it is not owed to position. It cannot be trained.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from ...actors.ports import Capabilities
from ...messages.base import Message
from ...messages.errors import BackendError
from ...messages.records import Completion
from ...messages.requests import BackendReply, BackendRequest
from ..cns import parse_passage, stated_claim
from .answers import Evidence, estimated_usage, evidence_answer
from .passages import NO_PASSAGE, ReadsPassages
from .untrained import UntrainedSession

__all__ = ["LeadBackend", "LeadOptions", "LeadSampler"]


class LeadOptions(Message, frozen=True):
    """How much of each document counts."""

    k: Annotated[int, Meta(ge=1, description="Sentences taken from the start of each document.")] = 2


class LeadSampler:
    """Answers from the order of the sentences alone."""

    def __init__(self, options: LeadOptions) -> None:
        self._k = options.k

    async def sample(self, request: BackendRequest) -> BackendReply:
        """The lead of each document; raises BackendError for a prompt without a passage."""
        start = time.perf_counter()
        completions = (Completion(text=self._answer(request.prompt.text)),) * request.params.n
        return BackendReply(
            completions=completions,
            usage=estimated_usage(request, completions),
            latency_s=time.perf_counter() - start,
            cost_usd=0.0,
            model=f"lead-{self._k}",
        )

    def _answer(self, prompt: str) -> str:
        evidence = [
            Evidence(document.id, sentence)
            for document in parse_passage(prompt)
            for sentence in document.sentences[: self._k]
        ]
        if not evidence:
            raise BackendError(f"lead: {NO_PASSAGE}")
        return evidence_answer(_hypothesis(prompt, evidence[0].sentence), evidence)


def _hypothesis(prompt: str, first_sentence: str) -> str:
    titles = (document.title for document in parse_passage(prompt) if document.title)
    return stated_claim(prompt) or next(titles, first_sentence)


class LeadBackend(ReadsPassages):
    """The baseline without a model."""

    Options: ClassVar[type[msgspec.Struct]] = LeadOptions

    @property
    def capabilities(self) -> Capabilities:
        """Not trainable, deterministic."""
        return Capabilities(
            trainable=False,
            deterministic=True,
            follows_instructions=False,
            summary="Baseline: the first k sentences of each document, all of them supporting.",
        )

    async def open(self, options: LeadOptions, *, seed: int, workdir: Path) -> UntrainedSession:
        """Start a session; seed and folder are not needed."""
        del seed, workdir
        return UntrainedSession("lead", LeadSampler(options))

    def most_usd(self, options: LeadOptions, request: BackendRequest) -> float:
        """Nothing."""
        del options, request
        return 0.0
