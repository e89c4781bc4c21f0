"""The files of a run: a list, and each of them with ranges and an ETag.

Some of what they hold was written by a model. Text is sent as plain text, a page or a drawing in a sandbox
without scripts, all else as a download.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.params import PathParameter, QueryParameter

from ...messages.api import RunFile
from .openapi import answers
from .parameters import RunId
from .problems import MEDIA_TYPE, encode, problem
from .run_files import OpenFile, media_type_of, open_file, walk_files
from .services import Served, Services
from .streaming import Streamed

__all__ = ["HANDLERS", "send_file"]

CHUNK = 1 << 18
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
SHOWN_AS = {
    "application/json": "application/json",
    "application/x-ndjson": "text/plain; charset=utf-8",
    "text/html": "text/html; charset=utf-8",
    "image/svg+xml": "image/svg+xml",
    "image/png": "image/png",
}
_RANGE = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))")
FilePath = Annotated[str, PathParameter(max_length=1000, description="Name of the file, with slashes.")]
Download = Annotated[str | None, QueryParameter(description="Given: to be saved, not shown.")]


@get("/runs/{run_id:str}/artifacts", responses=answers({}, 404), operation_id="list_artifacts")
async def artifacts(services: Served, run_id: RunId) -> list[RunFile]:
    """The files in the folder of a run, finished or not."""
    await services.store.run(run_id)
    known = {each.name: each for each in await services.store.artifacts(run_id)}
    found = await asyncio.to_thread(walk_files, services.runs_folder / run_id)
    return [
        RunFile(
            name=name,
            media_type=media_type_of(name),
            bytes=size,
            sha256=known[name].sha256 if name in known and known[name].bytes == size else None,
        )
        for name, size in found
    ]


@get(
    "/runs/{run_id:str}/files/{name:path}",
    opt={"tickets": True},
    responses=answers({200: (bytes, "The file."), 206: (bytes, "A part of it.")}, 404, 416, media_type="*/*"),
    operation_id="get_file",
)
async def file(
    request: Request[Any, Any, Any],
    services: Served,
    run_id: RunId,
    name: FilePath,
    download: Download = None,
) -> Response[Any]:
    """A file of a run, whole or in part, unless the client has it."""
    return await send_file(request, services, run_id, name.lstrip("/"), download=download is not None)


@get(
    "/runs/{run_id:str}/trace",
    responses=answers({200: (list[dict[str, Any]], "Spans.")}, 404),
    operation_id="get_trace",
)
async def trace(request: Request[Any, Any, Any], services: Served, run_id: RunId) -> Response[Any]:
    """The trace of a run: ``trace.json``, which Perfetto opens too."""
    return await send_file(request, services, run_id, "trace.json")


async def send_file(
    request: Request[Any, Any, Any], services: Services, run_id: str, name: str, *, download: bool = False
) -> Response[Any]:
    """The answer to a request for one file of a run that the store knows."""
    await services.store.run(run_id)
    found = await asyncio.to_thread(open_file, services.runs_folder / run_id, name)
    with contextlib.ExitStack() as opened:
        opened.callback(os.close, found.descriptor)
        headers = _headers(found, download=download)
        if _has_it(request.headers.get("if-none-match"), found.etag):
            return Response(b"", status_code=304, media_type="text/plain", headers=headers)
        part = _part(request.headers.get("range"), request.headers.get("if-range"), found)
        if part is None:
            document = problem(416, f"the file has {found.size} bytes")
            refused = {"content-range": f"bytes */{found.size}"}
            return Response(encode(document), status_code=416, media_type=MEDIA_TYPE, headers=refused)
        first, length = part
        headers["content-length"] = str(length)
        if length < found.size:
            headers["content-range"] = f"bytes {first}-{first + length - 1}/{found.size}"
        return Streamed(
            lambda: _read(found.descriptor, first, length),
            close=opened.pop_all().close,
            media_type=_shown_as(name),
            headers=headers,
            status_code=206 if length < found.size else 200,
        )


def _shown_as(name: str) -> str:
    media_type = media_type_of(name)
    if media_type in SHOWN_AS:
        return SHOWN_AS[media_type]
    return "text/plain; charset=utf-8" if media_type.startswith("text/") else "application/octet-stream"


def _headers(found: OpenFile, *, download: bool) -> dict[str, str]:
    name = found.name.rpartition("/")[2]
    inline = not download and _shown_as(name) != "application/octet-stream"
    kind = "inline" if inline else "attachment"
    return {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "content-disposition": f"{kind}; filename*=UTF-8''{quote(name, safe='')}",
        "content-security-policy": SANDBOX,
        "etag": found.etag,
    }


def _has_it(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names the file as it is."""
    if header is None:
        return False
    given = [each.strip().removeprefix("W/") for each in header.split(",")]
    return etag in given or "*" in given


def _part(header: str | None, if_range: str | None, found: OpenFile) -> tuple[int, int] | None:
    """First byte and length of what is wanted; None when the file has no such bytes.

    Several ranges at once, and what is no range at all, get the whole file, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or (if_range is not None and if_range != found.etag):
        return 0, found.size
    first, last, suffix = match.groups()
    if suffix is not None:
        length = min(int(suffix), found.size)
        return (found.size - length, length) if length else None
    begin = int(first)
    end = min(int(last), found.size - 1) if last else found.size - 1
    if last and int(last) < begin:
        return 0, found.size
    return (begin, end - begin + 1) if begin < found.size else None


async def _read(descriptor: int, first: int, length: int) -> AsyncGenerator[bytes, None]:
    """The bytes of a range, in pieces. A file that has become shorter ends the answer early."""
    while length > 0:
        piece = await asyncio.to_thread(os.pread, descriptor, min(CHUNK, length), first)
        if not piece:
            raise OSError("the file has become shorter while it was sent")
        yield piece
        first += len(piece)
        length -= len(piece)


HANDLERS = [artifacts, file, trace]
