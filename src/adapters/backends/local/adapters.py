"""The LoRA adapters in one base model: several stand in it side by side, one is active at a time.

Runs in the worker. Names are made here; peft keeps the matrices inside the layers of the base model.
"""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import peft
import safetensors
import safetensors.torch
import torch

from ....messages.errors import BackendError, OptionError
from .base import BaseModel, one_line
from .folder import ADAPTER, CONFIG
from .protocol import LoraSettings

__all__ = ["Adapters", "resolve_targets"]


def resolve_targets(patterns: Sequence[str], linear: Sequence[str]) -> tuple[str, ...]:
    """The names that peft is given: last parts of module names, or whole names for patterns with a dot.

    Raises OptionError for a pattern that matches none of the ``linear`` layers, naming what there is.
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        parts = {name.rpartition(".")[2] if "." not in pattern else name: name for name in linear}
        found = [part for part in parts if _matches(part, pattern)]
        if not found:
            there = sorted({name.rpartition(".")[2] for name in linear})
            raise OptionError(
                f"backend.options.target_modules: {pattern!r} matches no linear layer; there are: "
                f"{', '.join(there)}"
            )
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"*.{pattern}")


class Adapters:
    """Makes, activates, copies and drops adapters."""

    def __init__(self, base: BaseModel) -> None:
        self._base = base
        self._linear = _linear_layers(base.model)
        self._peft: Any = None
        self._numbers = itertools.count(1)
        self._active: tuple[str | None, bool] | None = None
        self._spare: list[str] = []

    def fresh(self, lora: LoraSettings) -> str:
        """A new adapter; it changes nothing until it is trained."""
        config = peft.LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(resolve_targets(lora.target_modules, self._linear)),
            task_type="CAUSAL_LM",
            base_model_name_or_path=self._base.name,
        )
        with self._base.seeded(lora.seed):
            return self._add(config)

    def from_files(self, path: Path, config: bytes, weights: bytes) -> str:
        """The adapter in peft's form. Raises BackendError when it does not fit this base model."""
        shape, tensors = _config(path, config), _tensors(path / ADAPTER, weights)
        name = self._add(shape)
        try:
            self.set_weights(name, tensors)
        except BackendError as error:
            self.drop(name)
            raise BackendError(f"{path}: {error}") from error
        return name

    def from_folder(self, folder: str) -> str:
        """As ``from_files``, from a folder that any peft program may have written."""
        path = Path(folder)
        try:
            config, weights = (path / CONFIG).read_bytes(), (path / ADAPTER).read_bytes()
        except OSError as error:
            raise OptionError(
                f"backend.options.adapter: cannot read {error.filename}: {error.strerror}"
            ) from error
        return self.from_files(path, config, weights)

    def copy(self, name: str) -> str:
        """Another adapter with the same weights."""
        config = peft.LoraConfig.from_peft_type(**self._peft.peft_config[name].to_dict())
        copied = self._add(config)
        self.set_weights(copied, self.weights(name))
        return copied

    def drop(self, name: str) -> None:
        """Forget one. The last of all stays, since peft cannot be without."""
        if len(self._peft.peft_config) > 1:
            self._peft.delete_adapter(name)
        self._active = None

    def use(self, name: str | None, *, train: bool = False) -> None:
        """Make it the active one; None: the base model as it is."""
        if self._active == (name, train):
            return
        if self._peft is not None:
            if name is None:
                self._peft.base_model.disable_adapter_layers()
            else:
                self._peft.base_model.enable_adapter_layers()
                self._peft.set_adapter(name)
        self._base.model.train(train)
        self._active = (name, train)

    def parameters(self, name: str) -> dict[str, Any]:
        """Its parameters by name, in a fixed order."""
        self.use(name)
        return {
            plain.replace(f".{name}.", "."): parameter
            for plain, parameter in self._base.model.named_parameters()
            if parameter.requires_grad
        }

    def weights(self, name: str) -> dict[str, Any]:
        """Copies of its weights under peft's names."""
        state = peft.get_peft_model_state_dict(self._peft, adapter_name=name, save_embedding_layers=False)
        return {key: value.detach().to("cpu").clone().contiguous() for key, value in state.items()}

    def set_weights(self, name: str, tensors: dict[str, Any]) -> None:
        """Put weights in place. Raises BackendError when shapes or names differ."""
        mine = self.weights(name)
        if mine.keys() != tensors.keys():
            odd = min(mine.keys() ^ tensors.keys())
            raise BackendError(
                f"the adapter belongs to another base model: {odd!r} is in one of the two only"
            )
        for key, value in tensors.items():
            if mine[key].shape != value.shape:
                raise BackendError(
                    f"the adapter belongs to another base model: {key!r} has shape {tuple(value.shape)}, "
                    f"expected {tuple(mine[key].shape)}"
                )
        peft.set_peft_model_state_dict(self._peft, tensors, adapter_name=name)

    def files(self, name: str) -> dict[str, bytes]:
        """The adapter as peft writes it."""
        config = self._peft.peft_config[name].to_dict() | {"inference_mode": True}
        plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
        return {
            CONFIG: msgspec.json.format(msgspec.json.encode(plain, enc_hook=_plain), indent=2),
            ADAPTER: safetensors.torch.save(self.weights(name), metadata={"format": "pt"}),
        }

    def targets(self, name: str) -> tuple[str, ...]:
        """The names that peft was given for it."""
        return tuple(sorted(self._peft.peft_config[name].target_modules))

    def shape(self, name: str) -> tuple[int, float]:
        """Its rank and alpha."""
        config = self._peft.peft_config[name]
        return config.r, float(config.lora_alpha)

    def _add(self, config: Any) -> str:
        name = f"a{next(self._numbers)}"
        try:
            if self._peft is None:
                self._peft = peft.get_peft_model(self._base.model, config, adapter_name=name)
            else:
                self._peft.add_adapter(name, config)
        except (ValueError, TypeError, RuntimeError) as error:
            raise BackendError(
                f"peft cannot put the adapter into {self._base.name!r}: {one_line(error)}"
            ) from error
        self._active = None
        return name


def _linear_layers(model: Any) -> tuple[str, ...]:
    """Names of the layers that LoRA can go into, the output layer left out."""
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    kinds = (torch.nn.Linear, Conv1D)
    return tuple(
        name for name, module in model.named_modules() if isinstance(module, kinds) and module is not output
    )


def _config(path: Path, data: bytes) -> Any:
    try:
        settings = msgspec.json.decode(data, type=dict[str, Any])
        if settings.get("peft_type") != "LORA":
            raise ValueError(f"peft_type is {settings.get('peft_type')!r}, expected 'LORA'")
        return peft.LoraConfig.from_peft_type(**{**settings, "inference_mode": False})
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
        raise BackendError(
            f"{path / CONFIG}: not the configuration of a LoRA adapter: {one_line(error)}"
        ) from error


def _tensors(path: Path, data: bytes) -> dict[str, Any]:
    try:
        return dict(safetensors.torch.load(data))
    except (safetensors.SafetensorError, ValueError) as error:
        raise BackendError(f"{path}: the file is corrupt: {one_line(error)}") from error


def _plain(value: Any) -> Any:
    return value.value if hasattr(value, "value") else str(value)
