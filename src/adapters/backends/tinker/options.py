"""What the tinker backend can be told, checked when the experiment file is read."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field

from ....messages.base import Message
from ....messages.secret_keys import is_reference, url_holds_password

__all__ = ["Regulariser", "TinkerOptions", "TinkerPrices"]

Price = Annotated[float, Meta(ge=0)]


class TinkerPrices(Message, frozen=True):
    """US dollars per million tokens; what has no price has no known cost."""

    train: Annotated[Price | None, Meta(description="Forward and backward pass.")] = None
    prefill: Annotated[Price | None, Meta(description="Prompts and held-out rows.")] = None
    sample: Annotated[Price | None, Meta(description="Sampled tokens.")] = None


class Regulariser(Message, frozen=True):
    """A term that is added to the cross-entropy of training."""

    term: Annotated[
        str,
        Meta(
            min_length=1, description="kl_k1, kl_k3, drift_l2, confidence, or the name of a plug-in's term."
        ),
    ]
    weight: Annotated[float, Meta(gt=0, le=1e6, description="What its sum over the tokens is multiplied by.")]
    name: Annotated[
        Annotated[str, Meta(min_length=1)] | None, Meta(description="In the report; default: the term.")
    ] = None

    @property
    def label(self) -> str:
        """What the report calls it."""
        return self.name or self.term


class TinkerOptions(Message, frozen=True):
    """The model and how the service is used; epochs, batches and learning rates belong to the loop."""

    base_model: Annotated[str, Meta(min_length=1, description="Model to fine-tune, as the service names it.")]
    lora_rank: Annotated[int, Meta(ge=1, le=1024, description="Rank of the LoRA matrices.")] = 32
    train_mlp: Annotated[bool, Meta(description="Train the MLP layers.")] = True
    train_attn: Annotated[bool, Meta(description="Train the attention layers.")] = True
    train_unembed: Annotated[bool, Meta(description="Train the unembedding.")] = True
    lora_seed: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Seed of the LoRA matrices; default: the experiment's."),
    ] = None
    model_path: Annotated[
        str | None,
        Meta(description="tinker:// path of sampler weights, asked where nothing is trained; default: none."),
    ] = None
    tokenizer: Annotated[
        str | None,
        Meta(description="Folder with tokenizer.json; default: what the service names, from the hub."),
    ] = None
    end_of_text: Annotated[
        str | None, Meta(description="Token that ends an answer; default: the tokenizer's own.")
    ] = None
    max_length: Annotated[
        Annotated[int, Meta(ge=8)] | None,
        Meta(description="Longest row in tokens; default: the context of the base model."),
    ] = None
    too_long: Annotated[
        Literal["truncate", "skip", "reject"],
        Meta(description="A longer row loses the start of its prompt, is left out, or ends the run."),
    ] = "truncate"
    completion_weight: Annotated[float, Meta(gt=0, description="Loss weight of a token of the answer.")] = 1.0
    c1_weight: Annotated[
        float, Meta(gt=0, description="Loss weight in the line CLAIM[c1], as a multiple.")
    ] = 1.0
    evidence_weight: Annotated[
        float, Meta(gt=0, description="Loss weight in the other CLAIM lines, as a multiple.")
    ] = 1.0
    regularisers: Annotated[
        tuple[Regulariser, ...],
        Meta(description="Terms added to the loss: { term, weight, name } each; steps then take two passes."),
    ] = ()
    reference_path: Annotated[
        str | None,
        Meta(description="tinker:// path of sampler weights that terms refer to; default: the base model."),
    ] = None
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Adam: decay of the mean of gradients.")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Adam: decay of the mean of squares.")] = 0.95
    eps: Annotated[float, Meta(gt=0, description="Adam: added to the denominator.")] = 1e-8
    weight_decay: Annotated[float, Meta(ge=0, description="Decoupled weight decay.")] = 0.0
    grad_clip_norm: Annotated[float, Meta(ge=0, description="Longest gradient; 0: as it is.")] = 0.0
    submit_ahead: Annotated[
        int, Meta(ge=0, le=16, description="Steps on their way besides the one that is waited for.")
    ] = 3
    recovery_every: Annotated[
        int, Meta(ge=1, le=10_000, description="Steps between states that recovery goes back to.")
    ] = 50
    recovery_attempts: Annotated[
        int, Meta(ge=0, le=100, description="Rebuilds in a row without a step done, before giving up.")
    ] = 3
    recovery_backoff_s: Annotated[
        float, Meta(ge=0, le=600, description="Wait before the first rebuild; doubles, at most 60 s.")
    ] = 5.0
    checkpoint_ttl_hours: Annotated[
        Annotated[int, Meta(ge=1, le=87_600)] | None,
        Meta(description="Hours that the service keeps checkpoints; default: for good."),
    ] = None
    connect_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="Longest wait for a session, in seconds.")
    ] = 60.0
    answer_timeout_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Longest wait for a training result, in seconds.")
    ] = 900.0
    api_key: Annotated[str, Meta(description="Reference to the key, env:NAME or file:PATH.")] = (
        "env:TINKER_API_KEY"
    )
    base_url: Annotated[
        str | None, Meta(description="Address of the service; default: TINKER_BASE_URL, else the SDK's own.")
    ] = None
    telemetry: Annotated[bool, Meta(description="Let the SDK send its telemetry to the service.")] = False
    prices: TinkerPrices = field(default_factory=TinkerPrices)

    def __post_init__(self) -> None:
        if not is_reference(self.api_key):
            raise ValueError("api_key: expected a reference env:NAME or file:PATH, never the key itself")
        if not (self.train_mlp or self.train_attn or self.train_unembed):
            raise ValueError("train_mlp, train_attn, train_unembed: expected at least one to be true")
        for name in ("model_path", "reference_path"):
            path = getattr(self, name)
            if path is not None and not path.startswith("tinker://"):
                raise ValueError(f"{name}: expected a path that begins with tinker://")
        labels = [each.label for each in self.regularisers]
        if len(set(labels)) < len(labels) or "cross_entropy" in labels:
            raise ValueError("regularisers: expected names that differ, and none that is cross_entropy")
        if self.base_url is not None:
            check_url(self.base_url)


def check_url(url: str) -> None:
    """Raise ValueError for what is no plain web address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("base_url: expected an address that begins with http:// or https://")
    if url_holds_password(url):
        raise ValueError("base_url: expected an address without a password")
