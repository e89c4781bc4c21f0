"""Schedules, comparisons, and the daemon as a whole, over HTTP."""

import asyncio
import html
from pathlib import Path
from typing import Any

import httpx
import pytest

import crucible
from crucible.messages.live import LiveRun, LiveStage

from ..daemon import Daemon, as_stored, experiment

API = "/api/v1"
STAGES = [{"name": name} for name in ("data_load", "backend_call", "analysis_metrics", "bench", "report")]


async def test_a_schedule_is_made_replaced_shown_and_dropped(
    api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path
) -> None:
    daemon.app.services.now = lambda: 1_000_000_000.0  # 2001-09-09 01:46:40 UTC
    place = f"{API}/schedules/nightly"
    made = await api.put(place, json=experiment(tmp_path), params={"cron": "0 3 * * *", "owner": "ada"})
    assert (made.status_code, made.json()["next_at"]) == (200, 1_000_004_400.0)
    replaced = await api.put(place, json=experiment(tmp_path), params={"cron": "0 4 * * *"})
    assert replaced.json()["next_at"] == 1_000_008_000.0
    assert (await api.get(place)).json() == replaced.json()
    assert (await api.get(f"{API}/schedules")).json() == [replaced.json()]
    paused = (await api.post(f"{place}/pause")).json()
    assert (paused["enabled"], paused["next_at"]) == (False, 1_000_008_000.0)
    daemon.app.services.now = lambda: 1_000_090_000.0  # a day later: what has passed is not made up for
    resumed = (await api.post(f"{place}/resume")).json()
    assert (resumed["enabled"], resumed["next_at"]) == (True, 1_000_094_400.0)
    assert (await api.post(f"{API}/schedules/nobody/pause")).status_code == 404
    assert (await api.post(f"{API}/schedules/nobody/resume")).status_code == 404
    assert (await api.delete(place)).status_code == 204
    assert (await api.get(place)).status_code == 404
    assert (await api.delete(place)).status_code == 404
    assert daemon.live.woken == 3


@pytest.mark.parametrize("cron", ["", "every day", "61 * * * *", "0 0 31 2 *"])
async def test_a_cron_expression_that_is_none_is_refused(
    api: httpx.AsyncClient, tmp_path: Path, cron: str
) -> None:
    answer = await api.put(f"{API}/schedules/x", json=experiment(tmp_path), params={"cron": cron})
    assert answer.status_code in (400, 422)
    assert (await api.get(f"{API}/schedules")).json() == []


async def test_a_scheduled_experiment_is_checked_when_it_is_put(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    bad = experiment(tmp_path, backend={"id": "mokc"})
    answer = await api.put(f"{API}/schedules/x", json=bad, params={"cron": "0 3 * * *"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "backend.id"


@pytest.fixture
async def finished(api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path) -> list[str]:
    """Two runs in the queue, whose folders a supervisor has filled."""
    ids = []
    for text in ("c", "wrong"):
        mock = {"id": "mock", "options": {"replies": [{"text": text}]}}
        content = experiment(tmp_path, backend=mock, pipeline=STAGES)
        run_id = (await api.post(f"{API}/runs", json=content)).json()["id"]
        async with crucible.Supervisor(out=daemon.folder / "runs") as supervisor:
            handle = await supervisor.submit(as_stored(content), run_id=run_id)
            assert (await handle.result()).status == "completed"
        await daemon.work(run_id)
        ids.append(run_id)
    return ids


async def test_finished_runs_are_compared(
    api: httpx.AsyncClient, finished: list[str], daemon: Daemon
) -> None:
    answer = await api.get(f"{API}/compare", params={"runs": ",".join(finished), "metric": "exact_match"})
    found: dict[str, Any] = answer.json()
    assert answer.status_code == 200, found
    assert [system["run_id"] for system in found["systems"]] == finished
    (one,) = [each for stage in found["stages"] for each in stage["comparisons"]]
    assert (one["mean_system"], one["mean_baseline"], one["n"]) == (1.0, 0.0, 3)
    assert {folder.name for folder in (daemon.folder / "runs").iterdir()} == set(finished)


async def test_a_baseline_is_compared_in_a_data_folder_with_an_equals_sign(
    finished: list[str], daemon: Daemon, tmp_path: Path
) -> None:
    moved = tmp_path / "seed=3"
    (daemon.folder / "runs").rename(moved)
    daemon.app.services.runs_folder = moved
    async with daemon.client() as api:
        pairs = f"{finished[0]}:mock,{finished[1]}:mock"
        answer = await api.get(f"{API}/compare", params={"runs": pairs, "metric": "exact_match"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "runs",
    [
        "{a}",
        "{a},nobody",
        "{a},../{b}",
        "{a},/tmp",
        "x={a},{b}",
        "{a},{b}:nosystem",
        ",",
        "{a}," * 17 + "{b}",
    ],
)
async def test_what_cannot_be_compared_is_refused(
    api: httpx.AsyncClient, finished: list[str], runs: str
) -> None:
    answer = await api.get(f"{API}/compare", params={"runs": runs.format(a=finished[0], b=finished[1])})
    assert answer.status_code in (400, 404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("runs", "told", "shown"),
    [
        ("{a},{c}", "{c} is cancelled: only runs that completed can be compared", None),
        ("{a},nobody", "there is no run 'nobody'", None),
        ("{a},{b}:nosystem", "{b}: unknown system 'nosystem'; known: mock", None),
        ("{a},{a}:mock", "compare: mock of {a} is given twice", None),
        (
            "{a}",
            "runs: expected 2 to 16 ids with commas between",
            "needs two runs or more that completed. One run is",
        ),
    ],
)
async def test_why_runs_cannot_be_compared_is_told_by_their_ids(
    api: httpx.AsyncClient,
    finished: list[str],
    daemon: Daemon,
    tmp_path: Path,
    runs: str,
    told: str,
    shown: str | None,
) -> None:
    ended = (await api.post(f"{API}/runs", json=experiment(tmp_path))).json()["id"]
    await daemon.store.cancel(ended, "not needed")
    names = {"a": finished[0], "b": finished[1], "c": ended}
    answer = await api.get(f"{API}/compare", params={"runs": runs.format(**names)})
    assert answer.json()["detail"] == told.format(**names)
    page = await api.get("/view/compare", params={"runs": runs.format(**names)})
    assert (page.status_code, "Differences" in page.text) == (200, False)
    text = html.unescape(page.text).lower()
    assert (shown or told.format(**names).removeprefix("compare: ")).lower() in text


@pytest.mark.parametrize(
    "query", ["runs={a},{b}", "runs={a}:mock,%20{b},", "run={a}&run={b}", "run={a}&runs={b}"]
)
async def test_the_page_compares_the_runs_of_a_link(
    api: httpx.AsyncClient, finished: list[str], query: str
) -> None:
    page = await api.get(f"/view/compare?{query.format(a=finished[0], b=finished[1])}")
    assert (page.status_code, "Differences" in page.text) == (200, True)
    for run_id in finished:
        assert f'href="/runs/{run_id}"' in page.text


async def test_the_loop_goes_on_while_runs_are_compared(api: httpx.AsyncClient, finished: list[str]) -> None:
    comparing = asyncio.ensure_future(api.get(f"{API}/compare", params={"runs": ",".join(finished)}))
    answered = 0
    while not comparing.done():
        assert (await api.get("/healthz")).status_code == 200
        answered += 1
    assert (await comparing).status_code == 200
    assert answered > 1


async def test_the_queue_and_the_live_side_are_shown(api: httpx.AsyncClient, daemon: Daemon) -> None:
    stage = LiveStage(name="backend_call", state="running", done=3, total=9, mailbox=2)
    daemon.live.under_way["r1"] = LiveRun(run_id="r1", experiment_id="small", since=1.0, stages=(stage,))
    assert (await api.get(f"{API}/queue")).json()["by_state"].get("queued", 0) == 0
    assert (await api.get(f"{API}/daemons")).json() == []
    view = (await api.get(f"{API}/live")).json()
    assert view["runs"][0]["stages"][0]["mailbox"] == 2
    assert view["status"] == daemon.live.status()
    assert (await api.get(f"{API}/live/actors")).json()["children"][0]["name"] == "run-1"
    assert (await api.get(f"{API}/runs/r1/live")).json() == view["runs"][0]


async def test_metrics_are_those_handed_in(api: httpx.AsyncClient, daemon: Daemon) -> None:
    assert (await api.get("/metrics")).status_code == 404
    daemon.app.services.metrics = lambda: (b"up 1\n", "text/plain; version=0.0.4")
    answer = await api.get("/metrics")
    assert answer.text == "up 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
