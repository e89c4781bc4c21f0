"""The Python client against a served API: what it sends, gives back and raises, and how it reconnects."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import crucible
from crucible.client import find_address
from crucible.messages.errors import (
    ConflictError,
    ConnectionFailedError,
    ExperimentError,
    InputError,
    NotFoundError,
    QuotaError,
)

from .daemon import TOKEN, Daemon, as_stored, experiment, sample


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path).serve_in_thread() as served:
        yield served


@pytest.fixture
def client(daemon: Daemon) -> Iterator[crucible.Client]:
    with crucible.Client(daemon.url, token=TOKEN) as made:
        yield made


def test_an_experiment_is_submitted_and_comes_back_unchanged(client: crucible.Client, tmp_path: Path) -> None:
    wanted = as_stored(experiment(tmp_path))
    submitted = client.submit(wanted, owner="ada", priority=3, labels={"kind": "test"})
    assert submitted.created
    run = client.run(submitted.run.id)
    assert (run.state, run.owner, run.priority, run.labels) == ("queued", "ada", 3, {"kind": "test"})
    assert client.spec(run.id) == wanted
    assert client.runs(owner="ada").runs == (run,)
    assert client.queue().by_state["queued"] == 1


def test_a_file_is_submitted_with_its_folder_as_base(client: crucible.Client, tmp_path: Path) -> None:
    experiment(tmp_path)
    file = tmp_path / "small.json"
    dataset = {"name": "small", "options": {"path": "data.jsonl"}}
    file.write_text(json.dumps(experiment(tmp_path, dataset=dataset)))
    assert client.submit(file).run.base == str(tmp_path)


def test_the_errors_are_those_of_the_library(client: crucible.Client, tmp_path: Path) -> None:
    good = as_stored(experiment(tmp_path))
    client.submit(good, key="k")
    assert not client.submit(good, key="k").created
    with pytest.raises(ConflictError, match="key"):
        client.submit(as_stored(experiment(tmp_path, seed=5)), key="k")
    with pytest.raises(NotFoundError):
        client.run("nobody")
    with pytest.raises(ConflictError):
        client.retry(client.runs().runs[0].id)
    bad = as_stored(experiment(tmp_path, backend={"id": "mokc"}, analysis_adapter="cnss"))
    with pytest.raises(ExperimentError) as caught:
        client.submit(bad)
    assert "backend.id" in {problem.path for problem in caught.value.problems}
    with pytest.raises(InputError, match="priority"):
        client.submit(good, priority=10_000)


@pytest.mark.parametrize("name", ["", "..", "../../etc", "a/b", "<b>", "x" * 161, "a\nb"])
def test_an_id_that_can_be_none_is_not_asked_for(daemon: Daemon, name: str) -> None:
    with crucible.Client("http://127.0.0.1:9", token=TOKEN) as client:  # where nobody listens
        for ask in (client.run, client.logs, client.cancel, client.artifacts):
            with pytest.raises(NotFoundError, match="there is no run '"):
                ask(name)
        with pytest.raises(NotFoundError):
            next(client.events(name))
        with pytest.raises(InputError, match="expected a name of letters"):
            client.drop_schedule(name)


def test_a_folder_of_another_user_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(InputError, match="or set CRUCIBLE_URL and CRUCIBLE_TOKEN"):
        crucible.Client(data=tmp_path)


def test_a_full_queue_is_a_quota_error(tmp_path: Path) -> None:
    small = Daemon(tmp_path, limits={"max_queued": 1})
    with small.serve_in_thread(), crucible.Client(small.url, token=TOKEN) as client:
        client.submit(as_stored(experiment(tmp_path)))
        with pytest.raises(QuotaError):
            client.submit(as_stored(experiment(tmp_path)))


def test_a_wrong_token_is_told_without_it(daemon: Daemon) -> None:
    with crucible.Client(daemon.url, token="wrong-token-of-mine") as stranger:
        with pytest.raises(InputError, match="the token is wrong") as caught:
            stranger.queue()
        assert "wrong-token-of-mine" not in f"{caught.value} {stranger!r} {stranger.address!r}"


def test_a_run_is_paused_resumed_cancelled_and_retried(client: crucible.Client, tmp_path: Path) -> None:
    run = client.submit(as_stored(experiment(tmp_path))).run
    assert client.pause(run.id).state == "paused"
    assert client.resume(run.id).state == "queued"
    cancelled = client.cancel(run.id, "not needed")
    assert cancelled.state == "cancelled"
    assert "not needed" in str(cancelled.reason)
    assert client.retry(run.id).state == "queued"


def test_events_are_read_to_the_end_and_the_run_is_waited_for(
    client: crucible.Client, daemon: Daemon, tmp_path: Path
) -> None:
    run = client.submit(as_stored(experiment(tmp_path))).run
    working = threading.Thread(target=lambda: daemon.there(daemon.work(run.id)))
    working.start()
    assert client.wait(run.id).state == "completed"
    working.join()
    kinds = [event.kind for event in client.events(run.id)]
    assert (kinds[0], kinds[-1]) == ("run.submitted", "run.completed")
    assert [event.kind for event in client.logs(run.id)] == kinds
    assert [event.kind for event in client.events(run.id, after=client.logs(run.id)[0].seq or 0)] == kinds[1:]


def test_a_stream_that_breaks_is_gone_on_with_and_nothing_comes_twice(
    client: crucible.Client, daemon: Daemon, tmp_path: Path
) -> None:
    run = client.submit(as_stored(experiment(tmp_path))).run
    events = client.events(run.id)
    seen = [next(events)]

    async def cut_all_streams() -> None:
        daemon.app.services.stopping.set()
        while daemon.app.services.streams:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        daemon.app.services.stopping.clear()
        await daemon.work(run.id)

    daemon.there(cut_all_streams())
    seen += events
    stored = daemon.there(daemon.store.events(run_id=run.id))
    assert [event.seq for event in seen] == [event.seq for event in stored]


def test_a_daemon_that_goes_away_is_told_when_patience_is_at_its_end(tmp_path: Path) -> None:
    with Daemon(tmp_path).serve_in_thread() as daemon:
        client = crucible.Client(daemon.url, token=TOKEN)
        run = client.submit(as_stored(experiment(tmp_path))).run
        events = client.events(run.id, patience_s=0.3)
        next(events)
    daemon.socket.close()
    with client, pytest.raises(ConnectionFailedError, match="no daemon answers"):
        list(events)


def test_samples_files_and_links_of_a_run(client: crucible.Client, daemon: Daemon, tmp_path: Path) -> None:
    run = client.submit(as_stored(experiment(tmp_path))).run
    folder = daemon.run_folder(run.id)
    (folder / "samples.jsonl").write_bytes(b"".join(sample(number) for number in range(4)))
    (folder / "a report.md").write_text("# report")
    (folder / "50%?.md").write_text("# half")
    page = client.samples(run.id, metric="exact", at_least=1.0, limit=1)
    assert (page.samples[0].id, page.next, page.total) == ("s1", 2, 4)
    assert {each.name for each in client.artifacts(run.id)} == {"samples.jsonl", "a report.md", "50%?.md"}
    for name, text in (("a report.md", "# report"), ("50%?.md", "# half")):
        assert client.read_file(run.id, name).decode() == text
        assert httpx.get(client.link(run.id, name), trust_env=False).text == text


def test_schedules_are_put_listed_and_dropped(client: crucible.Client, tmp_path: Path) -> None:
    made = client.put_schedule("nightly", "0 3 * * *", as_stored(experiment(tmp_path)), priority=2)
    assert (made.id, made.cron, made.priority) == ("nightly", "0 3 * * *", 2)
    assert client.schedules() == [made]
    assert not client.pause_schedule("nightly").enabled
    assert client.resume_schedule("nightly") == made
    client.drop_schedule("nightly")
    assert client.schedules() == []
    with pytest.raises(NotFoundError):
        client.drop_schedule("nightly")
    with pytest.raises(InputError, match="expected five fields"):
        client.put_schedule("odd", "every day", as_stored(experiment(tmp_path)))


def test_the_live_side_and_the_daemons_are_shown(client: crucible.Client, daemon: Daemon) -> None:
    view = client.live()
    assert view.actors.children[0].mailbox == 3
    assert view.status == daemon.live.status()
    assert client.daemons() == []


async def test_the_asynchronous_client_does_the_same(tmp_path: Path) -> None:
    async with Daemon(tmp_path).serve() as daemon, crucible.AsyncClient(daemon.url, token=TOKEN) as client:
        run = (await client.submit(as_stored(experiment(tmp_path)), key="k")).run
        waiting = asyncio.ensure_future(client.wait(run.id))
        await daemon.work(run.id)
        assert (await waiting).state == "completed"
        kinds = [event.kind async for event in client.events(run.id)]
        assert kinds[-1] == "run.completed"
        with pytest.raises(ConflictError):
            await client.submit(as_stored(experiment(tmp_path, seed=5)), key="k")


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, Any]:
        return {name: value.__doc__ for name, value in vars(kind).items() if not name.startswith("_")}

    renamed = {"aclose": "close"}
    found = {renamed.get(name, name): doc for name, doc in methods(crucible.AsyncClient).items()}
    assert found == methods(crucible.Client)


# where the daemon is


def leave_address(folder: Path, url: str = "http://127.0.0.1:1") -> None:
    (folder / "address.json").write_text(json.dumps({"url": url, "pid": 1}))
    (folder / "token").write_text("token-of-the-folder\n")


def test_the_daemon_is_found_by_its_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CRUCIBLE_URL", "CRUCIBLE_TOKEN", "CRUCIBLE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConnectionFailedError, match="start one with: crucible serve"):
        find_address()
    (tmp_path / "crucible-data").mkdir()
    leave_address(tmp_path / "crucible-data")
    assert (find_address().url, find_address().token) == ("http://127.0.0.1:1", "token-of-the-folder")
    monkeypatch.setenv("CRUCIBLE_URL", "http://127.0.0.1:2/")
    assert find_address().url == "http://127.0.0.1:2"
    monkeypatch.setenv("CRUCIBLE_TOKEN", "of-the-environment")
    assert find_address().token == "of-the-environment"
    assert find_address("http://[::1]:3", "mine").url == "http://[::1]:3"
    assert find_address(data=tmp_path / "crucible-data").token == "token-of-the-folder"


@pytest.mark.parametrize(
    "url", ["ftp://x", "localhost:8765", "http://", "http://u:p@x", "http://x/?a=1", "x" * 9]
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="expected an address such as"):
        find_address(url, "token")


@pytest.mark.parametrize("token", ["two words", "é", "line\nbreak"])
def test_a_token_that_cannot_be_one_is_refused(token: str) -> None:
    with pytest.raises(InputError, match="one word of printable ASCII"):
        find_address("http://localhost", token)


def test_an_address_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "address.json").write_text("{")
    with pytest.raises(InputError, match=r"address\.json: cannot read"):
        find_address(data=tmp_path)


def test_a_daemon_that_does_not_run_is_told_at_once(tmp_path: Path) -> None:
    with crucible.Client("http://127.0.0.1:9", token=TOKEN) as client:
        for call in (client.queue, lambda: list(client.events("x"))):
            with pytest.raises(ConnectionFailedError, match="start one with: crucible serve"):
                call()
