"""Does the calls of the engine, one at a time. Runs in the worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ....messages.errors import BackendError
from .adapters import Adapters
from .base import BaseModel
from .encoding import Encoder
from .folder import ADAPTER, CONFIG, read_state
from .generation import Asked, generate
from .passes import check_packing
from .protocol import (
    Answer,
    Answers,
    CloseSession,
    Done,
    Generate,
    Load,
    LoraSettings,
    OpenSampler,
    OpenSession,
    Operation,
    Pass,
    Restore,
    Result,
    Save,
    Saved,
    Step,
    Stepped,
)
from .trainer import Trainer, check_base

__all__ = ["Host"]

Check = Callable[[], None]
"""Raises when the call was given up."""


@dataclass(slots=True)
class _Session:
    lora: LoraSettings
    encoder: Encoder
    ends: frozenset[int]
    adapter: str | None
    """Its own; None until it is trained."""
    trainer: Trainer | None = None
    samplers: dict[str, str | None] = field(default_factory=dict)
    """Sampler -> its adapter; None: the base model as it is."""


class Host:
    """A base model with the sessions that use it."""

    def __init__(self, load: Load) -> None:
        self._base = BaseModel(load)
        self._adapters = Adapters(self._base)
        self._sessions: dict[str, _Session] = {}
        self.loaded = self._base.facts()

    def do(self, operation: Operation, check: Check) -> Result:
        """The result of one call; raises what went wrong."""
        match operation:
            case OpenSession():
                self._open(operation)
            case CloseSession():
                self._close(operation.session)
            case Pass():
                return self._trainer(operation.session).run(operation.rows, check, train=operation.train)
            case Step():
                started = time.perf_counter()
                norm = self._trainer(operation.session).step(operation.learning_rate)
                return Stepped(gradient_norm=norm, seconds=time.perf_counter() - started)
            case Save():
                folder = Path(operation.folder)
                return Saved(sha256=self._trainer(operation.session).save(folder, operation.name))
            case Restore():
                self._trainer(operation.session).restore(Path(operation.path), operation.sha256)
            case OpenSampler():
                self._open_sampler(operation)
            case Generate():
                return self._generate(operation, check)
            case _:
                raise BackendError(f"local: {type(operation).__name__} is no call of a loaded worker")
        return Done()

    def _open(self, operation: OpenSession) -> None:
        lora, base = operation.lora, self._base
        end = base.end_token(lora.eos_token)
        limits = [limit for limit in (lora.max_length, base.context) if limit is not None]
        if lora.chat and not base.tokenizer.chat_template:
            raise BackendError(f"backend.options.chat: the tokenizer of {base.name!r} has no chat template")
        encoder = Encoder(
            base.tokenizer,
            end=end,
            limit=min(limits, default=None),
            too_long=lora.too_long,
            chat=lora.chat,
            cache_rows=lora.cache_rows,
            c1_weight=lora.c1_weight,
            evidence_weight=lora.evidence_weight,
        )
        if lora.pack_length is not None:
            self._adapters.use(None)
            check_packing(base, lora.pack_length)
        adapter = None if operation.adapter is None else self._adapters.from_folder(operation.adapter)
        self._sessions[operation.session] = _Session(lora, encoder, base.end_tokens(end), adapter)

    def _close(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is None:
            return
        for adapter in (session.adapter, *session.samplers.values()):
            if adapter is not None:
                self._adapters.drop(adapter)

    def _trainer(self, name: str) -> Trainer:
        session = self._sessions[name]
        if session.trainer is None:
            if session.adapter is None:
                session.adapter = self._adapters.fresh(session.lora)
            session.trainer = Trainer(
                self._base, self._adapters, session.lora, session.encoder, session.adapter
            )
        return session.trainer

    def _open_sampler(self, operation: OpenSampler) -> None:
        session = self._sessions[operation.session]
        if operation.path is not None:
            path = Path(operation.path)
            state, files = read_state(path, operation.sha256)
            check_base(path, state, self._base)
            adapter: str | None = self._adapters.from_files(path, files[CONFIG], files[ADAPTER])
        elif session.adapter is None:
            adapter = None
        else:
            adapter = self._adapters.copy(session.adapter)
        session.samplers[operation.sampler] = adapter

    def _generate(self, operation: Generate, check: Check) -> Answers:
        session = self._sessions[operation.session]
        self._adapters.use(session.samplers[operation.sampler])
        answers: list[Answer | None] = []
        asked = []
        for row in operation.rows:
            try:
                asked.append(Asked(row, session.encoder.prompt(row.prompt, row.system)))
                answers.append(None)
            except ValueError as error:
                answers.append(Answer(error=str(error)))
        made = iter(generate(self._base, asked, session.ends, check) if asked else ())
        return Answers(rows=tuple(next(made) if answer is None else answer for answer in answers))
