"""Tells systemd how the service is: ready, alive, reloading, stopping.

The protocol of sd_notify(3): datagrams of ``KEY=value`` lines to the socket that NOTIFY_SOCKET names. Without
that variable nothing is sent. A message that cannot be sent is dropped: systemd draws its own conclusions.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """Of one process."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog(environment)
        """How often systemd wants to hear of us; None: it does not."""

    def ready(self, status: str) -> None:
        """Requests are answered and runs are claimed."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """The event loop turns."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Settings are being read again; ``ready`` says that it is done."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(0)
            channel.sendto(message.encode(), address)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Half of WATCHDOG_USEC, if it is meant for this process."""
    pid, usec = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if not usec.isdecimal() or int(usec) == 0 or pid not in (None, str(os.getpid())):
        return None
    return int(usec) / 2e6
