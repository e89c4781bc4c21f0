"""How long a member is waited for, in a vote and before it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from crucible.actors.voting.patience import Patience
from crucible.messages.errors import ConnectionFailedError
from crucible.messages.records import Output
from crucible.testing import TestKit

from .jury import Jury, Member


async def test_a_member_that_hangs_does_not_hold_up_what_is_learned(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, "yes", after=1e6), Member(kit, "yes")]
        jury = Jury(
            kit, tmp_path, *members, timeout_ms=2000.0, quorum=1, calibration="isotonic", early_stop="off"
        )
        got, result = await jury.ask(learn=["yes"] * 10, reference="yes", seconds=1e5)
        assert got[0].text == "yes"
        assert result.metrics["ensemble"]["calibration"]["learned_from"] == 10
        assert members[0].cancelled == 11  # ten rows to learn from, and the question


async def test_a_member_that_is_too_late_is_told_with_what_failed_before(tmp_path: Path) -> None:
    async with TestKit() as kit:
        members = [Member(kit, ConnectionFailedError("nobody there")), Member(kit, "b")]
        call = {"max_attempts": 100, "backoff_s": 1000.0, "max_backoff_s": 1000.0}
        jury = Jury(kit, tmp_path, *members, timeout_ms=500.0, quorum=1, call=call)
        _, ballots = await jury.one(seconds=1e5)
        assert ballots.failed == {
            "a": "TimedOutError: no answer within 500 ms; before that ConnectionFailedError: nobody there"
        }


async def test_the_time_runs_from_when_the_question_is_sent() -> None:
    async with TestKit() as kit:
        patience = Patience(2.0, kit.clock)

        async def ask() -> Output:
            await kit.clock.sleep(50.0)  # for a slot
            patience.sent()
            await kit.clock.sleep(1.0)
            return Output(example_id="x", system="a", backend="", text="yes")

        task = asyncio.ensure_future(patience.wait(ask(), "a", "x"))
        await kit.advance(60.0)
        assert (await task).text == "yes"


async def test_who_is_cancelled_as_the_time_is_up_stays_cancelled() -> None:
    async with TestKit() as kit:
        patience = Patience(2.0, kit.clock)
        cancelled: list[str] = []

        async def ask() -> Output:
            patience.sent()
            try:
                await kit.clock.sleep(1e6)
            except asyncio.CancelledError:
                cancelled.append("late")
                task.cancel()
                raise
            raise AssertionError

        task = asyncio.ensure_future(patience.wait(ask(), "a", "x"))
        await kit.advance(3.0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cancelled == ["late"]
