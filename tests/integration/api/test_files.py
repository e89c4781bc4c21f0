"""Files of a run: ranges, what the client has already, how they are shown, and no way out of the folder."""

import asyncio
import contextlib
import os
from pathlib import Path

import httpx
import pytest

from ..daemon import Daemon, experiment

RUNS = "/api/v1/runs"
TEXT = b"0123456789" * 100


@pytest.fixture
async def folder(api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path) -> Path:
    folder = daemon.run_folder((await api.post(RUNS, json=experiment(tmp_path))).json()["id"])
    (folder / "report.md").write_bytes(TEXT)
    return folder


def place(folder: Path, name: str = "report.md") -> str:
    return f"{RUNS}/{folder.name}/files/{name}"


async def test_the_files_of_a_run_are_listed(api: httpx.AsyncClient, folder: Path) -> None:
    (folder / "plots").mkdir()
    (folder / "plots" / "a.svg").write_text("<svg/>")
    (folder / ".run.json").write_text("{}")
    (folder / "link.md").symlink_to("report.md")
    listed = (await api.get(f"{RUNS}/{folder.name}/artifacts")).json()
    assert [(each["name"], each["bytes"], each["media_type"]) for each in listed] == [
        ("plots/a.svg", 6, "image/svg+xml"),
        ("report.md", 1000, "text/markdown"),
    ]


async def test_a_file_is_sent_whole_or_in_part(api: httpx.AsyncClient, folder: Path) -> None:
    whole = await api.get(place(folder))
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, TEXT, "bytes")
    for wanted, first, last in (("0-4", 0, 4), ("995-", 995, 999), ("-3", 997, 999), ("990-5000", 990, 999)):
        part = await api.get(place(folder), headers={"range": f"bytes={wanted}"})
        assert (part.status_code, part.content) == (206, TEXT[first : last + 1])
        assert part.headers["content-range"] == f"bytes {first}-{last}/1000"
        assert part.headers["content-length"] == str(last - first + 1)


@pytest.mark.parametrize("wanted", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
async def test_a_range_outside_the_file_is_refused(api: httpx.AsyncClient, folder: Path, wanted: str) -> None:
    answer = await api.get(place(folder), headers={"range": wanted})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */1000")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("wanted", ["bytes=5-1", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=x"])
async def test_what_is_no_single_range_gets_the_whole_file(
    api: httpx.AsyncClient, folder: Path, wanted: str
) -> None:
    answer = await api.get(place(folder), headers={"range": wanted})
    assert (answer.status_code, answer.content) == (200, TEXT)


async def test_a_file_that_the_client_has_is_not_sent_again(api: httpx.AsyncClient, folder: Path) -> None:
    etag = (await api.get(place(folder))).headers["etag"]
    again = await api.get(place(folder), headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    (folder / "report.md").write_bytes(TEXT + b"more")
    changed = await api.get(place(folder), headers={"if-none-match": etag})
    assert (changed.status_code, changed.headers["etag"] == etag) == (200, False)
    resumed = await api.get(place(folder), headers={"range": "bytes=5-", "if-range": etag})
    assert (resumed.status_code, len(resumed.content)) == (200, 1004)


async def test_an_empty_file_is_sent(api: httpx.AsyncClient, folder: Path) -> None:
    (folder / "empty.txt").touch()
    answer = await api.get(place(folder, "empty.txt"))
    assert (answer.status_code, answer.content) == (200, b"")


async def test_head_tells_the_size(api: httpx.AsyncClient, folder: Path) -> None:
    answer = await api.head(place(folder))
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "1000", b"")


@pytest.mark.parametrize(
    ("name", "shown", "how"),
    [
        ("report.html", "text/html; charset=utf-8", "inline"),
        ("plot.svg", "image/svg+xml", "inline"),
        ("report.md", "text/plain; charset=utf-8", "inline"),
        ("scores.csv", "text/plain; charset=utf-8", "inline"),
        ("samples.jsonl", "text/plain; charset=utf-8", "inline"),
        ("report.json", "application/json", "inline"),
        ("weights.npz", "application/octet-stream", "attachment"),
        ("strange.xyz", "application/octet-stream", "attachment"),
    ],
)
async def test_nothing_in_a_file_can_act(
    api: httpx.AsyncClient, folder: Path, name: str, shown: str, how: str
) -> None:
    (folder / name).write_text("<script>alert(1)</script>")
    headers = (await api.get(place(folder, name))).headers
    assert headers["content-type"] == shown
    assert headers["content-disposition"].startswith(how)
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "script" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_download_is_one_whatever_the_file(api: httpx.AsyncClient, folder: Path) -> None:
    for query in ("?download", "?download=", "?download=1"):
        answer = await api.get(place(folder) + query)
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''report.md"


@pytest.mark.parametrize(
    "name",
    [
        "../../data.jsonl",
        "..%2F..%2Fdata.jsonl",
        "%2e%2e/%2e%2e/data.jsonl",
        "plots/../../../data.jsonl",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        ".run.json",
        "plots",
        "link-to-file",
        "link-to-folder/data.jsonl",
        "pipe",
        "report.md%00.txt",
        "report.md/x",
        "x" * 300,
        "a/" * 20 + "a",
    ],
)
async def test_no_name_leads_out_of_the_folder(
    api: httpx.AsyncClient, folder: Path, tmp_path: Path, name: str
) -> None:
    (folder / ".run.json").write_text("{}")
    (folder / "plots").mkdir()
    (folder / "link-to-file").symlink_to(tmp_path / "data.jsonl")
    (folder / "link-to-folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    answer = await api.get(place(folder, name))
    assert answer.status_code == 404, answer.text
    assert "root:" not in answer.text


async def test_a_run_folder_that_is_a_link_is_not_followed(
    api: httpx.AsyncClient, daemon: Daemon, tmp_path: Path
) -> None:
    run = (await api.post(RUNS, json=experiment(tmp_path))).json()["id"]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / run).symlink_to(tmp_path)
    assert (await api.get(f"{RUNS}/{run}/files/data.jsonl")).status_code == 404


async def test_a_folder_in_the_runs_that_the_store_does_not_know_is_not_shown(
    api: httpx.AsyncClient, daemon: Daemon
) -> None:
    (daemon.run_folder("stranger") / "report.md").write_bytes(TEXT)
    assert (await api.get(f"{RUNS}/stranger/files/report.md")).status_code == 404


def opened(folder: Path) -> list[Path]:
    """Files below the folder that this process, and so the server in it, has open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(link.readlink())
    return [path for path in found if folder in path.parents]


async def test_no_descriptor_is_left_open(api: httpx.AsyncClient, folder: Path) -> None:
    for headers in ({}, {"range": "bytes=0-1"}, {"range": "bytes=9999-"}, {"if-none-match": "*"}):
        await api.get(place(folder), headers=headers)
        await api.head(place(folder), headers=headers)
    async with api.stream("GET", place(folder)):
        pass
    while opened(folder):  # noqa: ASYNC110 - the server closes after its last byte; nobody tells
        await asyncio.sleep(0.01)


async def test_a_ticket_opens_one_file_for_a_minute(
    api: httpx.AsyncClient, daemon: Daemon, folder: Path
) -> None:
    made = (await api.post("/api/v1/tickets", json={"path": place(folder)})).json()
    async with daemon.client(headers={}) as stranger:
        assert (await stranger.get(made["url"])).content == TEXT
        ticket = made["url"].partition("?")[2]
        for other in (place(folder, "samples.jsonl"), f"{RUNS}/{folder.name}", RUNS):
            assert (await stranger.get(f"{other}?{ticket}")).status_code == 401
        until, _, signature = ticket.partition(".")
        later = f"{place(folder)}?ticket={int(until.removeprefix('ticket=')) + 60}.{signature}"
        assert (await stranger.get(later)).status_code == 401
        daemon.app.services.now = lambda: made["expires_at"] + 1
        assert (await stranger.get(made["url"])).status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/runs", "/", "", "/api/v1/runs/x/samples"])
async def test_a_ticket_is_for_files_only(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.post("/api/v1/tickets", json={"path": path})
    assert answer.status_code in (400, 422)


async def test_the_trace_is_a_file_of_the_run(api: httpx.AsyncClient, folder: Path) -> None:
    assert (await api.get(f"{RUNS}/{folder.name}/trace")).status_code == 404
    (folder / "trace.json").write_text("[]")
    assert (await api.get(f"{RUNS}/{folder.name}/trace")).json() == []
