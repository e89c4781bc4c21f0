"""What the SDK's exceptions mean, and that nothing secret gets out with them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from crucible.adapters.backends.openai.secret import Secret
from crucible.adapters.backends.tinker.faults import Kind, as_error, read_fault
from crucible.messages.errors import (
    BackendError,
    ConnectionFailedError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
)

from .support import KEY, MARKS

pytestmark = MARKS
REQUEST = httpx.Request("POST", "http://service/api")


def status(code: int, text: str = "no") -> Any:
    import tinker

    return tinker.APIStatusError(text, response=httpx.Response(code, request=REQUEST), body=None)


@pytest.mark.parametrize(
    ("code", "kind", "error"),
    [
        (400, Kind.REFUSED, BackendError),
        (401, Kind.DENIED, BackendError),
        (402, Kind.BILLING, BackendError),
        (403, Kind.DENIED, BackendError),
        (404, Kind.LOST, ConnectionFailedError),
        (409, Kind.LIMITED, RateLimitedError),
        (410, Kind.LOST, ConnectionFailedError),
        (422, Kind.REFUSED, BackendError),
        (429, Kind.LIMITED, RateLimitedError),
        (500, Kind.FAILED, OverloadedError),
        (503, Kind.FAILED, OverloadedError),
    ],
)
def test_a_status_says_what_went_wrong(code: int, kind: Kind, error: type[Exception]) -> None:
    fault = read_fault(status(code))
    assert fault.kind is kind
    assert type(as_error(fault)) is error


@pytest.mark.parametrize(
    ("category", "kind"), [("user", Kind.REFUSED), ("server", Kind.FAILED), ("unknown", Kind.FAILED)]
)
def test_a_failed_future_is_repeated_unless_the_user_is_to_blame(category: str, kind: Kind) -> None:
    import tinker
    from tinker.types import RequestErrorCategory

    error = tinker.RequestFailedError(
        "Request failed: x", request_id="r", category=RequestErrorCategory(category)
    )
    assert read_fault(error).kind is kind


def test_connection_timeouts_and_poisoned_clients_have_their_kinds() -> None:
    import tinker

    assert read_fault(tinker.APIConnectionError(request=REQUEST)).kind is Kind.AWAY
    assert read_fault(tinker.APITimeoutError(request=REQUEST)).kind is Kind.SLOW
    assert read_fault(TimeoutError()).kind is Kind.SLOW
    assert read_fault(RuntimeError("this TrainingClient is poisoned")).kind is Kind.LOST
    assert read_fault(TypeError("what?")).kind is Kind.MALFORMED
    assert type(as_error(read_fault(TimeoutError()))) is TimedOutError


def test_the_status_behind_a_value_error_counts() -> None:
    error = ValueError("Error retrieving result")
    error.__cause__ = status(403)
    assert read_fault(error).kind is Kind.DENIED


def test_only_what_may_pass_is_rebuilt() -> None:
    rebuilt = {kind for kind in Kind if read_fault(RuntimeError())._replace(kind=kind).rebuilt}
    assert rebuilt == {Kind.LOST, Kind.FAILED, Kind.LIMITED, Kind.AWAY, Kind.SLOW}


def test_a_fault_is_one_short_line_without_the_key_and_with_what_the_service_said() -> None:
    fault = read_fault(status(500, f"key {KEY}\nis " + "long " * 200), (Secret(KEY),))
    assert KEY not in fault.text
    assert "\n" not in fault.text
    assert len(fault.text) <= 300
    slow = read_fault(TimeoutError(), (), "paused: no capacity")
    assert slow.text == "no answer in time; the service said: paused: no capacity"
