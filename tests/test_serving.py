"""Signals and address of the daemon's process; what signals do to runs is in ``tests/faults``."""

import asyncio
import errno
import os
import signal
import socket
from pathlib import Path

import pytest

from crucible import serving
from crucible.adapters.http.guard import allowed_hosts
from crucible.adapters.service.data_folder import DataFolder
from crucible.adapters.service.notify import Notifier
from crucible.messages.errors import InputError
from crucible.messages.settings import ApiSettings, Settings


class Told:
    """Notes what the signals ask of a daemon."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.news = asyncio.Event()

    def end(self, why: str) -> None:
        self.note(why)

    def reload_soon(self) -> None:
        self.note("reload")

    def leave(self, code: int) -> None:
        self.note(f"leave {code}")

    def note(self, text: str) -> None:
        self.asked.append(text)
        self.news.set()

    async def after(self, number: signal.Signals) -> list[str]:
        """What has been asked once the signal has arrived."""
        self.news.clear()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(self.news.wait(), 10)
        return self.asked


@pytest.mark.parametrize(
    ("apart_s", "left"), [(0.0, ["SIGINT", "leave 130", "SIGINT"]), (600.0, ["SIGINT", "SIGINT"])]
)
async def test_a_second_interrupt_leaves_at_once_unless_it_is_the_same_keystroke(
    apart_s: float, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "SAME_KEYSTROKE_S", apart_s)
    told = Told()
    with serving._signals(told, told.leave):  # type: ignore[arg-type]  # all that is used of a daemon
        assert await told.after(signal.SIGINT) == ["SIGINT"]
        assert await told.after(signal.SIGINT) == left  # both are asked in one go


async def test_terminate_ends_and_hangup_reads_the_settings_again() -> None:
    told = Told()
    with serving._signals(told, told.leave):  # type: ignore[arg-type]
        await told.after(signal.SIGHUP)
        await told.after(signal.SIGTERM)
    assert told.asked == ["reload", "SIGTERM"]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_address_that_is_told_is_one_that_is_answered(host: str) -> None:
    settings = Settings(api=ApiSettings(host=host, port=0))
    with serving._listening(settings) as listener:
        port = listener.getsockname()[1]
        assert serving._url(settings, listener) == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port)):
            pass
    assert "127.0.0.1" in allowed_hosts(host, ())


def test_a_port_that_is_in_use_says_how_to_take_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(api=ApiSettings(port=taken.getsockname()[1]))
        with pytest.raises(InputError, match=r"another program has it: .* --set api\.port=PORT") as caught:
            serving._listening(settings).__enter__()
    assert "bind" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "1024"),
        (errno.EADDRNOTAVAIL, "10.9.9.9 is no address of this machine"),
        (socket.EAI_NONAME, "Name or service not known: see api.host"),
    ],
)
def test_an_address_that_cannot_be_taken_says_what_to_do(number: int, told: str) -> None:
    assert told in serving._unheard(OSError(number, "Name or service not known"), "10.9.9.9")


async def test_after_a_reload_systemd_is_told_the_address_again(tmp_path: Path) -> None:
    class Taker:
        async def tell(self, _message: object) -> None:
            pass

    settings = Settings()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, DataFolder(tmp_path) as folder:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        process = serving._Serving(settings, folder, lambda: settings, notifier)
        process._url = "http://127.0.0.1:8765"
        reloads = asyncio.create_task(process._reloads(Taker()))  # type: ignore[arg-type]
        process.reload_soon()
        assert (await asyncio.to_thread(systemd.recv, 1000)).startswith(b"RELOADING=1")
        told = await asyncio.to_thread(systemd.recv, 1000)
        reloads.cancel()
    assert told == b"READY=1\nSTATUS=serving http://127.0.0.1:8765"
