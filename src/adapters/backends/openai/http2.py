"""What httpcore's connections lack: HTTP/2 streams that are reset, and a look at who was reached.

A request that is given up is reset, so that the server stops working on it. httpcore (1.0) forgets such a
stream but does not tell the server, and offers no public way to, hence the reach into its connection here,
found by the trace hook that it calls when a stream is opened. Used by ``client``.
"""

from __future__ import annotations

from typing import Any

from ....messages.errors import BackendError
from .address import is_refused_peer

__all__ = ["OpenStream"]

CONNECTED = "connection.connect_tcp.complete"
OPENED = "http2.send_request_headers.started"
CANCEL = 8
"""Error code of RFC 9113, section 7: the stream is no longer needed."""


class OpenStream:
    """The stream of one request; ``pool`` is httpcore's, ``direct`` that no proxy stands between."""

    def __init__(self, pool: Any, *, direct: bool) -> None:
        self._pool = pool
        self._direct = direct
        self._connection: Any = None
        self._request: Any = None
        self._id = 0
        self.finished = False
        """Whether the reply was read to its end."""

    async def trace(self, name: str, info: dict[str, Any]) -> None:
        """The trace hook of httpcore; notes connection and number of the stream.

        Raises BackendError before a byte is sent when the name led to an address never to be asked.
        """
        if name == CONNECTED and self._direct:
            reached = info["return_value"]
            host, *_ = reached.get_extra_info("server_addr")
            if is_refused_peer(str(host)):
                await reached.aclose()
                raise BackendError("the host leads to a link-local or metadata address, which is refused")
        if name == OPENED:
            self._request, self._id = info["request"], info["stream_id"]
            waiting = (each for each in self._pool._requests if each.request is self._request)
            outer = getattr(next(waiting, None), "connection", None)
            self._connection = getattr(outer, "_connection", None)

    async def reset(self) -> None:
        """Tell the server that the answer is no longer wanted; nothing when it ended or never began."""
        if self.finished or self._connection is None:
            return
        import h2.exceptions
        import httpcore

        self.finished = True
        try:
            self._connection._h2_state.reset_stream(self._id, error_code=CANCEL)
            await self._connection._write_outgoing_data(self._request)
        except (h2.exceptions.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException):
            return  # the stream or its connection is gone, which is what was wanted
