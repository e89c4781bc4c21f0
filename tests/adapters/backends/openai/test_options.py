"""Options, addresses and secrets: what is refused before anything is spent."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.backends.openai import OpenAIBackend, OpenAIOptions
from crucible.adapters.backends.openai.address import is_refused_address, parse_base_url
from crucible.adapters.backends.openai.secret import Secret, redact, resolve
from crucible.messages.errors import InputError

KEY = 'sk-test/12"34'


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": ""}, "model"),
        ({"base_url": "ftp://host/v1"}, "begins with http"),
        ({"base_url": "http:///v1"}, "host name"),
        ({"base_url": "http://me:pw@host/v1"}, "no user or password"),
        ({"base_url": "http://host/v1?x=1"}, "no '\\?'"),
        ({"base_url": "http://host:99999/v1"}, "port"),
        ({"base_url": "http://host\n/v1"}, "control characters"),
        ({"base_url": "http://169.254.169.254/v1"}, "metadata"),
        ({"base_url": "http://2852039166/v1"}, "metadata"),
        ({"base_url": "http://[fe80::1]/v1"}, "metadata"),
        ({"base_url": "http://[::ffff:169.254.169.254]/v1"}, "metadata"),
        ({"base_url": "http://METADATA.google.internal./v1"}, "metadata"),
        ({"api_key": KEY}, "reference env:NAME or file:PATH"),
        ({"api": "responses"}, "api"),
        ({"headers": {"x-api-key": KEY}}, "x-api-key is a secret"),
        ({"headers": {"Cookie": KEY}}, "Cookie is a secret"),
        ({"headers": {"Host": "x"}}, "Host is set by the backend"),
        ({"headers": {"idempotency-Key": "x"}}, "Idempotency-Key is set by the backend: see idempotency_key"),
        ({"headers": {"bad name": "x"}}, "names made of letters"),
        ({"headers": {"x-team": "a\r\nb: c"}}, "one line"),
        ({"api_key": "env:A", "headers": {"Authorization": "env:B"}}, "not both"),
        ({"extra_body": {"model": "other"}}, "model is set by the backend"),
        ({"price_per_million_input_usd": 1}, "both the input and the output"),
        ({"price_per_million_cached_input_usd": 1}, "cached input"),
        ({"logprobs": 21}, "logprobs"),
        ({"omit": ["model"]}, "omit"),
    ],
)
def test_a_wrong_option_is_refused_and_secrets_are_not_repeated(given: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said) as caught:
        msgspec.convert({"model": "m", **given}, OpenAIOptions)
    assert KEY not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_model_must_be_named() -> None:
    with pytest.raises(msgspec.ValidationError, match="model"):
        msgspec.convert({}, OpenAIOptions)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "8.8.8.8"])
def test_local_and_public_servers_may_be_asked(address: str) -> None:
    assert not is_refused_address(address)


def test_a_base_url_is_taken_apart() -> None:
    assert tuple(parse_base_url("https://[::1]/a/v1/")) == ("https", "::1", 443, "/a/v1")


async def opened(**given: Any) -> None:
    options = msgspec.convert({"model": "m", **given}, OpenAIOptions)
    session = await OpenAIBackend().open(options, seed=0, workdir=Path())
    await session.aclose()


async def test_a_missing_variable_is_named_when_the_backend_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(InputError, match="api_key: environment variable NO_SUCH_KEY is not set"):
        await opened(api_key="env:NO_SUCH_KEY")
    with pytest.raises(InputError, match=r"headers\.x-api-key: environment variable NO_SUCH_KEY is not set"):
        await opened(headers={"x-api-key": "env:NO_SUCH_KEY"})


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*key\.txt"):
        await opened(api_key=f"file:{tmp_path / 'key.txt'}")


def test_a_secret_is_read_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    assert resolve(f"file:{path}").reveal() == KEY


@pytest.mark.parametrize("content", ["", "two\nlines", "ключ", "x" * 20_000])
def test_a_file_that_holds_no_header_value_is_refused_unseen(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(InputError, match="expected") as caught:
        resolve(f"file:{path}")
    assert not content or content.split(maxsplit=1)[0] not in str(caught.value)


def test_a_device_is_no_key_file() -> None:
    with pytest.raises(InputError, match="not a regular file"):
        resolve("file:/dev/null")


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "%s".__mod__,
        lambda secret: json.dumps(secret, default=str),
        lambda s: f"{s!r:>40}",
    ],
)
def test_a_secret_does_not_show_itself(show: Any) -> None:
    assert KEY not in show(Secret(KEY))


@pytest.mark.parametrize("move", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode])
def test_a_secret_cannot_be_written_down(move: Any) -> None:
    with pytest.raises(TypeError):
        move(Secret(KEY))


@pytest.mark.parametrize(
    "form",
    [KEY, json.dumps(KEY), "sk-test%2F12%2234", base64.b64encode(KEY.encode()).decode()],
    ids=["plain", "json", "url", "base64"],
)
def test_a_known_secret_is_taken_out_of_any_text(form: str) -> None:
    assert redact(f"you sent {form}!", [Secret(f"Bearer {KEY}")]).strip('"').startswith("you sent ")
    assert "12" not in redact(f"you sent {form}!", [Secret(f"Bearer {KEY}")])


def test_httpx_is_loaded_only_when_the_backend_is_opened() -> None:
    code = (
        "import sys; from crucible.adapters.backends.openai import OpenAIBackend; "
        "OpenAIBackend().capabilities; print('httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def missing(**given: Any) -> list[str]:
    return [
        str(problem)
        for problem in OpenAIBackend().missing(msgspec.convert({"model": "m", **given}, OpenAIOptions))
    ]


def test_what_a_run_would_lack_is_told_without_opening_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    said = "environment variable NO_SUCH_KEY is not set: expected the secret in it"
    assert missing(api_key="env:NO_SUCH_KEY", headers={"x-team": "env:NO_SUCH_KEY"}) == [
        f"headers.x-team: {said}",
        f"api_key: {said}",
    ]


def test_nothing_is_lacking_when_the_keys_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    assert missing(api_key="env:SOME_KEY", headers={"x-team": "nlp"}) == []


def test_http2_that_is_demanded_without_its_package_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert missing(http2=True) == [
        'http2: true needs the package h2, which is not installed: expected "auto" or false'
    ]
    assert missing(http2="auto") == []
