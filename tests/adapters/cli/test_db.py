"""``crucible db`` on both databases."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.support.postgres import PostgresServer, binaries
from tests.support.queue import daemon, new_run, stage

from crucible.actors.store import Store
from crucible.adapters.cli.app import invoke
from crucible.adapters.stores import SqliteStore
from crucible.adapters.stores.postgres import PostgresStore
from crucible.messages.queue import Settlement


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(fsync=False)
    yield server
    server.remove()


async def fill(store: Store) -> None:
    await store.register(daemon(), max_interruptions=3)
    for number in range(3):
        await store.submit(new_run(f"r{number}", spec=b'{"n":%d}' % number))
    (lease,) = await store.claim("d1", limit=1, ttl_s=30.0)
    await store.record_stage(stage("r0", lease.token, result=b"\xff\x00"))
    await store.settle("r0", lease.token, Settlement(state="completed"))
    await store.aclose()


@pytest.fixture(params=["sqlite", "postgres", "sqlite by settings", "postgres by settings"])
def queue(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments that name a queue with three runs."""
    settings = tmp_path / "crucible.toml"
    by_settings = request.param.endswith("by settings")
    if request.param.startswith("sqlite"):
        asyncio.run(_sqlite(tmp_path))
        settings.write_text(f"data = {json.dumps(str(tmp_path))}\n")
        return ["--config", str(settings)] if by_settings else ["--data", str(tmp_path)]
    settings.write_text('[store]\nkind = "postgres"\nurl = "env:QUEUE_URL"\n')
    monkeypatch.setenv("QUEUE_URL", request.getfixturevalue("server").url)
    asyncio.run(_postgres(request.getfixturevalue("server").url))
    return ["--config", str(settings)] if by_settings else ["--url", "env:QUEUE_URL"]


def named(queue: list[str], folder: Path) -> str:
    """How the lines on a queue begin."""
    if queue[0] != "--config":
        return queue[1]
    return "env:QUEUE_URL" if "postgres" in Path(queue[1]).read_text() else str(folder)


async def _sqlite(folder: Path) -> None:
    await fill(await SqliteStore.open(folder))


async def _postgres(url: str) -> None:
    admin = await asyncpg.connect(url)
    await admin.execute("DROP SCHEMA IF EXISTS crucible CASCADE")
    await admin.close()
    await fill(await PostgresStore.open("env:QUEUE_URL"))


def test_check_says_what_is_there(
    queue: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["db", "check", *queue]) == 0
    out = capsys.readouterr().out
    assert f"{named(queue, tmp_path)}: schema 1, sound" in out
    assert "  runs: 1 completed, 2 queued\n" in out
    assert "  rows: 3 run, 3 spec, 1 stage, 6 event, 1 daemon\n" in out
    assert invoke(["db", "check", *queue, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["runs"], found["problems"]) == (1, {"completed": 1, "queued": 2}, [])


def test_check_tells_what_is_not_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_sqlite(tmp_path))
    database = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    database.execute("UPDATE run SET daemon = 'ghost' WHERE id = 'r1'")
    database.execute("DELETE FROM spec WHERE run_id = 'r2'")
    database.execute("INSERT INTO effect VALUES ('k', 'gone', 's', 0, 'intent', NULL)")
    database.close()
    assert invoke(["db", "check", "--data", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "NOT SOUND" in out
    assert "  run r1: has a lease, but is not running\n" in out
    assert "  run r2: has lost its experiment\n" in out
    assert "of effect: its run is gone\n" in out


def test_export_writes_every_row(queue: list[str], tmp_path: Path, capfdbinary: Any) -> None:
    assert invoke(["db", "export", *queue]) == 0
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    tables = [line["table"] for line in lines]
    assert tables == ["run"] * 3 + ["spec"] * 3 + ["stage"] + ["event"] * 6 + ["daemon"]
    assert [line["id"] for line in lines[:3]] == ["r0", "r1", "r2"]
    assert [line["body"] for line in lines[3:6]] == ['{"n":0}', '{"n":1}', '{"n":2}']
    assert lines[6]["result"] == {"base64": "/wA="}
    file = tmp_path / "queue.jsonl"
    assert invoke(["db", "export", *queue, "--output", str(file)]) == 0
    assert [json.loads(line) for line in file.read_bytes().splitlines()] == lines
    assert file.stat().st_mode & 0o777 == 0o600
    assert invoke(["db", "export", *queue, "--output", str(file)]) == 2


def test_upgrade_and_vacuum_leave_everything_there(
    queue: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["db", "upgrade", *queue]) == 0
    assert "schema 1 is up to date" in capsys.readouterr().out
    assert invoke(["db", "vacuum", *queue]) == 0
    assert invoke(["db", "check", *queue]) == 0
    assert "3 run, 3 spec" in capsys.readouterr().out


def test_upgrade_makes_a_queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["db", "upgrade", "--data", str(tmp_path / "new")]) == 0
    assert "schema 0 is now schema 1" in capsys.readouterr().out


def test_the_folder_is_the_one_that_the_other_commands_look_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_DATA", str(tmp_path / "named"))
    assert invoke(["db", "upgrade"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/named: ")
    settings = tmp_path / "crucible.toml"
    settings.write_text('[log]\nlevel = "info"\n')
    monkeypatch.chdir(tmp_path)
    assert invoke(["db", "upgrade", "--config", str(settings)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/named: ")  # as of crucible serve
    monkeypatch.delenv("CRUCIBLE_DATA")
    assert invoke(["db", "upgrade", "--config", str(settings)]) == 0
    assert capsys.readouterr().out.startswith("crucible-data: ")
    assert invoke(["db", "upgrade", "--config", str(settings), "--data", "other"]) == 0
    assert capsys.readouterr().out.startswith("other: ")


POSTGRES = '[store]\nkind = "postgres"\nurl = "env:NOWHERE"\n'


@pytest.mark.parametrize("verb", ["check", "export", "upgrade", "vacuum"])
@pytest.mark.parametrize(
    ("settings", "arguments", "told"),
    [
        ('[store]\nkind = "memory"\n', (), "store.kind: memory keeps nothing that could be looked after"),
        ('[store]\nkind = "sqlit"\n', (), "crucible.toml:2: store.kind: expected one of"),
        (POSTGRES, (), "NOWHERE"),
        (POSTGRES, ("--data", "x"), "--data has no effect"),
        ("", ("--url", "env:NOWHERE"), "--url names the queue: expected no --config"),
        (None, ("--url", "env:NOWHERE", "--data", "x"), "--url names the queue: expected no --data"),
    ],
)
def test_options_that_name_no_queue_are_told_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    settings: str | None,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    file = tmp_path / "crucible.toml"
    config = ["--config", str(file)] if settings is not None else []
    file.write_text(settings or "")
    assert invoke(["db", verb, *config, *arguments]) == 2
    err = capsys.readouterr().err
    assert (told in err, len(err.splitlines())) == (True, 1)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("verb", ["check", "export", "vacuum"])
def test_a_queue_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert invoke(["db", verb, "--data", str(tmp_path / "nothing")]) == 2
    assert "nothing: holds no queue: expected queue.db in it" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_a_database_without_a_queue_is_told_so(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMPTY_URL", server.url.replace("/postgres?", "/template1?"))
    assert invoke(["db", "check", "--url", "env:EMPTY_URL"]) == 2
    assert "env:EMPTY_URL: holds no queue: run crucible db upgrade first" in capsys.readouterr().err


READ_ALL = ("GRANT USAGE ON SCHEMA crucible TO ada", "GRANT SELECT ON ALL TABLES IN SCHEMA crucible TO ada")
READ_NO_SPEC = (*READ_ALL, "REVOKE SELECT ON crucible.spec, crucible.schema_version FROM ada")
READ_NO_RUNS = (*READ_ALL, "REVOKE SELECT ON crucible.run FROM ada")
READ_NOTHING = ("SELECT 1",)


@pytest.fixture
def as_ada(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """A queue with three runs, one of them without its spec, at the address of a user with some rights."""

    async def grant() -> None:
        await _postgres(server.url)
        admin = await asyncpg.connect(server.url)
        await admin.execute("DROP ROLE IF EXISTS ada")
        for statement in ("CREATE ROLE ada LOGIN", *request.param):
            await admin.execute(statement)
        await admin.execute("DELETE FROM crucible.spec WHERE run_id = 'r2'")
        await admin.close()

    async def drop() -> None:
        admin = await asyncpg.connect(server.url)
        await admin.execute("DROP OWNED BY ada")
        await admin.execute("DROP ROLE ada")
        await admin.close()

    monkeypatch.setenv("QUEUE_URL", server.url)
    asyncio.run(grant())
    monkeypatch.setenv("QUEUE_URL", server.url.replace("crucible@", "ada@"))
    yield
    asyncio.run(drop())


@pytest.mark.parametrize(
    ("as_ada", "code", "told", "unchecked"),
    [
        (READ_ALL, 1, ["schema 1, NOT SOUND", "  run r2: has lost its experiment"], []),
        (
            READ_NO_SPEC,
            0,
            [
                "schema unknown, sound as far as it may be read",
                "  runs: 1 completed, 2 queued",
                "  rows: 3 run, 1 stage, 6 event, 1 daemon",
                "  not checked, since the user may not read them: schema_version, spec",
            ],
            ["schema_version", "spec"],
        ),
        (
            READ_NO_RUNS,
            0,
            [
                "schema 1, sound as far as it may be read",
                "  rows: 2 spec, 1 stage, 6 event, 1 daemon",
                "  not checked, since the user may not read them: run",
            ],
            ["run"],
        ),
    ],
    indirect=["as_ada"],
)
@pytest.mark.usefixtures("as_ada")
def test_check_says_what_a_user_of_postgresql_may_not_read(
    capsys: pytest.CaptureFixture[str], code: int, told: list[str], unchecked: list[str]
) -> None:
    assert invoke(["db", "check", "--url", "env:QUEUE_URL"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(told[0])
    assert lines[-len(told) + 1 :] == told[1:]
    assert invoke(["db", "check", "--url", "env:QUEUE_URL", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["unchecked"] == unchecked


@pytest.mark.parametrize("as_ada", [READ_NOTHING], indirect=True)
@pytest.mark.parametrize("verb", ["check", "export"])
@pytest.mark.usefixtures("as_ada")
def test_who_may_not_look_into_the_schema_is_told_so_and_not_that_it_is_empty(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert invoke(["db", verb, "--url", "env:QUEUE_URL"]) == 2
    assert "may not look into the schema crucible: GRANT USAGE" in capsys.readouterr().err


@pytest.mark.parametrize("as_ada", [READ_ALL], indirect=True)
@pytest.mark.usefixtures("as_ada")
def test_a_vacuum_that_the_server_skipped_is_not_told_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["db", "vacuum", "--url", "env:QUEUE_URL"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert (said.err.count('"run"'), len(said.err.splitlines())) == (1, 1)
    assert said.err.endswith(": be the owner of the tables\n")


async def _of_its_own(url: str) -> None:
    """An empty schema that somebody else made for a user who may make none."""
    admin = await asyncpg.connect(url)
    await admin.execute("DROP SCHEMA IF EXISTS crucible CASCADE")
    await admin.execute("CREATE ROLE bob LOGIN")
    await admin.execute("CREATE SCHEMA crucible AUTHORIZATION bob")
    await admin.close()


def test_a_user_who_may_make_no_schema_makes_a_queue_in_the_one_that_was_made_for_it(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_of_its_own(server.url))
    monkeypatch.setenv("QUEUE_URL", server.url.replace("crucible@", "bob@"))
    assert invoke(["db", "upgrade", "--url", "env:QUEUE_URL"]) == 0
    assert "schema 0 is now schema 1" in capsys.readouterr().out


async def _held(folder: Path, verb: str) -> int:
    store = await SqliteStore.open(folder)
    await store.submit(new_run("live"))
    code = await asyncio.to_thread(invoke, ["db", verb, "--data", str(folder)])
    await store.aclose()
    return code


@pytest.mark.parametrize(("verb", "code"), [("check", 0), ("export", 0), ("upgrade", 2), ("vacuum", 2)])
def test_beside_a_daemon_one_may_look_but_not_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, code: int
) -> None:
    assert asyncio.run(_held(tmp_path, verb)) == code
    assert ("is in use by process" in capsys.readouterr().err) == (code == 2)
