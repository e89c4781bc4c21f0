"""Holds one base model and its tokenizer. Runs in the worker, the only place where torch is imported."""

from __future__ import annotations

import hashlib
import inspect
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peft
import torch
import transformers

from ....messages.errors import InputError
from .devices import Machine, choose_device, choose_dtype
from .encoding import Padded
from .protocol import Load, Loaded

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BaseModel", "look", "one_line"]

_SAMPLED = 64
"""Values of each parameter that the fingerprint looks at."""
_NO_LIMIT = 1 << 24
"""Tokenizers without a limit state an astronomical one."""


def look() -> Machine:
    """What torch finds on this machine."""
    cuda = torch.cuda.is_available()
    return Machine(
        cuda=torch.cuda.device_count() if cuda else 0,
        mps=torch.backends.mps.is_available(),
        bfloat16=cuda and torch.cuda.is_bf16_supported(including_emulation=False),
    )


def one_line(error: BaseException) -> str:
    """The first line of what a library said."""
    text = str(error).strip().split("\n", 1)[0]
    return text or type(error).__name__


class BaseModel:
    """A causal language model; frozen. LoRA adapters are put into it by ``adapters``."""

    def __init__(self, load: Load) -> None:
        """Load it. Raises InputError when it cannot be had."""
        if load.threads is not None:
            torch.set_num_threads(load.threads)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self.name = load.base_model
        machine = look()
        self.device = torch.device(choose_device(load.device, machine))
        self.dtype = getattr(torch, choose_dtype(load.dtype, self.device.type, machine))
        self.tokenizer, self.model = self._load(load)
        self.model.requires_grad_(requires_grad=False)
        self.model.eval()
        named = inspect.signature(type(self.model).forward).parameters
        # Renamed in transformers 5; the old name goes on for a while with a warning.
        self.cache_argument = "cache" if "cache" in named else "past_key_values"
        self.fingerprint = self._fingerprint()
        self._checkpoints_activations = False
        self._takes_positions = "position_ids" in named
        self._keeps_logits = "logits_to_keep" in named

    def _load(self, load: Load) -> tuple[Any, Any]:
        name = load.base_model
        if name.startswith(("/", "./", "../", "~")) and not Path(name).is_dir():
            raise InputError(f"backend.options.base_model: there is no folder {name!r}")
        places: dict[str, Any] = {"revision": load.revision, "gguf_file": load.gguf_file}
        given = {key: value for key, value in places.items() if value is not None}
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, **given)
            model = transformers.AutoModelForCausalLM.from_pretrained(name, dtype=self.dtype, **given)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            where = (
                ""
                if Path(name).is_dir()
                else " (there is no such folder, so it was taken for a name on the hub)"
            )
            raise InputError(
                f"backend.options.base_model: cannot load {name!r} as a causal language model{where}: "
                f"{one_line(error)}"
            ) from error
        return tokenizer, model.to(self.device)

    @property
    def context(self) -> int | None:
        """Most tokens that the model takes; None when it does not say."""
        config = self.model.config.get_text_config()
        limits = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions")]
        limits.append(getattr(self.tokenizer, "model_max_length", None))
        stated = [int(limit) for limit in limits if limit is not None and 0 < limit < _NO_LIMIT]
        return min(stated, default=None)

    def facts(self) -> Loaded:
        """For the report."""
        return Loaded(
            device=str(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
            context=self.context,
            parameters=sum(p.numel() for name, p in self.model.named_parameters() if "lora_" not in name),
            versions={
                "torch": str(torch.__version__),
                "transformers": transformers.__version__,
                "peft": peft.__version__,
            },
        )

    def end_token(self, wanted: str | None) -> int:
        """Number of the token that ends an answer. Raises InputError when there is none."""
        if wanted is not None:
            number = self.tokenizer.convert_tokens_to_ids(wanted)
            if number is None or number == self.tokenizer.unk_token_id:
                raise InputError(f"backend.options.eos_token: the tokenizer has no token {wanted!r}")
            return int(number)
        number = self.tokenizer.eos_token_id
        if number is None:
            number = self.model.config.get_text_config().eos_token_id
            number = number[0] if isinstance(number, list) else number
        if number is None:
            raise InputError(
                f"backend.options.eos_token: neither tokenizer nor model of {self.name!r} names an "
                "end-of-text token: name one"
            )
        return int(number)

    def end_tokens(self, end: int) -> frozenset[int]:
        """All tokens that end an answer: ``end`` and those that the model's own settings name."""
        own = getattr(self.model.generation_config, "eos_token_id", None)
        return frozenset({end, *(own if isinstance(own, list) else [] if own is None else [own])})

    def _fingerprint(self) -> str:
        """Hash of the shapes and of some values of all parameters: another model has another one.

        Values are rounded to bfloat16 first, so that it is the same at either number type.
        """
        digest = hashlib.sha256()
        for name, parameter in sorted(self.model.named_parameters(), key=lambda pair: pair[0]):
            if "lora_" in name:
                continue
            plain = name.replace("base_layer.", "")  # what peft calls a layer that it has wrapped
            values = parameter.detach().flatten()[:_SAMPLED].to("cpu", torch.bfloat16).to(torch.float32)
            digest.update(f"{plain} {tuple(parameter.shape)}\n".encode())
            digest.update(values.numpy().tobytes())
        return digest.hexdigest()[:32]

    def tensors(self, batch: Padded) -> dict[str, Any]:
        """The model's arguments for a batch; without padding there is no mask, which is faster."""
        given: dict[str, Any] = {"input_ids": torch.tensor(batch.tokens, device=self.device)}
        if batch.padding:
            given["attention_mask"] = torch.tensor(batch.mask, device=self.device)
            if self._takes_positions:
                given["position_ids"] = torch.tensor(batch.positions, device=self.device)
        return given

    def next_column(self, tokens: Any, mask: Any) -> dict[str, Any]:
        """The arguments for one more token per row; ``mask`` covers all columns, the new one included."""
        given: dict[str, Any] = {"input_ids": tokens[:, None], "attention_mask": mask}
        if self._takes_positions:
            given["position_ids"] = mask.sum(dim=1, keepdim=True) - 1
        return given

    @property
    def takes_positions(self) -> bool:
        """Whether it is told where a token stands, so that rows can stand one after another."""
        return self._takes_positions

    def forward(self, given: dict[str, Any], *, keep: Any, **more: Any) -> Any:
        """Output of the model with the logits of the last ``keep`` columns, or of those in a tensor."""
        if self._keeps_logits:
            return self.model(**given, logits_to_keep=keep, **more)
        output = self.model(**given, **more)
        output.logits = output.logits[:, -keep:] if isinstance(keep, int) else output.logits[:, keep]
        return output

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Draw from a stream of its own, wherever the global one stood."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield

    def checkpoint_activations(self, *, wanted: bool) -> None:
        """Turn gradient checkpointing on or off."""
        if wanted == self._checkpoints_activations:
            return
        if wanted:
            self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        else:
            self.model.gradient_checkpointing_disable()
        self._checkpoints_activations = wanted
