"""Checkpoints as the service keeps them: list, look at, download, delete. For ``crucible checkpoints``.

A download asks the service for a form that leaves it (``external weights``: the SDK gives no other way out),
and writes file by file in pieces, so that memory stays flat; a file has its name only when it is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Self

import httpx

from ....messages.errors import BackendError, CrucibleError, InputError, OutputError
from .backend import check_address, read_key
from .faults import as_error, read_fault
from .options import TinkerOptions
from .sdk import in_thread, load_sdk, rest_of, set_telemetry, within
from .service import CLOSE_S, Service

__all__ = ["Storage", "parse_path"]

PAGE = 100
PIECE = 1 << 18
KINDS = ("weights", "sampler_weights", "external_weights")


def parse_path(path: str) -> tuple[str, str, str]:
    """Training run, kind and name of a tinker:// path; InputError for anything else."""
    parts = path.removeprefix("tinker://").split("/")
    if not path.startswith("tinker://") or len(parts) != 3 or parts[1] not in KINDS or not all(parts):
        raise InputError(
            f"{path!r}: expected tinker://RUN/weights/NAME (or sampler_weights, external_weights)"
        )
    return parts[0], parts[1], parts[2]


class Storage:
    """The checkpoints of one account."""

    def __init__(self, options: TinkerOptions) -> None:
        """Raises InputError for a key or SDK that is missing."""
        self._key = read_key(options)
        check_address(options)
        set_telemetry(wanted=options.telemetry)
        self._options = options
        self._address = options.base_url or os.environ.get("TINKER_BASE_URL") or None
        self._client: Any = None
        self._rest: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connections."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                await within(self._client.close("success"), CLOSE_S)

    async def all(self) -> list[Any]:
        """Every checkpoint of the account, as the SDK gives them."""
        found: list[Any] = []
        while True:
            page = await self._call(partial(_page, offset=len(found)))
            found += page.checkpoints
            total = page.cursor.total_count if page.cursor is not None else len(found)
            if not page.checkpoints or len(found) >= total:
                return found

    async def info(self, path: str) -> Any:
        """Base model, rank and what is trained."""
        parse_path(path)
        return await self._call(lambda rest: rest.get_weights_info_by_tinker_path(path))

    async def delete(self, path: str) -> None:
        """Delete one for good."""
        parse_path(path)
        await self._call(lambda rest: rest.delete_checkpoint_from_tinker_path(path))

    async def download(self, path: str, folder: Path, progress: Callable[[str, int], None]) -> list[Path]:
        """Write the files of a checkpoint below ``folder``; calls ``progress`` with file and bytes so far."""
        kind = parse_path(path)[1]
        if kind == "sampler_weights":
            raise InputError(f"{path}: sampler weights cannot be downloaded: expected a path with /weights/")
        outside = path if kind == "external_weights" else await self._external(path)
        urls = await self._call(lambda rest: rest.get_external_weights_urls(outside))
        targets = {name: _inside(folder, name) for name in sorted(urls.urls)}
        async with httpx.AsyncClient(timeout=60.0, follow_redirects=False) as client:
            for name, target in targets.items():
                await _fetch(client, urls.urls[name], target, partial(progress, name))
        return list(targets.values())

    async def _external(self, path: str) -> str:
        """The path of a form that may leave the service, made from a saved state."""
        info = await self.info(path)
        options = TinkerOptions(
            base_model=info.base_model, api_key=self._options.api_key, base_url=self._options.base_url
        )
        service = Service(await asyncio.to_thread(load_sdk), options, self._key, seed=0)
        try:
            client = await service.training(path)
            name = f"download-{parse_path(path)[2]}"
            saved = await within(client.save_weights_external(name), options.answer_timeout_s)
            return str(saved.path)
        except Exception as error:
            raise self._error(error) from error
        finally:
            await service.aclose("success")

    async def _call(self, ask: Callable[[Any], Any]) -> Any:
        try:
            if self._rest is None:
                sdk = await asyncio.to_thread(load_sdk)
                self._client = sdk.ServiceClient(base_url=self._address, api_key=self._key.reveal())
                self._rest = await in_thread(lambda: rest_of(self._client), self._options.connect_timeout_s)
            return await within(ask(self._rest), self._options.connect_timeout_s)
        except Exception as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> CrucibleError:
        if isinstance(error, CrucibleError):
            return error
        return as_error(read_fault(error, (self._key,)))


def _page(rest: Any, *, offset: int) -> Any:
    return rest.list_user_checkpoints(limit=PAGE, offset=offset)


def _inside(folder: Path, name: str) -> Path:
    """Where a file of that name goes; refuses names that lead elsewhere."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise BackendError(f"tinker: the service names a file {name!r}: expected a path below the checkpoint")
    return folder.joinpath(*parts)


async def _fetch(client: httpx.AsyncClient, url: str, target: Path, progress: Callable[[int], None]) -> None:
    unfinished = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            done = 0
            async with client.stream("GET", url) as reply:
                if reply.status_code != httpx.codes.OK:
                    raise BackendError(f"tinker: {target.name}: the download answers {reply.status_code}")
                async for piece in reply.aiter_bytes(PIECE):
                    await asyncio.to_thread(file.write, piece)
                    done += len(piece)
                    progress(done)
            await asyncio.to_thread(_sync, file)
        unfinished.replace(target)
    except httpx.HTTPError as error:
        text = type(error).__name__  # its text may hold the signed address
        raise BackendError(f"tinker: {target.name}: the download broke off ({text})") from None
    except OSError as error:
        raise OutputError(f"{target}: cannot write: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
