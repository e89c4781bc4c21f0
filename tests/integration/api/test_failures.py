"""A store that fails, bugs, and what of it is told."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

import crucible
from crucible.messages.errors import OverloadedError, StoreError
from crucible.messages.queue import NewRun, Submitted

from ..daemon import TOKEN, Daemon, as_stored, experiment

RUNS = "/api/v1/runs"


async def failing(*_: Any, **__: Any) -> Any:
    raise StoreError("disk I/O error in /secret/place")


async def test_a_store_that_fails_is_told_with_a_time_to_ask_again(
    api: httpx.AsyncClient, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await api.get("/readyz")).json()["status"] == "ok"
    monkeypatch.setattr(daemon.store, "counts", failing)
    answer = await api.get("/api/v1/queue")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    ready = await api.get("/readyz")
    assert (ready.status_code, ready.json()["reason"]) == (503, "the store does not answer")
    assert (await api.get("/healthz")).status_code == 200


async def test_a_submission_whose_answer_was_lost_is_sent_again_and_queued_once(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, asked = daemon.store.submit, 0

    async def done_but_told_it_failed(run: NewRun, **limits: Any) -> Submitted:
        nonlocal asked
        asked += 1
        found = await submit(run, **limits)
        if asked == 1:
            raise StoreError("the answer was lost")
        return found

    monkeypatch.setattr(daemon.store, "submit", done_but_told_it_failed)
    monkeypatch.setattr("crucible.adapters.http.problems.RETRY_AFTER_S", 0)
    async with crucible.AsyncClient(daemon.url, token=TOKEN) as client:
        submitted = await client.submit(as_stored(experiment(tmp_path)))
        assert (await client.runs()).runs == (submitted.run,)
    assert (asked, submitted.created) == (2, False)


async def test_a_store_that_does_not_recover_is_told_in_the_end(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon.store, "submit", failing)
    monkeypatch.setattr("crucible.adapters.http.problems.RETRY_AFTER_S", 0)
    async with crucible.AsyncClient(daemon.url, token=TOKEN) as client:
        with pytest.raises(OverloadedError):
            await client.submit(as_stored(experiment(tmp_path)))


async def test_a_bug_is_logged_and_not_told(
    api: httpx.AsyncClient, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def buggy(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a secret of the program")

    monkeypatch.setattr(daemon.store, "runs", buggy)
    with caplog.at_level(logging.ERROR):
        answer = await api.get(RUNS)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "a secret of the program" in caplog.text


async def test_a_stream_whose_store_fails_for_a_while_goes_on(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with crucible.AsyncClient(daemon.url, token=TOKEN) as client:
        run = (await client.submit(as_stored(experiment(tmp_path)))).run
        stream = client.events(run.id)
        seen = [await anext(stream)]
        with monkeypatch.context() as broken:
            broken.setattr(daemon.store, "events", failing)
            daemon.live.tell(None)  # look into the store now
            while daemon.app.services.streams:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        await daemon.work(run.id)
        seen += [event async for event in stream]
        stored = await daemon.store.events(run_id=run.id)
        assert [event.seq for event in seen] == [event.seq for event in stored]
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["WARNING"]
