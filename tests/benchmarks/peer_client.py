"""Other clients, asked for chat completions; run by the Python of the peers' environment, without Crucible.

    PYTHON tests/benchmarks/peer_client.py CLIENT URL COUNT IN_FLIGHT [MAX_SECONDS]

Prints JSON: latencies in seconds and CPU seconds. Clients: aiohttp, httpx, httpx-hedged, hedge-python.
``MAX_SECONDS`` stops early: the number of latencies says how many were asked.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "question"}],
    "max_tokens": 16,
    "temperature": 0.0,
}
Post = Callable[[], Awaitable[Any]]


async def drive(post: Post, count: int, in_flight: int, seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    numbers = iter(range(count))
    end = time.monotonic() + seconds

    async def worker() -> None:
        for _ in numbers:
            begun = time.monotonic()
            if begun > end:
                return
            answer = await post()
            latencies.append(time.monotonic() - begun)
            assert answer["choices"][0]["message"]["content"] == "42"

    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return {
        "latencies": latencies,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.monotonic() - wall,
    }


async def with_aiohttp(url: str, *rest: Any) -> dict[str, Any]:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> Any:
            async with session.post(url, json=BODY) as reply:
                return await reply.json()

        return await drive(post, *rest)


async def with_httpx(transport: Any, url: str, *rest: Any) -> dict[str, Any]:
    import httpx

    async with httpx.AsyncClient(transport=transport, timeout=30) as client:

        async def post() -> Any:
            return (await client.post(url, json=BODY)).json()

        return await drive(post, *rest)


async def main() -> None:
    name, url, count, in_flight, *seconds = sys.argv[1:]
    rest = (int(count), int(in_flight), float(seconds[0]) if seconds else 1e9)
    if name == "aiohttp":
        told = await with_aiohttp(url, *rest)
    elif name == "httpx":
        told = await with_httpx(None, url, *rest)
    elif name == "httpx-hedged":
        from httpx_hedged import HedgeConfig, HedgedTransport

        told = await with_httpx(HedgedTransport(default_config=HedgeConfig(budget_percent=5.0)), url, *rest)
    else:
        from hedge import HedgeConfig as Config
        from hedge.transport import HedgedHttpxTransport

        told = await with_httpx(HedgedHttpxTransport(config=Config(budget_percent=5.0)), url, *rest)
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
