"""Reading server-sent events: from lines to events, and when to connect again. Decides; sends nothing."""

from __future__ import annotations

import msgspec

from ..messages.errors import MalformedReplyError
from ..messages.live import LiveEvent

__all__ = ["EventReader"]

LONGEST_WAIT_S = 5.0


class EventReader:
    """What has been read of one stream of events, over all its connections."""

    def __init__(self, after: int, *, patience_s: float) -> None:
        self.last_id = after
        self.ended = False
        """The server said that there will be nothing more."""
        self._patience_s = patience_s
        self._connected = False
        self._failing_since: float | None = None
        self._wait_s = 0.1
        self._fields: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        """Of the next connection."""
        self._fields = {}
        seen = {"last-event-id": str(self.last_id)} if self.last_id else {}
        return {"accept": "text/event-stream"} | seen

    def params(self, first: dict[str, str]) -> dict[str, str]:
        """Of the next connection: ``first`` until something was seen that it can go on from."""
        return {} if self.last_id else first

    def line(self, line: str) -> LiveEvent | None:
        """Take a line in; the event that it completes."""
        self._connected, self._failing_since, self._wait_s = True, None, 0.1
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if fields.get("event") == "end":
            self.ended = True
        if self.ended or "data" not in fields:
            return None
        try:
            event = msgspec.json.decode(fields["data"], type=LiveEvent)
        except msgspec.MsgspecError as error:
            raise MalformedReplyError(f"an event of the daemon makes no sense: {error}") from None
        if event.seq is not None:
            self.last_id = event.seq
        return event

    def wait_s(self, now: float) -> float | None:
        """After a connection that broke or failed: how long to wait; None: give up."""
        if not self._connected:
            return None
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since > self._patience_s:
            return None
        waits, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_WAIT_S)
        return waits
