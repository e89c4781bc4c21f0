"""The backend ``tinker`` of experiments: checks key, address, SDK and base model, and opens the session.

Keys are read here and not when the options are decoded, so that a file can be checked on a machine without
them; still whatever is wrong ends the run before anything is spent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from ....actors.ports import Capabilities
from ....messages.errors import InputError, Problem
from ....messages.records import Usage
from ....messages.requests import BackendRequest
from ..openai.secret import Secret, resolve
from .accounts import sampling_cost
from .options import TinkerOptions, check_url

if TYPE_CHECKING:
    from .session import TinkerSession

__all__ = ["TinkerBackend"]

SPECIAL_TOKENS = 8


class TinkerBackend:
    """LoRA on the Tinker service."""

    Options: ClassVar[type[msgspec.Struct]] = TinkerOptions

    @property
    def capabilities(self) -> Capabilities:
        """Trainable; whether it repeats itself is up to the service."""
        return Capabilities(
            trainable=True,
            summary="LoRA training and sampling on the Tinker service (extra `tinker`).",
        )

    def missing(self, options: TinkerOptions) -> Sequence[Problem]:
        """A key or an address in the environment that is none, an SDK or a loss term that is missing."""
        from .regularisers import find_term
        from .sdk import check_sdk

        problems = []
        checks = (("api_key", read_key), ("base_url", check_address), ("base_model", lambda _: check_sdk()))
        for path, check in checks:
            try:
                check(options)
            except InputError as error:
                problems.append(Problem(path, str(error)))
        for number, each in enumerate(options.regularisers):
            try:
                find_term(each.term)
            except InputError as error:
                problems.append(Problem(f"regularisers[{number}].term", str(error)))
        return problems

    def most_usd(self, options: TinkerOptions, request: BackendRequest) -> float | None:
        """The most that one answer can cost: a prompt has no more tokens than bytes and a few."""
        text = (request.prompt.system or "") + request.prompt.text
        most = Usage(
            prompt_tokens=len(text.encode("utf-8", "surrogatepass")) + SPECIAL_TOKENS,
            completion_tokens=request.params.n * request.params.max_tokens,
        )
        return sampling_cost(most, options.prices)

    async def open(self, options: TinkerOptions, *, seed: int, workdir: Path) -> TinkerSession:
        """Start a session; raises InputError for what cannot work."""
        for problem in self.missing(options):
            raise InputError(f"backend tinker: {problem}")
        key = read_key(options)
        from .sdk import load_sdk, set_telemetry
        from .service import Service
        from .session import TinkerSession

        set_telemetry(wanted=options.telemetry)
        service = Service(await asyncio.to_thread(load_sdk), options, key, seed=seed)
        try:
            context = await service.check_model()
        except BaseException:
            await service.aclose("errored", 0.5)
            raise
        return TinkerSession(options, service, workdir, context)


def read_key(options: TinkerOptions) -> Secret:
    """The key; InputError names the variable when it is missing or no key, and never shows its value."""
    key = resolve(options.api_key)
    if not key.reveal().startswith(("tml-", "eyJ")):
        raise InputError(f"{options.api_key} holds no key of the service: expected it to begin with tml-")
    return key


def check_address(options: TinkerOptions) -> None:
    """Refuse an address in the environment that is none."""
    given = os.environ.get("TINKER_BASE_URL")
    if options.base_url is None and given:
        try:
            check_url(given)
        except ValueError as error:
            raise InputError(str(error).replace("base_url", "TINKER_BASE_URL", 1)) from None
