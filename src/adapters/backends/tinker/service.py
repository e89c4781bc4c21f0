"""The service as a session of ours uses it: one SDK session at a time, made anew when it is lost.

Every call has a deadline, and none blocks the event loop. Failures come out as the SDK raised them; who
calls decides by ``faults`` what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any, Literal

from ....messages.errors import InputError, near_match
from ..openai.secret import Secret
from .faults import Fault, Kind, as_error, read_fault
from .options import TinkerOptions
from .sdk import Notices, in_thread, rest_of, within

__all__ = ["CLOSE_S", "Service"]

CLOSE_S = 10.0
Status = Literal["success", "errored", "interrupted"]


class Service:
    """Makes training and sampling clients."""

    def __init__(self, sdk: Any, options: TinkerOptions, key: Secret, *, seed: int) -> None:
        self.sdk, self.key, self.notices = sdk, key, Notices()
        self._options, self._seed = options, seed
        # Given to every client: the SDK keeps some by the address that they were given.
        self._address = options.base_url or os.environ.get("TINKER_BASE_URL") or None
        self._client: Any = None
        self.number = 0
        """Of the session of now."""
        self._asked = False
        self._lost: list[Any] = []
        self._lock = asyncio.Lock()

    def fault(self, error: BaseException) -> Fault:
        """What an exception of the SDK means, in one line without the key."""
        return read_fault(error, (self.key,), self.notices.text)

    async def check_model(self) -> int | None:
        """The context length of the base model, if the service tells.

        Raises InputError for a model that it does not have, a key that it refuses, or no answer.
        """
        options = self._options

        client = await self._session()
        try:
            rest = await self._blocking(lambda: rest_of(client))
            found = await within(rest.get_server_capabilities(), options.connect_timeout_s)
        except Exception as error:
            fault = self.fault(error)
            if fault.kind is Kind.DENIED:
                raise InputError(
                    f"backend tinker: api_key: the service refuses {options.api_key} ({fault.text})"
                ) from None
            if fault.kind is Kind.SLOW:
                raise InputError(
                    f"backend tinker: the service does not answer within {options.connect_timeout_s:g} s: "
                    "check TINKER_BASE_URL or backend.options.base_url"
                ) from None
            raise as_error(fault) from error
        known = {model.model_name: model for model in found.supported_models if model.model_name}
        if known and options.base_model not in known:
            near = near_match(options.base_model, known)
            hint = f"did you mean {near!r}?" if near else f"expected one of: {', '.join(sorted(known))}"
            raise InputError(f"backend.options.base_model: the service has no {options.base_model!r}; {hint}")
        length = getattr(known.get(options.base_model), "max_context_length", None)
        return length if isinstance(length, int) else None

    async def training(self, state_path: str | None) -> Any:
        """A training client: with the saved state, or fresh from the base model."""
        options = self._options
        metadata = {"made_by": "crucible"}

        def make(client: Any) -> Any:
            if state_path is not None:
                return client.create_training_client_from_state_with_optimizer(
                    state_path, user_metadata=metadata
                )
            return client.create_lora_training_client(
                options.base_model,
                rank=options.lora_rank,
                seed=self._seed if options.lora_seed is None else options.lora_seed,
                train_mlp=options.train_mlp,
                train_attn=options.train_attn,
                train_unembed=options.train_unembed,
                user_metadata=metadata,
            )

        made = await self._made(make, options.answer_timeout_s)
        if hasattr(made, "_queue_state_logger"):  # the SDK offers no other place to listen to a queue
            made._queue_state_logger = self.notices
        return made

    async def sampling(self, model_path: str | None) -> Any:
        """A sampling client of saved weights, or of the base model."""
        self._asked = True
        base_model = None if model_path is not None else self._options.base_model
        return await self._made(
            lambda client: client.create_sampling_client(model_path=model_path, base_model=base_model),
            self._options.connect_timeout_s,
        )

    async def renew(self, seen: int) -> None:
        """Leave the SDK session of this number for a new one, unless somebody has done so.

        Samplers of the old one may still be in use, so it is then kept to the end.
        """
        async with self._lock:
            if seen != self.number or self._client is None:
                return
            old, self._client = self._client, None
            self.number += 1
        if self._asked:
            self._lost.append(old)
        else:
            await self._close(old, "errored")

    async def aclose(self, status: Status, timeout_s: float = CLOSE_S) -> None:
        """End all sessions. Idempotent; takes twice ``timeout_s`` at most."""
        clients = [*self._lost, *([self._client] if self._client is not None else [])]
        self._lost, self._client = [], None
        await asyncio.gather(*(self._close(client, status, timeout_s) for client in clients))

    async def _close(self, client: Any, status: Status, timeout_s: float = CLOSE_S) -> None:
        # What cannot be told to the service any more is no loss: it ends sessions without heartbeat itself.
        # In a thread: a client that is still connecting makes ``close`` wait for that.
        with contextlib.suppress(Exception):
            await within(await in_thread(lambda: client.close(status), timeout_s), timeout_s)

    async def _made(self, make: Callable[[Any], Any], timeout_s: float) -> Any:
        client = await self._session()
        future = await self._blocking(lambda: make(client))
        return await within(future, timeout_s)

    async def _session(self) -> Any:
        async with self._lock:
            if self._client is None:  # it connects when it is first used
                self._client = self.sdk.ServiceClient(
                    base_url=self._address,
                    api_key=self.key.reveal(),
                    user_metadata={"made_by": "crucible"},
                )
            return self._client

    async def _blocking(self, call: Callable[[], Any]) -> Any:
        return await in_thread(call, self._options.connect_timeout_s)
