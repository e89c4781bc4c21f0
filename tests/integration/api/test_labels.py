"""Labels of people for answers: given one by one, and read by the command that takes labels in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest
from tests.integration.daemon import AUTH, Daemon, as_stored, experiment, sample
from tests.integration.support import COMMAND

from crucible.messages.control import RunResult
from crucible.messages.queue import NewRun

RUN = "/api/v1/runs/r1"
WHOLE = {"example_id": "s1", "system": "mock", "backend": "mock", "text": "answer"}


@pytest.fixture
async def labelled(api: httpx.AsyncClient, daemon: Daemon) -> httpx.AsyncClient:
    """A run of three samples."""
    await daemon.store.submit(NewRun(id="r1", experiment_id="small", spec=b"{}", spec_hash="h", base="/"))
    lines = [sample(1), sample(2, outputs={"mock": WHOLE, "lead": WHOLE}), sample(3)]
    (daemon.run_folder("r1") / "samples.jsonl").write_bytes(b"".join(lines))
    return api


async def put(api: httpx.AsyncClient, place: int, **body: Any) -> list[tuple[str, str, str]]:
    answer = await api.post(f"{RUN}/samples/{place}/labels", json={"system": "mock"} | body)
    answer.raise_for_status()
    return [(each["system"], each["label"], each.get("labeller", "")) for each in answer.json()]


async def test_a_label_takes_the_place_of_the_same_persons_and_is_taken_back(
    labelled: httpx.AsyncClient,
) -> None:
    await put(labelled, 0, label="unsure")
    assert await put(labelled, 1, label="accept", labeller=" Ann  Lee ") == [("mock", "accept", "Ann Lee")]
    await put(labelled, 1, label="reject", labeller="bob")
    await put(labelled, 1, label="reject", system="lead", labeller="bob")
    assert await put(labelled, 1, label="unsure", labeller="Ann Lee") == [
        ("mock", "reject", "bob"),
        ("lead", "reject", "bob"),
        ("mock", "unsure", "Ann Lee"),
    ]
    assert len(await put(labelled, 1, label=None, labeller="bob")) == 2
    everything = (await labelled.get(f"{RUN}/labels")).json()
    assert [(each["example"], each["label"]) for each in everything] == [
        ("s1", "unsure"),
        ("s2", "reject"),
        ("s2", "unsure"),
    ]


async def test_many_labels_at_once_are_all_kept(labelled: httpx.AsyncClient) -> None:
    await asyncio.gather(*(put(labelled, 0, label="accept", labeller=f"p{n}") for n in range(20)))
    assert len((await labelled.get(f"{RUN}/labels")).json()) == 20


@pytest.mark.parametrize(
    ("place", "body", "status"),
    [
        ("0", {"system": "nobody", "label": "accept"}, 404),
        ("9", {"system": "mock", "label": "accept"}, 404),
        ("0", {"system": "mock", "label": "fine"}, 400),
        ("0", {"system": "mock"}, 400),
        ("0", {"system": "mock", "label": "accept", "labeller": "x" * 201}, 400),
        ("-1", {"system": "mock", "label": "accept"}, 400),
    ],
)
async def test_what_is_no_label_of_an_answer_is_refused(
    labelled: httpx.AsyncClient, daemon: Daemon, place: str, body: dict[str, Any], status: int
) -> None:
    answer = await labelled.post(f"{RUN}/samples/{place}/labels", json=body)
    assert answer.status_code == status, answer.text
    assert not (daemon.run_folder("r1") / "page-labels.jsonl").exists()


async def test_answers_that_may_change_are_not_labelled(labelled: httpx.AsyncClient, daemon: Daemon) -> None:
    folder = daemon.run_folder("r1")
    (folder / "samples.jsonl").rename(folder / "samples.jsonl.partial")
    answer = await labelled.post(f"{RUN}/samples/0/labels", json={"system": "mock", "label": "accept"})
    assert answer.status_code == 409


async def test_nobody_labels_without_the_token_or_from_another_site(
    labelled: httpx.AsyncClient, daemon: Daemon
) -> None:
    body = {"system": "mock", "label": "accept"}
    async with daemon.client(headers={}) as stranger:
        assert (await stranger.post(f"{RUN}/samples/0/labels", json=body)).status_code == 401
    headers = {**AUTH, "origin": "http://elsewhere.example"}
    answer = await labelled.post(f"{RUN}/samples/0/labels", json=body, headers=headers)
    assert answer.status_code == 403
    assert (await labelled.get(f"{RUN}/labels")).json() == []


async def test_the_command_takes_the_labels_of_the_page_in(
    labelled: httpx.AsyncClient, daemon: Daemon
) -> None:
    await put(labelled, 0, label="accept", labeller="ann", note="good \u202e")
    await put(labelled, 1, label="reject", labeller="ann")
    folder = daemon.run_folder("r1")
    done = RunResult(
        run_id="r1", status="completed", experiment=as_stored(experiment(daemon.folder)), stages=()
    )
    (folder / "run.json").write_bytes(msgspec.json.encode(done))
    process = await asyncio.create_subprocess_exec(
        COMMAND, "label", "import", str(folder), str(folder / "page-labels.jsonl"), "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told = json.loads((await process.communicate())[0])
    assert (told["labels"], told["compared"]) == (2, 2)
    assert len((folder / "labels.jsonl").read_bytes().splitlines()) == 2


async def test_doubtful_samples_are_those_that_the_antagonist_flags(
    api: httpx.AsyncClient, daemon: Daemon
) -> None:
    await daemon.store.submit(NewRun(id="r1", experiment_id="small", spec=b"{}", spec_hash="h", base="/"))
    invents = {"mock": {"citation_hallucination_rate": 0.5}}
    lines = [sample(1), sample(2, scores=invents), sample(3, scores=invents, outputs={"lead": WHOLE})]
    (daemon.run_folder("r1") / "samples.jsonl").write_bytes(b"".join(lines))
    page = (await api.get(f"{RUN}/samples", params={"verdict": "doubtful"})).json()
    assert [each["id"] for each in page["samples"]] == ["s2"]
    page = (await api.get(f"{RUN}/samples", params={"verdict": "doubtful", "system": "lead"})).json()
    assert page["samples"] == []
