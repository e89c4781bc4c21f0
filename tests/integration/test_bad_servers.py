"""Model servers that fail, as a user meets them: one line or a counted failure, no secret told.

Every fault is real: a server process that plays it, a port where nobody listens, a name that does not exist.
"""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from .fault_server import FaultServer, running_process
from .support import Ran, Workbench, row

KEY = "sk-test-1234567890"
NUMBERS = itertools.count(1)
ROWS = 3


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running_process() as port:
        yield port


@pytest.fixture
def server(port: int) -> FaultServer:
    return FaultServer(port, f"run{next(NUMBERS)}")


@pytest.fixture
def bench(tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Workbench:
    monkeypatch.setenv("CRUCIBLE_TEST_KEY", KEY)
    made = Workbench(tmp_path, capsys)
    made.write_rows([row(number) for number in range(ROWS)])
    return made


def openai(url: str, **options: Any) -> dict[str, Any]:
    given = {"model": "m", "base_url": url, "api_key": "env:CRUCIBLE_TEST_KEY", **options}
    return {"id": "openai", "options": given}


def pipeline(**options: Any) -> list[dict[str, Any]]:
    call = {"backoff_s": 0.0, "max_attempts": 2, "timeout_s": 20.0, **options}
    return [{"name": "data_load"}, {"name": "backend_call", "options": call}, {"name": "report"}]


def samples(bench: Workbench) -> list[dict[str, Any]]:
    (folder,) = bench.runs()
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def record(bench: Workbench) -> dict[str, Any]:
    (folder,) = bench.runs()
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def call_metrics(bench: Workbench) -> dict[str, Any]:
    found: dict[str, Any] = next(
        s["metrics"] for s in record(bench)["stages"] if s["stage"] == "backend_call"
    )
    return found


def told_nothing_secret(bench: Workbench, ran: Ran) -> bool:
    written = [path.read_bytes() for path in bench.out.rglob("*") if path.is_file()]
    said = [ran.out.encode(), ran.err.encode()]
    return not any(KEY.encode() in text or KEY[:10].encode() in text for text in (*written, *said))


FINAL, TRANSIENT = 1, 2  # attempts made
FAULTS = [
    ("unauthorized", FINAL, "BackendError: HTTP 401: authentication was refused (invalid_api_key)"),
    ("quoting", FINAL, "BackendError: HTTP 400: you sent ***"),
    ("no_model", FINAL, "BackendError: HTTP 404: The model `m` does not exist"),
    ("redirect", FINAL, "BackendError: HTTP 307: a redirect was refused"),
    ("huge", FINAL, "BackendError: the reply is longer than max_reply_bytes = 100000"),
    ("rate_limited_for_a_day", FINAL, "BackendError: HTTP 429: come back tomorrow (wait 86400 s"),
    ("broken", TRANSIENT, "OverloadedError: HTTP 500: Internal Server Error"),
    ("hang_up", TRANSIENT, "ConnectionFailedError: the server closed the connection without an answer"),
    ("reset", TRANSIENT, "ConnectionFailedError: the connection broke"),
    ("cut_length", TRANSIENT, "MalformedReplyError: the reply was cut off"),
    ("cut_chunk", TRANSIENT, "MalformedReplyError: the reply was cut off"),
    ("half_json", TRANSIENT, "MalformedReplyError: the reply is not what was expected"),
    ("bad_utf8", TRANSIENT, "MalformedReplyError: the reply is not what was expected: 'utf-8' codec"),
    ("html", TRANSIENT, "MalformedReplyError: the reply is not what was expected (content type text/html)"),
    ("no_http", TRANSIENT, "MalformedReplyError: the reply does not begin like HTTP/1.1"),
    ("silent", TRANSIENT, "TimedOutError: no answer within 0.2 s"),
    ("drip", TRANSIENT, "TimedOutError: no answer within 0.2 s"),
]


@pytest.mark.parametrize(("behaviour", "attempts", "said"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_ends_the_run_or_is_counted_as_configured(
    bench: Workbench, server: FaultServer, behaviour: str, attempts: int, said: str
) -> None:
    model = openai(server.url(behaviour), max_reply_bytes=100_000)
    patience = {"timeout_s": 0.2} if "0.2 s" in said else {}
    strict = bench.run(bench.experiment(backend=model, pipeline=pipeline(**patience)), "--quiet")
    assert (strict.code, strict.out, len(strict.lines)) == (1, "", 1), strict.err
    assert strict.err.startswith(f"crucible: run failed: backend_call: openai: {said}")
    assert f" (1 of {ROWS} requests failed, more than max_failed = 0.1)" in strict.err
    assert (record(bench)["status"], record(bench)["failure_kind"]) == ("failed", "stage")
    assert told_nothing_secret(bench, strict)

    bench.out = bench.folder / "lenient"
    ran = bench.run(bench.experiment(backend=model, pipeline=pipeline(max_failed=1.0, **patience)), "--quiet")
    assert (ran.code, ran.err) == (0, "")
    outputs = [sample["outputs"]["openai"] for sample in samples(bench)]
    assert [(output["attempts"], output.get("text", "")) for output in outputs] == [(attempts, "")] * ROWS
    assert all(output["error"].startswith(said) for output in outputs)
    counted = call_metrics(bench)["systems"]["openai"]
    assert (counted["asked"], counted["failed"]) == (ROWS, ROWS)
    assert counted["retries"] == ROWS * (attempts - 1)
    assert told_nothing_secret(bench, ran)


def test_a_storm_of_rate_limits_is_waited_out_and_counted(bench: Workbench, server: FaultServer) -> None:
    ran = bench.run(bench.experiment(backend=openai(server.url("storm")), pipeline=pipeline()), "--quiet")
    assert (ran.code, ran.err) == (0, "")
    counted = call_metrics(bench)["systems"]["openai"]
    assert (counted["failed"], counted["retries"]) == (0, ROWS)
    assert len(server.requests()) == 2 * ROWS


def nobody_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@pytest.mark.parametrize("kind", ["down", "unknown name", "no TLS"])
def test_a_server_that_cannot_be_reached_is_named(bench: Workbench, server: FaultServer, kind: str) -> None:
    url = {
        "down": nobody_listens(),
        "unknown name": "http://no-such-host.invalid:81/v1",
        "no TLS": server.url("ok").replace("http:", "https:"),
    }[kind]
    ran = bench.run(bench.experiment(backend=openai(url), pipeline=pipeline()), "--quiet")
    assert (ran.code, ran.out, len(ran.lines)) == (1, "", 1), ran.err
    assert "backend_call: openai: ConnectionFailedError: " in ran.err
    assert url.split("/")[2] in ran.err
    assert server.requests() == []


def test_the_installed_command_says_the_same(bench: Workbench, server: FaultServer) -> None:
    file = bench.experiment(backend=openai(server.url("half_json")), pipeline=pipeline())
    ran = bench.command("run", file, "--out", bench.out, "--quiet")
    assert (ran.code, ran.out, len(ran.lines)) == (1, "", 1), ran.err
    assert "backend_call: openai: MalformedReplyError: the reply is not what was expected" in ran.err


# baselines and members


def test_a_baseline_that_fails_ends_the_run_by_its_name(bench: Workbench, server: FaultServer) -> None:
    old = {**openai(server.url("no_model")), "name": "old"}
    ran = bench.run(bench.experiment(baselines=[old], pipeline=pipeline()), "--quiet")
    assert (ran.code, len(ran.lines)) == (1, 1)
    assert "backend_call: old: BackendError: HTTP 404" in ran.err
    assert "(1 of 3 requests failed, " in ran.err


def jury(server: FaultServer, *behaviours: str, **config: Any) -> dict[str, Any]:
    members = [
        {**openai(server.url(behaviour), model=f"m-{number}"), "name": f"{behaviour}-{number}"}
        for number, behaviour in enumerate(behaviours)
    ]
    return {"ensemble": {"strategy": "majority", "members": members, **config}}


def test_a_member_that_fails_is_noted_and_the_vote_goes_on(bench: Workbench, server: FaultServer) -> None:
    voting = jury(server, "ok", "ok", "broken", early_stop="off")
    ran = bench.run(bench.experiment(reliability=voting, pipeline=pipeline()), "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert "note: backend_call: member broken-2: OverloadedError: " in ran.out
    assert " (3 of 3 requests failed, more than max_failed = 0.1)" in ran.out
    assert call_metrics(bench)["systems"]["mock"]["failed"] == 0


@pytest.mark.parametrize("config", [{}, {"early_stop": "off"}, {"quorum": 3}], ids=str)
def test_votes_that_are_lost_because_members_fail_end_the_run(
    bench: Workbench, server: FaultServer, config: dict[str, Any]
) -> None:
    voting = jury(server, "ok", "broken", "no_model", **config)
    ran = bench.run(bench.experiment(reliability=voting, pipeline=pipeline()), "--quiet")
    assert (ran.code, ran.out, len(ran.lines)) == (1, "", 1), ran.out
    assert "backend_call: mock: " in ran.err
    assert "(1 of 3 requests failed, more than max_failed = 0.1)" in ran.err
    assert "no_model-2: BackendError: HTTP 404" in ran.err


# what is missing shows before anything is spent


@pytest.mark.parametrize("place", ["backend", "baselines", "members"])
@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_missing_key_is_told_before_anything_is_asked(
    bench: Workbench, server: FaultServer, monkeypatch: pytest.MonkeyPatch, place: str, command: str
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    without = {**openai(server.url("ok"), api_key="env:NO_SUCH_KEY"), "name": "b"}
    there = openai(server.url("ok"))
    changes: dict[str, dict[str, Any]] = {
        "backend": {"backend": without},
        "baselines": {"backend": there, "baselines": [without]},
        "members": {
            "backend": there,
            "reliability": {"ensemble": {"strategy": "majority", "members": [{"id": "mock"}, without]}},
        },
    }
    path = {
        "backend": "backend.options.api_key",
        "baselines": "baselines[0].options.api_key",
        "members": "reliability.ensemble.members[1].options.api_key",
    }[place]
    file = bench.experiment(pipeline=pipeline(), **changes[place])
    ran = bench.run(file) if command == "run" else bench.crucible("validate", file)
    assert (ran.code, ran.out, len(ran.lines)) == (2, "", 1), ran.err
    said = f"{path}: environment variable NO_SUCH_KEY is not set: expected the secret in it"
    assert ran.err.startswith(f"crucible: {file}:")
    assert ran.err.endswith(f": {said}\n")
    assert bench.runs() == []
    assert server.requests() == []


def test_keys_of_what_is_not_opened_are_not_needed(
    bench: Workbench, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    lends_its_name = openai(server.url("ok"), api_key="env:NO_SUCH_KEY")
    members: list[dict[str, Any]] = [
        {"id": "mock", "name": name, "options": {"default": name}} for name in ("a", "b")
    ]
    voting = {"ensemble": {"strategy": "majority", "members": members}}
    file = bench.experiment(backend=lends_its_name, reliability=voting, pipeline=pipeline())
    assert bench.run(file, "--quiet").code == 0
    asks_nothing = bench.experiment(backend=lends_its_name, pipeline=[{"name": "data_load"}])
    assert bench.crucible("validate", asks_nothing).code == 0


# ensembles and hedging that make no sense

MEMBERS = [{"id": "mock", "name": "a"}, {"id": "mock", "name": "b", "options": {"default": "x"}}]


@pytest.mark.parametrize(
    ("reliability", "call", "said"),
    [
        (
            {"ensemble": {"strategy": "majority"}},
            {},
            "reliability.ensemble.members: strategy 'majority' needs at",
        ),
        (
            {"ensemble": {"strategy": "majority", "members": MEMBERS[:1]}},
            {},
            "reliability.ensemble.members: strategy 'majority' needs at least 2 members, got 1",
        ),
        (
            {"ensemble": {"strategy": "mayority", "members": MEMBERS}},
            {},
            "reliability.ensemble.strategy: expected one of 'none', 'majority', 'weighted'",
        ),
        (
            {"ensemble": {"strategy": "weighted", "members": MEMBERS, "weights": [1, 2, 3]}},
            {},
            "reliability.ensemble.weights: expected one for each of the 2 members, got 3",
        ),
        (
            {"ensemble": {"strategy": "weighted", "members": MEMBERS, "weights": [1, -2]}},
            {},
            "reliability.ensemble.weights[1]: expected float >= 0, got -2",
        ),
        (
            {"ensemble": {"strategy": "majority", "members": MEMBERS, "quorum": 3}},
            {},
            "reliability.ensemble.quorum: expected at most the 2 members, got 3",
        ),
        (
            {"hedging": {"strategy": "fixed", "delay_ms": 5}},
            {"mode": "train"},
            "reliability.hedging.strategy: mode 'train' asks nothing, and training is never hedged",
        ),
        ({"hedging": {"strategy": "fixed"}}, {}, "reliability.hedging.delay_ms: "),
        ({"hedging": {"strategy": "sometimes"}}, {}, "reliability.hedging.strategy: expected one of 'off', "),
    ],
)
@pytest.mark.parametrize("command", ["validate", "run"])
def test_what_makes_no_sense_is_one_line_with_its_place(
    bench: Workbench, reliability: dict[str, Any], call: dict[str, Any], said: str, command: str
) -> None:
    model = {"id": "mock", "options": {"losses": [1.0]}}
    file = bench.experiment(backend=model, reliability=reliability, pipeline=pipeline(**call))
    ran = bench.run(file) if command == "run" else bench.crucible("validate", file)
    assert (ran.code, ran.out, len(ran.lines)) == (2, "", 1), ran.err
    assert said in ran.err
    assert bench.runs() == []
