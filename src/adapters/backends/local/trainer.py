"""Trains one adapter. Runs in the worker.

The loss of a pass is the summed negative log-likelihood of the completion's tokens, in nats, each times its
weight, and the sum of the weights; gradients of that sum add up over passes until ``step`` divides them by
the weights. So every token counts by its weight alone, however rows are cut into passes, and the losses of
batches compare. How rows are laid out for a pass is in ``passes``.

No random state is kept: dropout is drawn from the seed and the number of the pass, so a restored session goes
on exactly as an undisturbed one.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch

from ....messages.errors import BackendError
from .adapters import Adapters
from .base import BaseModel, one_line
from .encoding import Encoded, Encoder
from .folder import ADAPTER, OPTIMISER, STATE, State, read_state, write_folder
from .passes import group, lay_out, summed_loss
from .protocol import AdapterFacts, LoraSettings, Passed, Row

__all__ = ["Trainer"]

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Trainer:
    """One adapter, its optimiser, and the gradients that wait."""

    def __init__(
        self, base: BaseModel, adapters: Adapters, lora: LoraSettings, encoder: Encoder, adapter: str
    ) -> None:
        self._base = base
        self._adapters = adapters
        self._lora = lora
        self._encoder = encoder
        self.adapter = adapter
        self._parameters = adapters.parameters(adapter)
        self._optimiser = torch.optim.AdamW(
            list(self._parameters.values()), betas=(0.9, 0.999), eps=1e-8, weight_decay=lora.weight_decay
        )
        self._steps = self._passes = 0
        self._gathered: float | None = None
        """Weight of the tokens whose gradient waits; None before the first pass after a step."""

    def run(self, rows: Sequence[Row], check: Callable[[], None], *, train: bool) -> Passed:
        """Forward over rows, and with ``train`` backward. What ``check`` raises drops waiting gradients."""
        started = time.perf_counter()
        encoded = [self._encoder.row(row) for row in rows]
        kept = [each for each in encoded if not each.rejected]
        loss_sum, padding = 0.0, 0
        weight = sum((each.weight for each in kept), 0.0)
        try:
            for piece in group(kept, self._lora.micro_batch_size, self._lora.pack_length):
                check()
                loss, hidden = self._pass(piece, train=train)
                loss_sum += loss
                padding += hidden
        except BaseException:
            self._forget()
            raise
        if train:
            self._gathered = (self._gathered or 0.0) + weight
        return Passed(
            loss_sum=loss_sum,
            weight_sum=weight,
            examples=len(kept),
            tokens=sum(len(each.tokens) for each in kept),
            padding=padding,
            seconds=time.perf_counter() - started,
            truncated=tuple(row.id for row, each in zip(rows, encoded, strict=True) if each.truncated),
            rejected=tuple(row.id for row, each in zip(rows, encoded, strict=True) if each.rejected),
            adapter=AdapterFacts(
                parameters=sum(p.numel() for p in self._parameters.values()),
                target_modules=self._adapters.targets(self.adapter),
            ),
        )

    def step(self, learning_rate: float) -> float | None:
        """Apply what waits, as the mean over its weights; the gradient's length before clipping.

        None when all rows were too long. Raises BackendError without a pass, or when the gradient is not
        finite; then nothing is applied.
        """
        if self._gathered is None:
            raise BackendError("local: optim_step without train_step")
        weight, self._gathered = self._gathered, None
        if not weight:
            return None
        gradients = [p.grad for p in self._parameters.values() if p.grad is not None]
        torch._foreach_mul_(gradients, 1.0 / weight)
        limit = self._lora.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters.values(), limit))
        if not math.isfinite(norm):
            self._forget()
            raise BackendError(f"local: the gradient's length is {norm}; try a lower learning_rate")
        for settings in self._optimiser.param_groups:
            settings["lr"] = learning_rate
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self._steps += 1
        return norm

    # checkpoints

    def save(self, folder: Path, name: str) -> str:
        """Write adapter, optimiser and counters; gradients that wait are not part of it. The state's hash."""
        files = self._adapters.files(self.adapter)
        files[OPTIMISER] = safetensors.torch.save(self._moments())
        rank, alpha = self._adapters.shape(self.adapter)
        state = State(
            base_model=self._base.name,
            fingerprint=self._base.fingerprint,
            rank=rank,
            alpha=alpha,
            target_modules=self._adapters.targets(self.adapter),
            seed=self._lora.seed,
            steps=self._steps,
            passes=self._passes,
            files={file: hashlib.sha256(data).hexdigest() for file, data in files.items()},
        )
        files[STATE] = msgspec.json.format(msgspec.json.encode(state), indent=2)
        write_folder(folder, name, files)
        return hashlib.sha256(files[STATE]).hexdigest()

    def restore(self, path: Path, sha256: str | None) -> None:
        """Go on exactly where ``save`` was called. Raises BackendError when the checkpoint does not fit."""
        state, files = read_state(path, sha256)
        check_base(path, state, self._base)
        mine = (*self._adapters.shape(self.adapter), self._adapters.targets(self.adapter))
        theirs = (state.rank, state.alpha, state.target_modules)
        if mine != theirs:
            raise BackendError(
                f"{path}: the checkpoint's lora_rank, lora_alpha and target_modules are {_listed(theirs)}; "
                f"those of this session are {_listed(mine)}"
            )
        if state.seed != self._lora.seed:
            raise BackendError(
                f"{path}: the checkpoint was trained with seed {state.seed}, not {self._lora.seed}"
            )
        try:
            moments = safetensors.torch.load(files[OPTIMISER])
            self._adapters.set_weights(self.adapter, dict(safetensors.torch.load(files[ADAPTER])))
            self._set_moments(moments)
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise BackendError(f"{path}: the checkpoint is corrupt: {one_line(error)}") from error
        self._steps, self._passes = state.steps, state.passes
        self._forget()

    def _moments(self) -> dict[str, Any]:
        states = self._optimiser.state
        return {
            f"{name}.{key}": states[parameter][key].detach().to("cpu").clone().contiguous()
            for name, parameter in self._parameters.items()
            for key in _MOMENTS
            if parameter in states
        }

    def _set_moments(self, tensors: dict[str, Any]) -> None:
        state = {}
        if tensors:
            for number, name in enumerate(self._parameters):
                state[number] = {key: tensors[f"{name}.{key}"] for key in _MOMENTS}
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})

    # passes

    def _pass(self, rows: Sequence[Encoded], *, train: bool) -> tuple[float, int]:
        """Loss and padding of rows that go through the model together."""
        self._adapters.use(self.adapter, train=train)
        self._base.checkpoint_activations(wanted=train and self._lora.gradient_checkpointing)
        layout = lay_out(self._base, rows, packed=self._lora.pack_length is not None)
        if not train:
            with torch.no_grad():
                return float(summed_loss(self._base, layout)), layout.padding
        with self._base.seeded(_mix(self._lora.seed, self._passes)):
            loss = summed_loss(self._base, layout)
            loss.backward()
        self._passes += 1
        return float(loss.detach()), layout.padding

    def _forget(self) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        self._gathered = None


def check_base(path: Path, state: State, base: BaseModel) -> None:
    """Raises BackendError for a checkpoint of another base model."""
    if state.fingerprint != base.fingerprint:
        raise BackendError(
            f"{path}: the checkpoint belongs to another base model: it was trained on {state.base_model!r}, "
            f"and {base.name!r} has other weights"
        )


def _listed(shape: tuple[int, float, tuple[str, ...]]) -> str:
    return f"{shape[0]}, {shape[1]:g} and {' '.join(shape[2])}"


def _mix(seed: int, number: int) -> int:
    digest = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
