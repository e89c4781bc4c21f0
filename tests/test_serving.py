"""Signals of the daemon's process; what they do to runs is in ``tests/faults``."""

import asyncio
import os
import signal

import pytest

from crucible import serving


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
