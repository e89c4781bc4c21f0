"""A server that speaks the Tinker protocol as SDK 0.38 does, with faults on demand; a process of its own.

    python -m tests.adapters.backends.tinker.server TOKENIZER_FOLDER

The first part of the path is a tenant: each test has a service to itself at http://host:port/TENANT.
POST /TENANT/control sets what ``Tenant.control`` names; GET /TENANT/log gives the requests so far, and
GET /TENANT/wait/EVENT waits until an event has happened. It prints its port, and ends with its input.

Not here: images, custom losses, billing, sharing, the JSON wire of SDKs before 0.18.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections import defaultdict
from typing import Any

from .service import file, retrieve_future, samplers, training_runs
from .state import ENDPOINTS, PROTO, Answer, Refusal, Tenant, reply

TENANTS: dict[str, Tenant] = defaultdict(Tenant)
REASONS = {200: "OK", 204: "No Content"}


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            pairs = (line.split(":", 1) for line in head[1:] if line)
            headers = {name.lower(): value.strip() for name, value in pairs}
            body = await read_body(reader, headers)
            name, _, rest = target.lstrip("/").partition("/")
            tenant = TENANTS[name]
            if rest.startswith("files/"):
                await send_file(tenant, rest.removeprefix("files/"), writer)
                break
            status, given, data = await answer(tenant, method, rest, headers, body, f"/{name}")
            await asyncio.sleep(tenant.latency_s if rest.startswith("api/") else 0)
            lines = "".join(f"{key}: {value}\r\n" for key, value in given.items())
            reason = REASONS.get(status, "Refused")
            writer.write(f"HTTP/1.1 {status} {reason}\r\n{lines}content-length: {len(data)}\r\n\r\n".encode())
            writer.write(data)
            await writer.drain()
    writer.close()


async def send_file(tenant: Tenant, rest: str, writer: asyncio.StreamWriter) -> None:
    fault = tenant.fault("file")
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
    async for piece in file(tenant, rest):
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
        if fault:
            return
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def answer(
    tenant: Tenant, method: str, rest: str, headers: dict[str, str], body: bytes, prefix: str
) -> Answer:
    if rest == "control":
        tenant.control(json.loads(body))
        return reply(None)
    if rest == "log":
        return reply(tenant.log)
    if rest.startswith("wait/"):
        event = rest.removeprefix("wait/")
        async with tenant.happened:
            await tenant.happened.wait_for(lambda: any(each["event"] == event for each in tenant.log))
        return reply(tenant.log)
    path, _, query = rest.removeprefix("api/v1/").partition("?")
    try:
        return await route(tenant, method, path, query, headers, body, prefix)
    except Refusal as refusal:
        return reply({"detail": refusal.detail}, refusal.status, **refusal.headers)


async def route(
    tenant: Tenant, method: str, path: str, query: str, headers: dict[str, str], body: bytes, prefix: str
) -> Answer:
    if not headers.get("x-api-key", "").startswith("tml-test"):
        raise Refusal(401, "the key is not known here")
    raw = PROTO in headers.get("content-type", "")
    asked: dict[str, Any] = {"raw": body} if raw else (json.loads(body) if body else {})
    asked |= dict(pair.split("=", 1) for pair in query.split("&") if pair)
    finish = re.fullmatch(r"sessions/([^/]+)/finish", path)
    at = "finish" if finish else path.partition("/")[0] if path.startswith("training_runs") else path
    facts = {} if raw else {k: v for k, v in asked.items() if k not in ("prompt", "events")}
    await tenant.note(at, method=method, asked=facts)
    if at == "retrieve_future":
        return await retrieve_future(tenant, asked)
    fault = tenant.fault(at)
    if "lose" in fault:
        tenant.sessions = dict.fromkeys(tenant.sessions, "lost")
    if "status" in fault:
        raise Refusal(fault["status"], fault.get("detail", "by request"), **fault.get("headers", {}))
    if fault.get("never"):
        await asyncio.sleep(3600)
    if finish:
        tenant.sessions[finish[1]] = asked["reason"]["type"]
        return 204, {}, b""
    if at == "training_runs":
        made = training_runs(tenant, method, path, f"http://{headers['host']}{prefix}")
        return (204, {}, b"") if made is None else reply(made)
    if path.startswith("samplers/"):
        return reply(samplers(tenant, path.removeprefix("samplers/")))
    if at not in ENDPOINTS:
        raise Refusal(404, f"no endpoint {path}")
    return reply(ENDPOINTS[at](tenant, asked))


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # what still waits has nobody to answer to


if __name__ == "__main__":
    asyncio.run(main())
