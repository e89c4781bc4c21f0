"""One HTTP/1.1 connection: sends a request, reads the reply (RFC 9112), knows whether it can be used again.

Used by ``pool`` only. It is strict where looseness lets one reply run into the next: anything odd is a
MalformedReplyError and closes the connection. Rejected: httpcore and h11, which cost a multiple of the CPU of
all the rest of a request (measured in docs/openai-backend.md), and asyncio's streams, which cannot tell
whether bytes nobody asked for are waiting.
"""

from __future__ import annotations

import asyncio
import re
import select
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import NamedTuple

from ....messages.errors import ConnectionFailedError, MalformedReplyError, TimedOutError

__all__ = ["Connection", "Head", "parse_head"]

LONGEST_HEAD = 64 * 1024
LONGEST_CHUNK_LINE = 1024
MOST_INTERIM_REPLIES = 16
HIGH_WATER = 256 * 1024
SHORT_FIELD = 128
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")


class Head(NamedTuple):
    """Status and headers of a reply, and how its body ends."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    length: int | None
    """Bytes of the body; None when it ends by its last chunk or with the connection."""
    chunked: bool
    keep_alive: bool


def parse_head(raw: bytes) -> Head:
    """Read status line and fields, without the empty line; raises MalformedReplyError."""
    first, *lines = raw.split(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise MalformedReplyError("the reply does not begin like HTTP/1.1")
    headers, lengths, codings, tokens = list[tuple[bytes, bytes]](), set[bytes](), list[bytes](), set[bytes]()
    for line in lines:
        field = _field_again(line) if len(line) <= SHORT_FIELD else _field(line)
        headers.append(field)
        name, value = field
        if name == b"content-length":
            lengths.add(value)
        elif name == b"transfer-encoding":
            codings.append(value.lower())
        elif name == b"connection":
            tokens |= {token.strip() for token in value.lower().split(b",")}
    status = int(status_line[2])
    length = _length(status, lengths, codings)
    keep_alive = b"close" not in tokens and (status_line[1] == b"1" or b"keep-alive" in tokens)
    ends_by_itself = length is not None or bool(codings)
    return Head(status, headers, length, bool(codings), keep_alive and ends_by_itself)


def _field(line: bytes) -> tuple[bytes, bytes]:
    field = _FIELD.fullmatch(line)
    if field is None:
        raise MalformedReplyError("the reply has a header line that is none")
    return field[1].lower(), field[2]


_field_again = lru_cache(maxsize=256)(_field)
"""A server says much the same in every reply."""


def _length(status: int, lengths: set[bytes], codings: list[bytes]) -> int | None:
    if status < 200 or status in (204, 304):
        return 0
    if codings:
        if codings != [b"chunked"] or lengths:
            raise MalformedReplyError("the reply has a transfer coding that is not just 'chunked'")
        return None
    if not lengths:
        return None
    value = lengths.pop()
    if lengths or not value.isdigit() or len(value) > 15:
        raise MalformedReplyError("the reply has a content-length that is not one number")
    return int(value)


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. ``close`` may be called at any moment and ends it at once."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._broken = False
        self._paused = False
        self._head: Head | None = None
        self._finished = True
        self._read_timeout = 0.0
        self._due = 0.0
        """When the wait for bytes has lasted too long."""
        self._timer: asyncio.TimerHandle | None = None
        self._poll: select.poll | None = None
        self.idle_since = 0.0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # a stream protocol always gets a Transport
        raw = transport.get_extra_info("socket")
        if raw is not None:
            self._poll = select.poll()  # not select.select, which ends at descriptor 1,023
            self._poll.register(raw.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Buffer; above the high-water mark the socket is left alone until the reader catches up."""
        self._buffer += data
        if len(self._buffer) > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """No more bytes will come; the transport closes."""
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """As above, also after a reset."""
        self._broken = exc is not None
        self._ended = True
        self._poll = None  # the descriptor is somebody else's by now
        self._stop_timer()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # our side

    @property
    def peer(self) -> str:
        """IP address of the other side, empty when unknown."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(name[0]) if isinstance(name, tuple) else ""

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the last reply was read whole and nothing else is there."""
        alive = self._head is None or self._head.keep_alive
        return self._finished and alive and not self._ended and not self._buffer

    def quiet(self) -> bool:
        """Whether nothing waits in the socket either: after a reply it would be another, or the end.

        ``reusable`` knows only what the loop has read. What arrives later than this cannot be told from the
        answer to the next request: HTTP/1.1 does not number its replies.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        return self._poll is None or not self._poll.poll(0)

    async def exchange(self, head: bytes, body: bytes, read_timeout_s: float) -> Head:
        """Send a request and read the head of its reply."""
        if self._transport is None or not self.reusable:
            raise ConnectionFailedError("the server closed the connection")
        self._finished, self._read_timeout, self._head = False, read_timeout_s, None
        self._transport.write(head + body)
        for _ in range(MOST_INTERIM_REPLIES):
            raw = await self._until(b"\r\n\r\n", LONGEST_HEAD)
            self._head = parse_head(raw)
            if self._head.status >= 200:
                self._finished = self._head.length == 0
                return self._head
        raise MalformedReplyError("the server sends interim replies without end")

    async def short_body(self, most: int) -> bytes | None:
        """The whole body if its length is known and at most this; None if it is to be read in pieces."""
        size = None if self._head is None or self._finished else self._head.length
        if size is None or size > min(most, HIGH_WATER):
            return None
        while len(self._buffer) < size:
            if not await self._more():
                raise _cut_off(size - len(self._buffer))
        self._finished = True
        return self._taken(size)

    async def body(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive; raises MalformedReplyError when it is cut off."""
        head = self._head
        if head is None or self._finished:
            return
        if head.chunked:
            async for piece in self._chunks():
                yield piece
        elif head.length is not None:
            async for piece in self._exactly(head.length):
                yield piece
        else:
            while piece := await self._some(HIGH_WATER):
                yield piece
        self._finished = True

    def close(self) -> None:
        """Close the socket at once, whatever is under way: the server sees the end of the connection."""
        self._finished, self._ended = False, True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            size_line = _CHUNK.fullmatch(await self._until(b"\r\n", LONGEST_CHUNK_LINE))
            if size_line is None:
                raise MalformedReplyError("the reply has a chunk without a size")
            size = int(size_line[1], 16)
            if size == 0:
                break
            async for piece in self._exactly(size):
                yield piece
            if await self._until(b"\r\n", 2) != b"":
                raise MalformedReplyError("the reply has a chunk that is longer than it says")
        while await self._until(b"\r\n", LONGEST_HEAD):  # trailer fields are not needed
            pass

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self._some(min(size, HIGH_WATER))
            if not piece:
                raise _cut_off(size)
            size -= len(piece)
            yield piece

    async def _some(self, most: int) -> bytes:
        if not self._buffer and not await self._more():
            return b""
        return self._taken(most)

    def _taken(self, most: int) -> bytes:
        piece = bytes(self._buffer[:most])
        del self._buffer[:most]
        return piece

    async def _until(self, mark: bytes, most: int) -> bytes:
        """All bytes before the mark, which is taken off too."""
        searched = 0
        while (end := self._buffer.find(mark, searched)) < 0:
            searched = max(0, len(self._buffer) - len(mark) + 1)
            if len(self._buffer) > most + len(mark):
                raise MalformedReplyError(f"the reply has a line or head of more than {most} bytes")
            if not await self._more():
                if self._head is None and not self._buffer:
                    raise ConnectionFailedError("the server closed the connection without an answer")
                raise MalformedReplyError("the reply was cut off")
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    async def _more(self) -> bool:
        """Wait for bytes; False when the server has ended; raises ConnectionFailedError after a reset."""
        before = len(self._buffer)
        while len(self._buffer) == before:
            if self._broken:
                raise ConnectionFailedError("the connection broke")
            if self._ended:
                return False
            if self._paused and self._transport is not None:
                self._paused = False
                self._transport.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            self._start_timer()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return True

    # One timer outlives many waits: setting it for each cost as much as parsing the reply.

    def _start_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._read_timeout
        if self._timer is not None and self._timer.when() > self._due:
            self._stop_timer()
        if self._timer is None:
            self._timer = loop.call_at(self._due, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        """The timer ran out: of this wait, or of one that is over."""
        loop, self._timer = asyncio.get_running_loop(), None
        if self._waiter is None or self._waiter.done():
            return
        if loop.time() < self._due:
            self._timer = loop.call_at(self._due, self._late)
        else:
            error = TimedOutError(f"no byte from the server within {self._read_timeout:g} s")
            self._waiter.set_exception(error)


def _cut_off(missing: int) -> MalformedReplyError:
    return MalformedReplyError(f"the reply was cut off: {missing} bytes are missing")
