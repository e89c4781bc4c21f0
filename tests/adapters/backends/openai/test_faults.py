"""Which refusal becomes which error."""

from __future__ import annotations

import json

import pytest

from crucible.adapters.backends.openai.faults import bad_certificate, fault, retry_after_s
from crucible.messages.errors import (
    BackendError,
    CrucibleError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
)

NOW = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BackendError),
        (400, BackendError),
        (401, BackendError),
        (403, BackendError),
        (404, BackendError),
        (408, TimedOutError),
        (413, BackendError),
        (422, BackendError),
        (429, RateLimitedError),
        (500, OverloadedError),
        (501, BackendError),
        (502, OverloadedError),
        (503, OverloadedError),
        (504, OverloadedError),
        (529, OverloadedError),
    ],
)
def test_a_status_decides_the_class(status: int, kind: type[CrucibleError]) -> None:
    error = fault(status, {}, b"", now=NOW)
    assert type(error) is kind
    assert f"HTTP {status}" in str(error)


def test_a_spent_quota_is_final() -> None:
    body = b'{"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": null}}'
    assert type(fault(429, {}, body, now=NOW)) is BackendError


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "no such model"}}',
        b'{"error": "no such model"}',
        b'{"detail": "no such model"}',
        b'{"message": "no such model", "code": 404}',
        b"no such\nmodel",
    ],
)
def test_the_servers_message_is_told_in_one_line(body: bytes) -> None:
    assert str(fault(404, {}, body, now=NOW)) == "HTTP 404: no such model"


def test_a_long_or_wild_message_is_clipped_to_a_line() -> None:
    text = str(fault(400, {}, json.dumps({"error": "\x1b[31m" + "word\n" * 500}).encode(), now=NOW))
    assert len(text) < 220
    assert text.isprintable()


@pytest.mark.parametrize("body", [b"", b'{"detail": "Not Found"}', b"<h1>Not Found</h1>"])
def test_a_path_that_the_server_does_not_have_tells_what_to_check(body: bytes) -> None:
    assert str(fault(404, {}, body, now=NOW)).endswith(
        ": check base_url, which mostly ends in /v1, and model"
    )


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'{"error": [1]}'])
def test_a_nonsensical_error_body_does_no_harm(body: bytes) -> None:
    assert str(fault(400, {}, body, now=NOW)).startswith("HTTP 400")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:30 GMT"}, 90.0),
        ({"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "999999999999"}, 86_400.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"x-ratelimit-reset": "12"}, 12.0),
        ({"x-ratelimit-reset": str(NOW + 20)}, 20.0),
        ({"x-ratelimit-reset": "6m0s"}, None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds
    error = fault(429, headers, b"", now=NOW)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == seconds


def test_a_certificate_that_has_run_out_is_not_said_to_need_trust() -> None:
    told = str(bad_certificate("here:443", "certificate has expired"))
    assert told == "the certificate of here:443 is not valid: certificate has expired"
