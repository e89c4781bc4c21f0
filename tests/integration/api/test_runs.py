"""Submitting runs, listing them, and what may be asked of one."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..daemon import Daemon, as_stored, experiment

RUNS = "/api/v1/runs"


async def submit(api: httpx.AsyncClient, folder: Path, **params: Any) -> dict[str, Any]:
    answer = await api.post(RUNS, json=experiment(folder), params=params)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_json_experiment_is_queued_as_it_was_sent(
    api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path
) -> None:
    answer = await api.post(RUNS, json=experiment(tmp_path))
    run = answer.json()
    assert (answer.status_code, run["state"], run["experiment_id"]) == (201, "queued", "small")
    assert answer.headers["location"] == f"{RUNS}/{run['id']}"
    spec = (await api.get(f"{RUNS}/{run['id']}/spec")).content
    assert as_stored(json.loads(spec)) == as_stored(experiment(tmp_path))
    assert daemon.live.woken == 1


async def test_what_belongs_to_the_queue_stands_in_the_query(api: httpx.AsyncClient, tmp_path: Path) -> None:
    wanted = {
        "owner": "ada",
        "priority": 7,
        "run_at": "2100-01-01T00:00:00Z",
        "deadline_s": 60,
        "max_attempts": 2,
        "label": ["kind:nightly", "team:a:b"],
        "base": str(tmp_path),
    }
    run = await submit(api, tmp_path, **wanted)
    assert (run["owner"], run["priority"], run["deadline_s"], run["max_attempts"]) == ("ada", 7, 60.0, 2)
    assert (run["run_at"], run["base"]) == (4102444800.0, str(tmp_path))
    assert run["labels"] == {"kind": "nightly", "team": "a:b"}


async def test_a_toml_experiment_is_read_as_its_file_would_be(api: httpx.AsyncClient, tmp_path: Path) -> None:
    experiment(tmp_path)
    text = f"""
id = "from-toml"
[dataset]
name = "small"
options = {{ path = "{tmp_path}/data.jsonl" }}
[backend]
id = "mock"
[[pipeline]]
name = "data_load"
"""
    answer = await api.post(RUNS, content=text, headers={"content-type": "application/toml"})
    assert (answer.status_code, answer.json()["experiment_id"]) == (201, "from-toml")


async def test_the_same_key_and_experiment_give_the_same_run(api: httpx.AsyncClient, tmp_path: Path) -> None:
    key = {"idempotency-key": "monday"}
    first = await api.post(RUNS, json=experiment(tmp_path), headers=key)
    again = await api.post(RUNS, json=experiment(tmp_path), headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_the_same_key_with_another_experiment_is_a_conflict(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    key = {"idempotency-key": "monday"}
    await api.post(RUNS, json=experiment(tmp_path), headers=key)
    answer = await api.post(RUNS, json=experiment(tmp_path, seed=1), headers=key)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_runs_are_listed_newest_first_in_pages(api: httpx.AsyncClient, tmp_path: Path) -> None:
    ids = [(await submit(api, tmp_path))["id"] for _ in range(5)]
    first = (await api.get(RUNS, params={"limit": 3})).json()
    rest = (await api.get(RUNS, params={"limit": 3, "cursor": first["cursor"]})).json()
    assert [run["id"] for run in first["runs"] + rest["runs"]] == ids[::-1]
    assert rest["cursor"] is None


async def test_runs_are_filtered_by_state_owner_experiment_and_text(
    api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path
) -> None:
    done = await submit(api, tmp_path, owner="ada")
    await daemon.work(done["id"])
    await submit(api, tmp_path, owner="bob")
    for params in ({"state": "completed"}, {"owner": "ada"}, {"text": done["id"].upper()}):
        found = (await api.get(RUNS, params=params)).json()["runs"]
        assert [run["id"] for run in found] == [done["id"]], params
    assert len((await api.get(RUNS, params={"state": ["completed", "queued"]})).json()["runs"]) == 2
    assert (await api.get(RUNS, params={"experiment": "other"})).json()["runs"] == []


async def test_runs_are_filtered_by_label(api: httpx.AsyncClient, tmp_path: Path) -> None:
    labelled = await submit(api, tmp_path, label=["team:search", "url:http://x"])
    await submit(api, tmp_path, label="team:other")
    for label in ("team:search", "url:http://x"):
        found = (await api.get(RUNS, params={"label": label})).json()["runs"]
        assert [run["id"] for run in found] == [labelled["id"]]
    answer = await api.get(RUNS, params={"label": "team"})
    assert answer.status_code == 422
    assert "expected NAME:VALUE" in answer.json()["detail"]


async def test_a_run_is_cancelled_with_the_reason_given(
    api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path
) -> None:
    run = await submit(api, tmp_path)
    answer = await api.post(f"{RUNS}/{run['id']}/cancel", json={"reason": "not needed"})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert "not needed" in answer.json()["reason"]
    assert daemon.live.woken == 2


async def test_a_run_is_paused_resumed_and_retried(
    api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path
) -> None:
    run = await submit(api, tmp_path)
    place = f"{RUNS}/{run['id']}"
    assert (await api.post(f"{place}/pause")).json()["state"] == "paused"
    assert (await api.post(f"{place}/resume")).json()["state"] == "queued"
    assert (await api.post(f"{place}/retry")).status_code == 409
    await daemon.work(run["id"], "failed")
    assert (await api.post(f"{place}/retry")).json()["state"] == "queued"


@pytest.mark.parametrize(
    "what", ["", "/spec", "/stages", "/live", "/events", "/samples", "/artifacts", "/files/a"]
)
async def test_an_unknown_run_is_not_found(api: httpx.AsyncClient, what: str) -> None:
    answer = await api.get(f"{RUNS}/nobody{what}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_full_queue_is_told_with_a_time_to_wait(tmp_path: Path) -> None:
    async with Daemon(tmp_path, limits={"max_queued": 1}).serve() as daemon, daemon.client() as api:
        await submit(api, tmp_path)
        answer = await api.post(RUNS, json=experiment(tmp_path))
        assert (answer.status_code, answer.json()["code"]) == (429, "quota")
        assert int(answer.headers["retry-after"]) > 0
