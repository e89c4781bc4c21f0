"""Reading heads and bodies of HTTP/1.1, without a network."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.backends.openai.http1 import Connection, parse_head
from crucible.messages.errors import (
    ConnectionFailedError,
    MalformedReplyError,
    TimedOutError,
    TransientError,
)


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
    connection = connected()
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


def connected() -> Connection:
    connection = Connection()
    connection.connection_made(Wire())
    return connection


async def waiting(connection: Connection) -> asyncio.Task[object]:
    """For a reply, with an hour's patience."""
    exchange: asyncio.Task[object] = asyncio.create_task(connection.exchange(b"", b"", 3600.0))
    await asyncio.sleep(0)
    return exchange


async def half_read() -> Connection:
    """The head of a reply has come, and two of the four bytes of its body."""
    connection = connected()
    exchange = await waiting(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
    await exchange
    return connection


async def test_one_timer_serves_all_waits_and_each_has_its_own_patience() -> None:
    connection = connected()
    first = await waiting(connection)
    timer, due = connection._timer, connection._due
    connection.data_received(b"HTTP/1.1 204 OK\r\n\r\n")
    await first
    second = await waiting(connection)
    assert (connection._timer, connection._due > due) == (timer, True)
    connection._late()  # the timer of the first wait: too early for the second
    await asyncio.sleep(0)
    assert not second.done()
    assert connection._timer is not None
    assert connection._timer.when() == connection._due
    connection._timer.cancel()
    connection._due = 0.0
    connection._late()
    with pytest.raises(TimedOutError, match="no byte from the server within 3600 s"):
        await second


async def test_a_shorter_patience_is_not_held_up_by_an_earlier_timer() -> None:
    connection = connected()
    first = await waiting(connection)
    connection.data_received(b"HTTP/1.1 204 OK\r\n\r\n")
    await first
    with pytest.raises(TimedOutError):
        await connection.exchange(b"", b"", 0.01)


async def test_a_closed_connection_leaves_no_timer() -> None:
    connection = connected()
    exchange = await waiting(connection)
    timer = connection._timer
    connection.close()
    connection.connection_lost(None)
    with pytest.raises(ConnectionFailedError):
        await exchange
    assert timer is not None
    assert timer.cancelled()
    assert connection._timer is None


async def test_a_short_body_is_read_at_once_and_a_long_one_in_pieces() -> None:
    connection = await half_read()
    assert await connection.short_body(3) is None
    body = asyncio.create_task(connection.short_body(4))
    await asyncio.sleep(0)
    connection.data_received(b"cd")
    assert await body == b"abcd"
    assert connection.reusable


async def test_a_short_body_that_is_cut_off_is_said_to_be() -> None:
    connection = await half_read()
    connection.eof_received()
    with pytest.raises(MalformedReplyError, match="2 bytes are missing"):
        await connection.short_body(4)
    assert not connection.reusable
