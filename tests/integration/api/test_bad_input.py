"""What the API refuses, how it says so, and that nothing is queued by it."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

import crucible
from crucible.adapters.http import create_app
from crucible.adapters.stores.memory import MemoryStore
from crucible.messages.settings import Settings

from ..daemon import TOKEN, Daemon, StillLive, experiment

RUNS = "/api/v1/runs"
PROBLEM = "application/problem+json"


# One daemon for all: nothing here changes it.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path_factory.mktemp("data")).serve() as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    async with daemon.client() as client:
        yield client


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def nothing_is_queued(daemon: Daemon) -> AsyncIterator[None]:
    yield
    assert (await daemon.store.runs()).runs == ()


async def post(api: httpx.AsyncClient, body: bytes | str, kind: str = "application/json") -> httpx.Response:
    answer = await api.post(RUNS, content=body, headers={"content-type": kind})
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["status"] == answer.status_code
    return answer


# specs


async def test_every_problem_of_an_experiment_is_told_at_once_with_its_line(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    content = experiment(tmp_path, seed=-1, backend={"id": "mokc"}, colour="red")
    answer = await post(api, json.dumps(content, indent=1))
    errors = {each["path"]: each for each in answer.json()["errors"]}
    assert (answer.status_code, answer.json()["code"]) == (422, "input")
    assert {"seed", "colour"} <= errors.keys()
    assert all(each["line"] for each in errors.values())


async def test_what_only_the_engine_knows_is_told_too(api: httpx.AsyncClient, tmp_path: Path) -> None:
    pipeline = [{"name": "data_load"}, {"name": "backend_cal"}, {"name": "bench", "options": {"x": 1}}]
    answer = await post(api, json.dumps(experiment(tmp_path, pipeline=pipeline, backend={"id": "mokc"})))
    errors = {each["path"]: each["message"] for each in answer.json()["errors"]}
    assert answer.status_code == 422
    assert "did you mean 'backend_call'" in errors["pipeline[1].name"]
    assert "did you mean 'mock'" in errors["backend.id"]
    assert "pipeline[2].options.x" in errors


async def test_an_error_of_decoding_hides_nothing_else(api: httpx.AsyncClient, tmp_path: Path) -> None:
    pipeline = [
        {"name": "backend_call"},
        {"name": "data_load"},
        {"name": "bench", "options": {"metrics": ["f"]}},
    ]
    dataset = {"name": "d", "split": "tset", "options": {"path": "nothere.jsonl"}}
    body = experiment(tmp_path, seed=-1, backend={"id": "mokc"}, pipeline=pipeline, dataset=dataset)
    answer = await post(api, json.dumps(body, indent=1))
    errors = [each["path"] for each in answer.json()["errors"]]
    assert answer.status_code == 422
    assert sorted(errors) == [
        "backend.id",
        "dataset.options.path",
        "dataset.split",
        "pipeline[1].name",
        "pipeline[2].options.metrics[0]",
        "seed",
    ]
    assert [each["line"] for each in answer.json()["errors"]] == sorted(
        each["line"] for each in answer.json()["errors"]
    )


async def test_an_experiment_without_data_has_its_other_problems_told(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = {k: v for k, v in experiment(tmp_path, backend={"id": "mokc"}).items() if k != "dataset"}
    answer = await post(api, json.dumps(body))
    assert {each["path"] for each in answer.json()["errors"]} == {"dataset", "backend.id"}


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        ("{", "application/json", "JSON syntax"),
        ("", "application/json", "is empty"),
        ("[]", "application/json", "expected a table at the top level, got a list"),
        ("null", "application/json", "expected a table"),
        ("id = ", "application/toml", "TOML syntax"),
        (b"\xff\xfe{", "application/json", "UTF-16"),
        (b'{"id": "\xc3"}', "application/json", "not UTF-8"),
        ('{"id": 1, "id": 2}', "application/json", "key is given twice"),
        ('{"id": "\\ud800"}', "application/json", "id"),
        ("{}", "application/json", "id"),
    ],
)
async def test_a_malformed_spec_is_told_in_one_line(
    api: httpx.AsyncClient, body: bytes | str, kind: str, told: str
) -> None:
    answer = await post(api, body, kind)
    assert answer.status_code == 422
    assert told in answer.json()["detail"] + json.dumps(answer.json()["errors"])
    assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize("levels", [33, 100_000])
@pytest.mark.parametrize("form", ["json", "toml", "toml key"])
async def test_a_deeply_nested_spec_is_refused(api: httpx.AsyncClient, levels: int, form: str) -> None:
    nested = "[" * levels + "]" * levels
    bodies = {
        "json": f'{{"metadata": {nested}}}',
        "toml": f"metadata = {nested}",
        "toml key": "a." * levels + "a = 1",
    }
    answer = await post(api, bodies[form], f"application/{form[:4]}")
    assert answer.status_code == 422
    assert "nested deeper than 32 levels" in answer.json()["detail"]


async def test_of_very_many_problems_the_first_are_told(api: httpx.AsyncClient, tmp_path: Path) -> None:
    answer = await post(api, json.dumps(experiment(tmp_path) | {f"k{n}": 1 for n in range(5000)}))
    assert answer.json()["detail"] == "5000 problems in the experiment, of which these are 100"
    assert len(answer.json()["errors"]) == 100


async def test_an_oversized_body_is_refused_before_it_is_read(api: httpx.AsyncClient, daemon: Daemon) -> None:
    answer = await post(api, b" " * (daemon.settings.limits.max_body_bytes + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    most = daemon.settings.limits.max_body_bytes
    assert answer.json()["detail"] == f"the body is larger than limits.max_body_bytes allows: {most} bytes"


async def test_an_oversized_body_without_a_length_is_cut_off(api: httpx.AsyncClient, daemon: Daemon) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(daemon.settings.limits.max_body_bytes // 65536 + 1):
            yield b" " * 65536

    answer = await api.post(RUNS, content=pieces(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_too_many_stages_are_refused(api: httpx.AsyncClient, tmp_path: Path) -> None:
    pipeline = [{"name": "data_load"}] * 65
    answer = await post(api, json.dumps(experiment(tmp_path, pipeline=pipeline)))
    assert "limits.max_stages allows 64" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_another_content_type_is_refused(api: httpx.AsyncClient, kind: str) -> None:
    assert (await post(api, "{}", kind)).status_code == 415


async def test_a_data_file_that_is_not_there_is_told_at_once(api: httpx.AsyncClient, tmp_path: Path) -> None:
    content = experiment(tmp_path, dataset={"name": "x", "options": {"path": "nowhere.jsonl"}})
    answer = await post(api, json.dumps(content))
    assert answer.json()["errors"][0]["path"] == "dataset.options.path"
    assert answer.json()["detail"].count("no such file (looked in ") == 1
    assert answer.json()["detail"].count(str(Path.cwd())) == 1


async def test_a_function_by_its_name_is_never_imported(api: httpx.AsyncClient, tmp_path: Path) -> None:
    ensemble = {
        "strategy": "majority",
        "normalizer": "antigravity:fly",
        "members": [{"id": "mock", "name": "a"}, {"id": "mock", "name": "b", "options": {"seed": 2}}],
    }
    answer = await post(api, json.dumps(experiment(tmp_path, reliability={"ensemble": ensemble})))
    assert answer.json()["errors"][0]["path"] == "reliability.ensemble.normalizer"
    assert "plug-in" in answer.json()["detail"]
    assert "antigravity" not in sys.modules


async def test_a_secret_in_the_spec_is_refused_and_not_repeated(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    backend = {"id": "openai", "options": {"model": "m", "api_key": "sk-very-secret"}}
    answer = await post(api, json.dumps(experiment(tmp_path, backend=backend)))
    assert answer.status_code == 422
    assert "sk-very-secret" not in answer.text


@pytest.mark.parametrize(
    "params",
    [
        {"priority": "high"},
        {"priority": 1001},
        {"deadline_s": 0},
        {"max_attempts": 0},
        {"owner": ""},
        {"owner": "a\nb"},
        {"run_at": "tomorrow"},
        {"run_at": "2100-01-01T00:00:00"},
        {"run_at": "nan"},
        {"label": "nocolon"},
        {"base": "relative"},
        {"base": "/no/such/folder"},
    ],
)
async def test_a_parameter_that_cannot_be_used_is_refused(
    api: httpx.AsyncClient, tmp_path: Path, params: dict[str, Any]
) -> None:
    answer = await api.post(RUNS, json=experiment(tmp_path), params=params)
    assert answer.headers["content-type"] == PROBLEM
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"priority": 1001}, "priority: expected int <= 1000"),
        ({"label": ["a:b"] * 33}, "label: expected array of length <= 32"),
        ({"priorty": 5}, "priorty: unknown parameter; did you mean 'priority'?"),
        ({"deadline_s": 0, "max_attempts": 0}, "max_attempts: expected int >= 1"),
        ({"base": "relative"}, "base: is no absolute path: 'relative'"),
        ({"base": "/no/such"}, "base: the daemon's user sees no such folder: '/no/such'"),
    ],
)
async def test_a_refused_parameter_is_named_as_it_was_sent_with_what_was_expected(
    api: httpx.AsyncClient, tmp_path: Path, params: dict[str, Any], told: str
) -> None:
    answer = await api.post(RUNS, json=experiment(tmp_path), params=params)
    assert told in answer.json()["detail"]
    assert "`" not in answer.text


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"{RUNS}?stat=failed", "stat: unknown parameter; did you mean 'state'?"),
        (f"{RUNS}?state=odd", "state: invalid enum value 'odd'"),
        (f"{RUNS}/a/live?zz=1&zz=2", "zz: unknown parameter; known: none"),
        (f"{RUNS}/a/samples?atmost=1", "atmost: unknown parameter; did you mean 'at_most'?"),
        ("/api/v1/events?key=1", "key: unknown parameter; known: after, latest"),
    ],
)
async def test_a_parameter_that_is_not_known_or_not_one_of_its_values_is_refused(
    api: httpx.AsyncClient, path: str, told: str
) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (400, told)


@pytest.mark.parametrize("key", ["", "k" * 201, "a b"])
async def test_a_key_that_cannot_be_one_is_refused(api: httpx.AsyncClient, tmp_path: Path, key: str) -> None:
    answer = await api.post(RUNS, json=experiment(tmp_path), headers={"idempotency-key": key})
    assert answer.status_code == 400


@pytest.mark.parametrize("body", ["{", "[]", '{"reason": ""}', '{"reason": 1}', '{"why": "x"}'])
async def test_a_reason_that_cannot_be_read_is_refused(api: httpx.AsyncClient, body: str) -> None:
    answer = await api.post(f"{RUNS}/nobody/cancel", content=body)
    assert "experiment" not in answer.json()["detail"]
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == PROBLEM


# who and from where


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer \xe9"},
        {"cookie": f"token={TOKEN}"},
    ],
)
@pytest.mark.parametrize("path", [RUNS, f"{RUNS}/a/files/b", "/metrics", "/api/v1/live"])
async def test_without_the_token_nothing_is_told(daemon: Daemon, headers: dict[str, str], path: str) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    async with daemon.client(headers=raw) as stranger:
        answer = await stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text


async def test_the_token_is_not_taken_from_the_query(daemon: Daemon) -> None:
    async with daemon.client(headers={}) as stranger:
        answer = await stranger.get(RUNS, params={"token": TOKEN, "ticket": TOKEN})
        assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/openapi.json"])
async def test_health_and_the_description_of_the_api_are_for_everybody(daemon: Daemon, path: str) -> None:
    async with daemon.client(headers={}) as stranger:
        assert (await stranger.get(path)).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.", "", "[::2]", "a@localhost"],
)
async def test_a_foreign_host_is_refused_with_the_token_too(daemon: Daemon, host: str) -> None:
    place = urlsplit(daemon.url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.settimeout(10)
        request = f"GET {RUNS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        await asyncio.to_thread(connection.sendall, request.encode())
        answer = await asyncio.to_thread(connection.recv, 65536)
    assert answer.split(b" ")[1] in (b"421", b"400")
    assert b'"runs"' not in answer


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
async def test_the_names_of_this_machine_are_known_with_any_port(api: httpx.AsyncClient, name: str) -> None:
    assert (await api.get(RUNS, headers={"host": f"{name}:1"})).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1"])
async def test_a_foreign_origin_is_refused_on_every_method(
    api: httpx.AsyncClient, method: str, origin: str
) -> None:
    answer = await api.request(method, RUNS, headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_our_own_origin_is_let_through(api: httpx.AsyncClient, daemon: Daemon) -> None:
    assert (await api.get(RUNS, headers={"origin": daemon.url})).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_another_page_embeds_is_refused_by_sec_fetch_site(
    api: httpx.AsyncClient, site: str
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
    assert (await api.get("/healthz", headers=headers)).status_code == 403
    followed = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
    assert (await api.get("/healthz", headers=followed)).status_code == 200


# paths and methods


async def test_a_path_where_nothing_is_says_where_to_look(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/nowhere")
    assert "/api/v1/openapi.json says what there is" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api/v1/nowhere",
        f"{RUNS}/..%2F..%2Fetc%2Fpasswd",
        f"{RUNS}/%2e%2e",
        f"{RUNS}/.hidden",
        f"{RUNS}/a%00b",
        f"{RUNS}/" + "a" * 200,
        f"{RUNS}/%C3%A9",
        f"{RUNS}/-x",
    ],
)
async def test_a_path_that_leads_nowhere_is_a_problem_document(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"] == PROBLEM


async def test_a_method_that_is_not_there_says_which_are(api: httpx.AsyncClient) -> None:
    answer = await api.delete(RUNS)
    assert (answer.status_code, answer.headers["content-type"]) == (405, PROBLEM)
    assert answer.json()["detail"] == "this path does not take DELETE: the header Allow says what it takes"
    assert {"GET", "POST"} <= {each.strip() for each in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": "x"}, {"state": "odd"}, {"cursor": "odd"}])
async def test_a_list_that_cannot_be_made_is_refused(api: httpx.AsyncClient, params: dict[str, Any]) -> None:
    answer = await api.get(RUNS, params=params)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == PROBLEM


async def test_options_says_which_methods_there_are_and_nothing_of_other_sites(
    api: httpx.AsyncClient,
) -> None:
    answer = await api.options(RUNS)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {each.strip() for each in answer.headers["allow"].split(",")} == {"GET", "POST", "OPTIONS"}
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert (await api.options("/nowhere")).status_code == 404


async def test_head_is_get_without_a_body(api: httpx.AsyncClient) -> None:
    answer = await api.head(RUNS)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_every_answer_forbids_itself_to_act(daemon: Daemon) -> None:
    async with daemon.client(headers={}) as stranger:
        for path in ("/healthz", RUNS, "/nowhere"):
            headers = (await stranger.get(path)).headers
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert "set-cookie" not in headers


async def test_a_token_that_protects_nothing_is_refused(tmp_path: Path) -> None:
    for token in ("", "short", "with space" * 3, "é" * 20):
        with pytest.raises(crucible.InputError, match="the token of the API"):
            create_app(MemoryStore(), StillLive(), Settings(), token=token, data=tmp_path)
