"""The backend ``tinker`` of experiments: checks key, address, SDK and base model, and opens the session.

Keys are read here and not when the options are decoded, so that a file can be checked on a machine without
them; still whatever is wrong ends the run before anything is spent.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from ....actors.ports import Capabilities
from ....messages.errors import InputError
from ..openai.secret import Secret, resolve
from .options import TinkerOptions, check_url

if TYPE_CHECKING:
    from .session import TinkerSession

__all__ = ["TinkerBackend"]


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

    async def open(self, options: TinkerOptions, *, seed: int, workdir: Path) -> TinkerSession:
        """Start a session; raises InputError for what cannot work."""
        key = read_key(options)
        check_address(options)
        from .sdk import load_sdk, set_telemetry
        from .service import Service
        from .session import TinkerSession

        set_telemetry(wanted=options.telemetry)
        service = Service(await asyncio.to_thread(load_sdk), options, key, seed=seed)
        try:
            context = await service.check_model()
        except BaseException:
            await service.aclose("errored")
            raise
        return TinkerSession(options, service, workdir, context)


def read_key(options: TinkerOptions) -> Secret:
    """The key; InputError names the variable when it is missing or no key, and never shows its value."""
    key = resolve(options.api_key, "backend tinker: api_key")
    if not key.reveal().startswith(("tml-", "eyJ")):
        raise InputError(
            f"backend tinker: api_key: {options.api_key} holds no key of the service: "
            "expected it to begin with tml-"
        )
    return key


def check_address(options: TinkerOptions) -> None:
    """Refuse an address in the environment that is none."""
    given = os.environ.get("TINKER_BASE_URL")
    if options.base_url is None and given:
        try:
            check_url(given)
        except ValueError as error:
            raise InputError(str(error).replace("base_url", "backend tinker: TINKER_BASE_URL", 1)) from None
