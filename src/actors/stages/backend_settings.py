"""The options of backend_call, and all else that it works by."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from ...messages.base import Message
from ...messages.experiment import LimitsConfig
from ..dialectic.settings import DialecticSettings
from ..durability import Durability
from ..hedging.racing_options import HedgeSettings
from ..ports import ReplyCache
from ..systems import SystemSpec
from ..voting.settings import EnsembleSettings
from .guardrails import OutputGuard

__all__ = ["BackendCallOptions", "BackendSettings"]


class BackendCallOptions(Message, frozen=True):
    """Options of backend_call. The training settings (epochs, ...) are in ``[backend.options]``."""

    mode: Annotated[
        Literal["train", "sample", "train_then_sample"],
        Meta(description="Train the model, ask it, or train it and then ask the best checkpoint."),
    ] = "sample"
    concurrency: Annotated[int, Meta(ge=1, le=10_000, description="Rows in flight at any time.")] = 16
    gate: Annotated[
        bool, Meta(description="Ask nothing before every row has passed the checks. Training always waits.")
    ] = True
    max_attempts: Annotated[int, Meta(ge=1, le=100, description="Tries per request.")] = 4
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for one answer, in seconds.")] = 120.0
    backoff_s: Annotated[
        float, Meta(ge=0, description="Upper end of the first retry's random wait; doubles each time.")
    ] = 0.5
    max_backoff_s: Annotated[float, Meta(ge=0, description="Longest such wait.")] = 30.0
    max_failed: Annotated[
        float,
        Meta(ge=0, le=1, description="Share of the rows on which the model or a baseline may fail for good."),
    ] = 0.1
    max_tokens: Annotated[int, Meta(ge=1, description="Longest answer, in tokens.")] = 512
    temperature: Annotated[float, Meta(ge=0, le=10, description="Sampling temperature.")] = 0.0
    top_p: Annotated[float, Meta(gt=0, le=1, description="Nucleus sampling.")] = 1.0
    stop: Annotated[tuple[str, ...], Meta(description="Texts that end an answer.")] = ()

    @property
    def trains(self) -> bool:
        """Whether the mode trains."""
        return self.mode != "sample"

    @property
    def samples(self) -> bool:
        """Whether the mode asks."""
        return self.mode != "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """All that backend_call works by."""

    model: SystemSpec
    baselines: tuple[SystemSpec, ...]
    options: BackendCallOptions
    evaluate: str
    """Split that is asked: train, validation, test or all."""
    experiment_id: str
    seed: int
    workdir: Path
    guard: OutputGuard | None = None
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    cache: ReplyCache | None = None
    """Closed by whoever opened it."""
    durable: Durability | None = None
    """None: a plain run, which begins anew if it is begun again."""
    hedging: HedgeSettings | None = None
    """None: no request is raced."""
    tiers: tuple[SystemSpec, ...] = ()
    """The systems of tiered hedging after the model; those that are no baselines are asked as tiers only."""
    ensemble: EnsembleSettings | None = None
    """None: the model answers alone."""
    members: tuple[SystemSpec, ...] = ()
    """Of the ensemble, which answers under the name of the model."""
    dialectic: DialecticSettings | None = None
    """None: the model's answer stands as it is."""

    @property
    def quorum(self) -> int:
        """Votes that an outcome needs; 0 without an ensemble."""
        return 0 if self.ensemble is None else self.ensemble.rules.needed(len(self.members))
