"""A model being trained on the service: the ports Session and QueuedSession over a journal of requests."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ....messages.errors import BackendError
from ....messages.records import CheckpointRef, Example, TrainStep
from ..checkpoints import check_name
from .accounts import Accounts
from .batches import Batch, Passed, encode, regularised
from .datums import Datum, LongRows
from .faults import as_error
from .journal import Journal, Request
from .manifest import Manifest, read_manifest, write_manifest
from .options import TinkerOptions
from .reference import ROOM, Reference
from .regularisers import Array, find_term, needs_reference
from .sampler import TinkerSampler
from .service import Service
from .tokens import Tokens, load_folder, of_service

__all__ = ["TinkerSession"]


RECOVERY_TTL_S = 7 * 24 * 3600
"""How long the service keeps a state that only recovery within this run may go back to."""


class _Pending:
    """A step on its way."""

    def __init__(self, session: TinkerSession, passed: Passed | None, optimised: Request | None) -> None:
        self._session, self._passed, self._optimised = session, passed, optimised

    async def result(self) -> TrainStep:
        """Its loss, once the optimiser has stepped too."""
        step = await self._session.loss(self._passed)
        await self._session.settle(self._optimised)
        return step


class TinkerSession:
    """One owner, one call at a time."""

    def __init__(self, options: TinkerOptions, service: Service, workdir: Path, context: int | None) -> None:
        self._options, self._service, self._workdir = options, service, workdir
        lengths = [length for length in (options.max_length, context) if length is not None]
        self._limit = min(lengths, default=None)
        self._refers = any(needs_reference(find_term(each.term)) for each in options.regularisers)
        if self._refers and context is not None and self._limit is not None:
            self._limit = min(self._limit, context - ROOM)
        self._reference: Reference | None = None
        self._journal = Journal(
            service,
            timeout_s=options.answer_timeout_s,
            attempts=options.recovery_attempts,
            backoff_s=options.recovery_backoff_s,
        )
        self._journal.on_repeat = self._count_repeat
        self._tokens: Tokens | None = None
        self._accounts, self._long_rows = Accounts(), LongRows()
        self._gathered = self._trained = self._failed = False
        self._steps = self._saved = 0
        self._loss_sum: float | None = None
        self._tag = secrets.token_hex(4)
        """Part of all names at the service, so that a later process never meets an earlier one's."""

    @property
    def ahead(self) -> int:
        """Steps on their way besides the one that is waited for."""
        return self._options.submit_ahead

    @property
    def notice(self) -> str:
        """What the service says about why it waits."""
        return self._service.notices.text

    # training

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        """Forward and backward; raises InputError for a row that cannot teach."""
        request = await self._forward(batch, backward=True)
        return await self.loss(request)

    async def optim_step(self, learning_rate: float) -> None:
        """Apply the gathered gradients; raises BackendError when there are none."""
        await self.settle(await self._optimise(learning_rate))

    async def submit_step(self, batch: Sequence[Example], learning_rate: float) -> _Pending:
        """Both, without waiting for either."""
        if self._journal.unsaved() >= 2 * self._options.recovery_every:
            remote = self._remote(f"recovery-{self._steps}")
            await self._journal.add(self._save_state(remote, at_most_s=RECOVERY_TTL_S))
        passed = await self._forward(batch, backward=True)
        return _Pending(self, passed, await self._optimise(learning_rate))

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        """Loss without gradients."""
        return await self.loss(await self._forward(batch, backward=False))

    async def _forward(self, batch: Sequence[Example], *, backward: bool) -> Passed | None:
        """On its way; None when no row is left to send."""
        made = await self._make(batch)
        if not made.data:
            return None
        if backward and self._options.regularisers:
            made = await self._regularised(made)
        request = Passed(made, backward=backward)
        await self._add(request)
        self._gathered = self._gathered or backward
        if backward:
            self._accounts.train_tokens += made.tokens
        else:
            self._accounts.held_out_tokens += made.tokens
        return request

    async def _optimise(self, learning_rate: float) -> Request | None:
        if not self._gathered:
            if self._long_rows.skipped:  # the whole batch was left out
                return None
            raise BackendError("tinker: optim_step without train_step")
        options = self._options
        params = self._service.sdk.types.AdamParams(
            learning_rate=learning_rate,
            beta1=options.beta1,
            beta2=options.beta2,
            eps=options.eps,
            weight_decay=options.weight_decay,
            grad_clip_norm=options.grad_clip_norm,
        )
        request = Request(lambda client: client.optim_step(params), changes=True)
        await self._add(request)
        self._gathered, self._trained = False, True
        self._steps += 1
        return request

    async def loss(self, request: Passed | None) -> TrainStep:
        """Of a pass on its way."""
        if request is None:
            return TrainStep(loss_sum=0.0, weight_sum=0.0)
        step = request.step(await self.settle(request))
        if request.changes:
            self._loss_sum = step.loss_sum
        return step

    async def _regularised(self, batch: Batch) -> Batch:
        """With the weights of a loss of several terms, which needs the log-probabilities of now."""
        measured = Passed(batch, backward=False)
        await self._add(measured)
        references = await self._references(batch.datums) if self._refers else None
        output = await self.settle(measured)
        self._accounts.regulariser_tokens += batch.tokens
        try:
            return await asyncio.to_thread(
                regularised, batch, self._options, output, references, self._service.sdk.types
            )
        except Exception:
            self._failed = True
            raise

    async def _references(self, datums: Sequence[Datum]) -> list[Array]:
        options = self._options
        if self._reference is None:
            sampler = TinkerSampler(
                options, self._service, await self._tokenizer(), options.reference_path, self._limit
            )
            self._reference = Reference(sampler, options.recovery_attempts, options.recovery_backoff_s)
        before = self._reference.tokens
        found: list[Array] = await self._guarded(self._reference.of(datums))
        self._accounts.regulariser_tokens += self._reference.tokens - before
        return found

    async def _make(self, batch: Sequence[Example]) -> Batch:
        tokens = await self._tokenizer()
        return await asyncio.to_thread(
            encode, batch, tokens, self._options, self._limit, self._long_rows, self._service.sdk.types
        )

    async def _tokenizer(self, *, trains: bool = True) -> Tokens:
        """Of the folder, or of a client; no training client is made where nothing is trained."""
        if self._tokens is None:
            given, end = self._options.tokenizer, self._options.end_of_text
            if given is not None:
                self._tokens = await asyncio.to_thread(load_folder, given, end)
            elif trains:
                client = await self._guarded(self._journal.client())
                self._tokens = await asyncio.to_thread(of_service, client, end)
            else:
                try:
                    client = await self._service.sampling(self._options.model_path)
                except Exception as error:
                    raise as_error(self._service.fault(error)) from error
                self._tokens = await asyncio.to_thread(of_service, client, end)
        return self._tokens

    # checkpoints

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        """Save state and sampler weights with the service, and the file that names them."""
        check_name(name)  # before anything is saved far away
        remote = self._remote(name)
        state, sampler = self._save_state(remote), self._save_sampler(remote)
        await self._add(state)
        await self._add(sampler)
        paths = [(await self.settle(request)).path for request in (state, sampler)]
        manifest = Manifest(
            format="crucible-tinker-1",
            base_model=self._options.base_model,
            lora_rank=self._options.lora_rank,
            state_path=paths[0],
            sampler_path=paths[1],
        )
        return await asyncio.to_thread(
            partial(write_manifest, self._workdir, name, manifest, step=step, epoch=epoch, loss=loss)
        )

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        """Go on from a saved state with its optimiser, in a new training run of the service."""
        manifest = await asyncio.to_thread(read_manifest, self._workdir, ref, self._options)
        self._gathered, self._trained = False, True
        await self._guarded(self._journal.restart(manifest.state_path))

    def _save_state(self, remote: str, at_most_s: int | None = None) -> Request:
        """``at_most_s``: the service need not keep it for longer."""
        times = [at_most_s, self._ttl()]
        ttl = min((time for time in times if time is not None), default=None)
        return Request(
            lambda client: client.save_state(remote, ttl_seconds=ttl, overwrite=True),
            changes=False,
            saves=True,
        )

    def _save_sampler(self, remote: str) -> Request:
        """To be settled before anything else is sent.

        The SDK numbers this request only when its own loop comes to it, so what is sent right after may
        overtake it.
        """
        ttl = self._ttl()
        return Request(lambda client: client.save_weights_for_sampler(remote, ttl_seconds=ttl), changes=False)

    def _remote(self, name: str) -> str:
        self._saved += 1
        return f"{name}-{self._tag}-{self._saved}"

    def _ttl(self) -> int | None:
        hours = self._options.checkpoint_ttl_hours
        return None if hours is None else hours * 3600

    # asking

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> TinkerSampler:
        """A sampler of the checkpoint, of the weights of now, or of the base model when none was trained."""
        tokens = await self._tokenizer(trains=False)
        path = self._options.model_path
        if checkpoint is not None:
            path = (
                await asyncio.to_thread(read_manifest, self._workdir, checkpoint, self._options)
            ).sampler_path
        elif self._trained:
            saving = self._save_sampler(self._remote("now"))
            await self._add(saving)
            path = (await self.settle(saving)).path
        sampler = TinkerSampler(self._options, self._service, tokens, path, self._limit)
        await sampler.prepare()
        return sampler

    # the end

    def figures(self) -> dict[str, Any]:
        """Tokens, cost and faults so far."""
        figures = self._accounts.figures(self._options.prices)
        figures["last_loss_sum"] = self._loss_sum
        figures["rows_truncated"] = self._long_rows.truncated
        figures["rows_skipped"] = self._long_rows.skipped
        figures["recoveries"] = self._journal.rebuilt
        if self._journal.rebuilt:
            figures["last_fault"] = self._journal.last_fault
        return figures

    async def aclose(self) -> None:
        """Give up what is on its way and end the session of the service. Idempotent."""
        interrupted = self._journal.busy
        self._journal.abandon()
        await self._service.aclose("errored" if self._failed else "interrupted" if interrupted else "success")

    async def _add(self, request: Request) -> None:
        await self._guarded(self._journal.add(request))

    async def settle(self, request: Request | None) -> Any:
        """The result of a request on its way."""
        return None if request is None else await self._guarded(self._journal.settle(request))

    async def _guarded(self, work: Any) -> Any:
        try:
            return await work
        except Exception:
            self._failed = True
            raise

    def _count_repeat(self, request: Request) -> None:
        if isinstance(request, Passed):
            self._accounts.train_tokens += request.batch.tokens
            self._accounts.repeated_tokens += request.batch.tokens
