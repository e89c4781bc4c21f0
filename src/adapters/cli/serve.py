"""``crucible serve``: the daemon, until somebody ends it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from .interrupts import Threads, leave
from .pipes import quiet_pipe

if TYPE_CHECKING:
    from ...messages.settings import Settings

__all__ = ["serve"]

NEEDED = ("cronsim", "litestar", "prometheus_client", "uvicorn")


def serve(
    *,
    config: Path | None = None,
    data: Path | None = None,
    log_format: Literal["auto", "json", "text"] | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
) -> int:
    """Work through the queue of experiments, and answer on the API, until SIGTERM or Ctrl-C.

    Args:
        config: Settings file; config/crucible.toml names every setting. Default: the defaults.
        data: Folder of the queue, the runs and the token; default: CRUCIBLE_DATA, else that of the settings.
        log_format: text for people, json for programs, auto: text on a terminal; default: log.format.
        set_: Override a setting, for example --set api.port=8766; may be repeated.
    """
    _need_the_extra()
    from ...adapters.service.data_folder import DataFolder
    from ...adapters.service.logs import configure, known_secrets
    from ...client.address import Address
    from ...messages.settings_file import environment_overrides, load_settings
    from ...serving import serve as serve_until_signal

    def read() -> Settings:
        said = {"data": None if data is None else str(data), "log.format": log_format}
        flags = [f"{name}={json.dumps(value)}" for name, value in said.items() if value is not None]
        return load_settings(config, [*environment_overrides(), *(set_ or ()), *flags])

    os.umask(0o077)
    settings = read()
    with DataFolder(Path(settings.data).expanduser()) as folder:
        token = folder.token(settings.api.token_file)
        configure(settings.log, known_secrets(None, token))

        def announce(url: str) -> None:
            with quiet_pipe(sys.stdout):
                print(f"crucible serves {url} (data in {folder.path}, process {os.getpid()})", flush=True)
                if sys.stdout.isatty():  # it holds the token: for the operator's eyes, not for a log
                    print(f"the page: {Address(url, token).page}", flush=True)

        async def main() -> int:
            threads = Threads(thread_name_prefix="crucible")
            asyncio.get_running_loop().set_default_executor(threads)
            try:
                return await serve_until_signal(settings, folder, reload=read, announce=announce, leave=leave)
            finally:
                threads.given_up = True  # what still computes is of runs that were handed back

        code = asyncio.run(main())
    leave(code)
    return code


def _need_the_extra() -> None:
    """Say in one line what is not installed."""
    from importlib.util import find_spec

    from ...messages.errors import InputError

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise InputError(
            f"crucible serve needs {names} (not installed): pip install 'crucible-framework[daemon]'"
        )
