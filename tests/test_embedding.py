"""Supervisors inside somebody's program: on another event loop, several at once, and in threads."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.integration.model_server import ModelServer, Stopping

import crucible
from crucible.adapters.stores.sqlite import SqliteStore
from crucible.messages.errors import InputError, RunCancelledError

Run = Callable[[Coroutine[Any, Any, None]], None]


def experiment(folder: Path, *, url: str | None = None, rows: int = 8) -> crucible.Experiment:
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"p{n}", "completion": "c"}) + "\n" for n in range(rows)))
    mock = {"id": "mock", "options": {"replies": [{"text": "c"}]}}
    content = {
        "id": "small",
        "dataset": {"name": "rows", "split": "all", "options": {"path": str(data)}},
        "backend": mock if url is None else {"id": "openai", "options": {"model": "m", "base_url": url}},
        "pipeline": [
            {"name": "data_load"},
            {"name": "backend_call", "options": {"concurrency": 1}},
            {"name": "bench"},
            {"name": "report"},
        ],
        "outputs": [{"formats": ["json"]}],
    }
    return crucible.decode_experiment_json(json.dumps(content).encode())


@pytest.fixture
def on_uvloop() -> Run:
    uvloop = pytest.importorskip("uvloop")

    async def checked(main: Coroutine[Any, Any, None]) -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        await main

    return lambda main: uvloop.run(checked(main))


def test_on_uvloop_a_run_asks_a_server_and_completes(on_uvloop: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with crucible.Supervisor(out=tmp_path / "runs") as supervisor:
            for host in ("127.0.0.1", "localhost"):
                url = server.url.replace("127.0.0.1", host)
                run = await supervisor.submit(experiment(tmp_path, url=url))
                assert (await run.result()).status == "completed"

    with ModelServer(lambda _prompt, _before: (0.0, "c")) as server:
        on_uvloop(main())
        assert sorted(server.asked) == sorted(2 * [f"p{number}" for number in range(8)])


def test_on_uvloop_leaving_the_block_cancels_and_hangs_up(on_uvloop: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with crucible.Supervisor(out=tmp_path / "runs") as supervisor:
            run = await supervisor.submit(experiment(tmp_path, url=server.url))
            await asyncio.to_thread(model.hangs.wait, 50)
        assert (await run.result()).status == "cancelled"

    model = Stopping(2)
    with ModelServer(model) as server:
        on_uvloop(main())
        server.wait_for_hang_up(server.asked[2])


def test_on_uvloop_a_durable_run_goes_on_where_it_was(on_uvloop: Run, tmp_path: Path) -> None:
    async def begin() -> None:
        store = await SqliteStore.open(tmp_path / "queue")
        async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
            run = await supervisor.submit(experiment(tmp_path, url=server.url), resume=True)
            await asyncio.to_thread(model.hangs.wait, 50)
        with pytest.raises(RunCancelledError, match="back in the queue"):
            await run.result()
        await store.aclose()

    async def go_on() -> None:
        store = await SqliteStore.open(tmp_path / "queue")
        async with crucible.Supervisor(out=tmp_path / "runs", store=store) as supervisor:
            run = await supervisor.submit(experiment(tmp_path, url=server.url), resume=True)
            assert (run.resumed, (await run.result()).status) == (True, "completed")
        await store.aclose()

    model = Stopping(3)
    with ModelServer(model) as server:
        on_uvloop(begin())
        on_uvloop(go_on())
        assert len(server.asked) == 9  # one for each row, and the one that hung


async def test_closing_one_supervisor_leaves_the_runs_of_another_alone(tmp_path: Path) -> None:
    model = Stopping(2)
    with ModelServer(model) as hanging, ModelServer(lambda _prompt, _before: (0.0, "c")) as server:
        async with crucible.Supervisor(out=tmp_path / "a") as lasting:
            async with crucible.Supervisor(out=tmp_path / "b") as closed:
                ended = await closed.submit(experiment(tmp_path, url=hanging.url))
                await asyncio.to_thread(model.hangs.wait, 50)
                other = await lasting.submit(experiment(tmp_path, url=server.url))
                assert other.run_id not in closed.tree()
            assert (await ended.result()).status == "cancelled"
            assert (await other.result()).status == "completed"


def test_runs_go_on_at_once_in_threads_with_a_loop_each(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    made = experiment(tmp_path)

    def one(number: int) -> crucible.RunResult:
        together.wait(50)
        return crucible.run(made, out=tmp_path / f"runs-{number}")

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(one, range(4)))
    assert [result.status for result in results] == ["completed"] * 4
    for number in range(4):
        (folder,) = (tmp_path / f"runs-{number}").iterdir()
        assert folder.name == results[number].run_id


async def test_run_inside_an_event_loop_says_what_to_use(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"use async with crucible\.Supervisor\(\)"):
        crucible.run(experiment(tmp_path), out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
