"""Training and asking a local model: the engine's side, which only sends calls to the worker process.

One owner calls a session, one call at a time. Cancelling a call gives it up between two passes or tokens.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from ....messages.errors import BackendError, InputError
from ....messages.records import CheckpointRef, Example, TrainStep
from ..checkpoints import check_name
from .options import LocalOptions
from .process import Ticket, Worker, lease, release
from .protocol import (
    AdapterFacts,
    CloseSession,
    Done,
    Load,
    Loaded,
    LoraSettings,
    OpenSampler,
    OpenSession,
    Operation,
    Pass,
    Passed,
    Restore,
    Row,
    Save,
    Saved,
    Step,
    Stepped,
)
from .sampler import LocalSampler

__all__ = ["LocalSession"]

R = TypeVar("R")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class SubmittedStep:
    """A training step that is on its way."""

    session: LocalSession
    passed: Ticket
    stepped: Ticket

    async def result(self) -> TrainStep:
        """Its loss, once it is applied."""
        return await self.session.finish_step(self.passed, self.stepped)


class LocalSession:
    """An adapter being trained, and the samplers made of it. Open it with ``LocalSession.open``."""

    def __init__(self, options: LocalOptions, load: Load, worker: Worker, workdir: Path) -> None:
        self._options = options
        self._load = load
        self._worker = worker
        self._workdir = workdir
        self._name = f"session-{next(_numbers)}"
        self._loaded: Loaded | None = None
        self._adapter: AdapterFacts | None = None
        self._samplers: list[LocalSampler] = []
        self._too_long: dict[str, set[str]] = {"truncated": set(), "rejected": set()}
        self._tokens = self._padding = 0
        self._training_s = 0.0
        self._closed = False

    @classmethod
    async def open(cls, options: LocalOptions, *, seed: int, workdir: Path) -> LocalSession:
        """Load the base model, unless it is there, and begin a session on it."""
        load = Load(
            base_model=_local_path(options.base_model),
            revision=options.revision,
            gguf_file=options.gguf_file,
            device=options.device,
            dtype=options.dtype,
            threads=options.threads,
        )
        session = cls(options, load, lease(load), workdir)
        try:
            session._loaded = await session._worker.loaded()
            await session._call(_opening(session._name, options, seed), Done)
        except BaseException:
            await session.aclose()
            raise
        return session

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        """Gather the gradient of a batch; raises InputError for a row that cannot teach."""
        return self._trained(await self._call(self._pass(batch, train=True), Passed))

    async def optim_step(self, learning_rate: float) -> None:
        """Apply the gathered gradients; raises BackendError when there are none."""
        stepped = await self._call(Step(session=self._name, learning_rate=learning_rate), Stepped)
        self._training_s += stepped.seconds

    @property
    def ahead(self) -> int:
        """One batch waits in the worker, so that it never waits for the engine."""
        return 1

    @property
    def notice(self) -> str:
        """Nothing: the worker does nothing else."""
        return ""

    async def submit_step(self, batch: Sequence[Example], learning_rate: float) -> SubmittedStep:
        """``train_step`` and ``optim_step``, both on their way."""
        step = Step(session=self._name, learning_rate=learning_rate)
        passed = self._worker.submit(self._pass(batch, train=True))
        return SubmittedStep(self, passed, self._worker.submit(step))

    async def finish_step(self, passed: Ticket, stepped: Ticket) -> TrainStep:
        """The outcome of a step that was submitted; of one without a finite loss nothing was applied."""
        outcome = await self._worker.wait(passed)
        assert isinstance(outcome, Passed)
        if math.isfinite(outcome.loss_sum):
            applied = await self._worker.wait(stepped)
            assert isinstance(applied, Stepped)
            self._training_s += applied.seconds
        return self._trained(outcome)

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        """Loss without gradients and without dropout."""
        return self._counted(await self._call(self._pass(batch, train=False), Passed))

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        """Save adapter, optimiser and counters as a folder (not gradients that wait for a step)."""
        check_name(name)
        folder = self._workdir.absolute()
        saved = await self._call(Save(session=self._name, folder=str(folder), name=name), Saved)
        return CheckpointRef(
            name=name, uri=str(folder / name), step=step, epoch=epoch, loss=loss, sha256=saved.sha256
        )

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        """Go on exactly where it was saved; raises BackendError for one that is damaged or does not fit."""
        path = await asyncio.to_thread(self._find, ref)
        await self._call(Restore(session=self._name, path=path, sha256=ref.sha256), Done)

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> LocalSampler:
        """A sampler with a copy of the adapter of now, or of the checkpoint."""
        sampler = f"{self._name}/{len(self._samplers)}"
        path = None if checkpoint is None else await asyncio.to_thread(self._find, checkpoint)
        sha256 = None if checkpoint is None else checkpoint.sha256
        await self._call(OpenSampler(session=self._name, sampler=sampler, path=path, sha256=sha256), Done)
        made = LocalSampler(self._worker, self._options, self._name, sampler)
        self._samplers.append(made)
        return made

    async def aclose(self) -> None:
        """End the samplers; the last session of a base model ends its process."""
        if self._closed:
            return
        self._closed = True
        for sampler in self._samplers:
            sampler.close()
        # First give it back: the answer of a busy worker is not waited for.
        if not await asyncio.to_thread(release, self._load, self._worker):
            self._worker.submit(CloseSession(session=self._name))

    def figures(self) -> dict[str, Any]:
        """What ran, for the report: model, adapter, rows that were too long, and speed."""
        loaded, adapter = self._loaded, self._adapter
        if loaded is None:
            return {}
        told: dict[str, Any] = {
            "base_model": self._options.base_model,
            "device": loaded.device,
            "dtype": loaded.dtype,
            "context": loaded.context,
            "parameters": loaded.parameters,
            "versions": loaded.versions,
            "rows_truncated": len(self._too_long["truncated"]),
            "rows_rejected": len(self._too_long["rejected"]),
            "prompts_truncated": sum(sampler.truncated for sampler in self._samplers),
        }
        if adapter is not None:
            told["trained_parameters"] = adapter.parameters
            told["target_modules"] = list(adapter.target_modules)
        if self._tokens:
            told["training_tokens"] = self._tokens
            told["padding_share"] = self._padding / (self._tokens + self._padding)
            told["tokens_per_s"] = self._tokens / self._training_s if self._training_s else None
        return told

    def _pass(self, batch: Sequence[Example], *, train: bool) -> Pass:
        return Pass(session=self._name, rows=tuple(_row(example) for example in batch), train=train)

    def _trained(self, passed: Passed) -> TrainStep:
        self._tokens += passed.tokens
        self._padding += passed.padding
        self._training_s += passed.seconds
        return self._counted(passed)

    def _counted(self, passed: Passed) -> TrainStep:
        self._too_long["truncated"].update(passed.truncated)
        self._too_long["rejected"].update(passed.rejected)
        self._adapter = passed.adapter
        return TrainStep(
            loss_sum=passed.loss_sum, weight_sum=passed.weight_sum, unit="token", examples=passed.examples
        )

    async def _call(self, operation: Operation, kind: type[R]) -> R:
        if self._closed:
            raise BackendError("local: the session is closed")
        result = await self._worker.call(operation)
        assert isinstance(result, kind)
        return result

    def _find(self, ref: CheckpointRef) -> str:
        """A run folder that was moved is found below the session's folder by name. Blocking."""
        path = Path(ref.uri)
        if not path.is_dir():
            path = self._workdir.absolute() / path.name
        return str(path)


def _row(example: Example) -> Row:
    if example.reference is None:
        raise InputError(f"example {example.id!r}: reference: training needs one")
    return Row(id=example.id, prompt=example.input, completion=example.reference)


def _local_path(base_model: str) -> str:
    """An absolute path for a folder that is there: the same folder is then the same base model."""
    path = Path(base_model)
    return str(path.absolute()) if path.is_dir() else base_model


def _opening(name: str, options: LocalOptions, seed: int) -> OpenSession:
    adapter = None if options.adapter is None else str(Path(options.adapter).absolute())
    return OpenSession(session=name, lora=_lora(options, seed), adapter=adapter)


def _lora(options: LocalOptions, seed: int) -> LoraSettings:
    too_long: Literal["reject", "truncate"] = options.too_long
    return LoraSettings(
        rank=options.lora_rank,
        alpha=options.lora_alpha,
        dropout=options.lora_dropout,
        target_modules=options.target_modules,
        seed=seed if options.seed is None else options.seed,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        micro_batch_size=options.micro_batch_size,
        pack_length=options.pack_length,
        gradient_checkpointing=options.gradient_checkpointing,
        max_length=options.max_length,
        too_long=too_long,
        c1_weight=options.c1_weight,
        evidence_weight=options.evidence_weight,
        chat=options.chat,
        eos_token=options.eos_token,
        cache_rows=options.cache_rows,
    )
