"""Which connections are used again."""

from __future__ import annotations

import socket

from crucible.adapters.backends.openai.address import parse_base_url
from crucible.adapters.backends.openai.pool import Pool


async def test_a_connection_with_bytes_that_nobody_asked_for_is_not_used_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = parse_base_url(f"http://127.0.0.1:{listener.getsockname()[1]}")
        pool = Pool(origin, tls=None, most=1, connect_timeout_s=5)
        first = await pool.acquire()
        pool.release(first)
        assert await pool.acquire() is first
        pool.release(first)
        theirs, _ = listener.accept()
        with theirs:
            theirs.sendall(b"x")  # the loop does not read it before acquire looks
            assert await pool.acquire() is not first
        pool.close()
