"""Reading heads and bodies of HTTP/1.1, without a network."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.backends.openai.http1 import Connection, parse_head
from crucible.messages.errors import MalformedReplyError, TransientError


class Wire(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def received(pieces: list[bytes]) -> tuple[int, bytes, bool]:
    """Status, body and whether the connection can be used again."""
    connection = Connection()
    connection.connection_made(Wire())
    exchange = asyncio.create_task(connection.exchange(b"", b"", 5.0))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    connection.eof_received()
    head = await exchange
    body = b"".join([piece async for piece in connection.body()])
    return head.status, body, head.keep_alive


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/2 200 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 200 OK\r\n folded: x",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\na b: c",
        b"HTTP/1.1 200 OK\r\nx: a\nb",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1, 1",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked",
    ],
)
def test_an_odd_head_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse_head(raw)


@pytest.mark.parametrize(
    ("raw", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nConnection: foo, Close", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive", True),
        (b"HTTP/1.1 200 OK", False),
        (b"HTTP/1.1 204 No Content", True),
    ],
)
def test_a_head_tells_whether_the_connection_stays(raw: bytes, keeps: bool) -> None:
    assert parse_head(raw).keep_alive is keeps


@given(st.data())
def test_a_reply_reads_the_same_however_it_is_cut(data: st.DataObject) -> None:
    body = data.draw(st.binary(max_size=60))
    sizes = data.draw(st.lists(st.integers(1, 9), max_size=8))
    chunks, rest = b"", body
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        chunks += b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""
    chunks += (b"%X;x\r\n%s\r\n" % (len(rest), rest) if rest else b"") + b"0\r\na: b\r\n\r\n"
    raw = data.draw(
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
            ]
        )
    )
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert asyncio.run(received(pieces)) == (200, body, True)


@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]),
)
def test_any_bytes_end_in_a_reply_or_a_transient_error(noise: bytes, start: bytes) -> None:
    with contextlib.suppress(TransientError):  # any other error fails the test
        asyncio.run(received([start + noise]))


def test_a_head_without_end_is_refused() -> None:
    with pytest.raises(MalformedReplyError, match="more than"):
        asyncio.run(received([b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000]))


async def test_bytes_that_wait_in_the_socket_are_seen_before_the_loop_reads_them() -> None:
    ours, theirs = socket.socketpair()
    transport, connection = await asyncio.get_running_loop().create_connection(Connection, sock=ours)
    theirs.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    exchange = asyncio.create_task(connection.exchange(b"", b"", 5.0))
    await exchange
    theirs.sendall(b"{}")
    assert b"".join([piece async for piece in connection.body()]) == b"{}"
    assert connection.reusable
    assert connection.quiet()
    theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    assert connection.reusable  # the loop has not looked
    assert not connection.quiet()
    transport.abort()
    theirs.close()
