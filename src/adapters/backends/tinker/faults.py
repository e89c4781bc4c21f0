"""What the SDK's exceptions mean to us: a pure function, told by their names and HTTP statuses.

Names and not classes, so that nothing here imports the SDK.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from ....messages.errors import (
    BackendError,
    ConnectionFailedError,
    CrucibleError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
)
from ..openai.secret import Secret, redact

__all__ = ["Fault", "Kind", "as_error", "read_fault"]

LONGEST = 300


class Kind(Enum):
    """What went wrong."""

    REFUSED = "refused"
    """The request makes no sense to the service (4xx, a failed future of category "user")."""
    DENIED = "denied"
    """The key is not accepted."""
    BILLING = "billing"
    MALFORMED = "malformed"
    """The service and the SDK do not understand each other."""
    LOST = "lost"
    """The session, the model or the promise is gone, or the client has a gap in its sequence."""
    FAILED = "failed"
    """The service fell over the request."""
    LIMITED = "limited"
    AWAY = "away"
    """No connection."""
    SLOW = "slow"


REBUILT = frozenset({Kind.LOST, Kind.FAILED, Kind.LIMITED, Kind.AWAY, Kind.SLOW})
_STATUS = {401: Kind.DENIED, 402: Kind.BILLING, 403: Kind.DENIED, 404: Kind.LOST, 410: Kind.LOST}
_LIMITED = (408, 409, 429)


class Fault(NamedTuple):
    """A failure and one line about it."""

    kind: Kind
    text: str

    @property
    def rebuilt(self) -> bool:
        """Whether a training client made anew from its last state may do better."""
        return self.kind in REBUILT


def read_fault(error: BaseException, secrets: Iterable[Secret] = (), notice: str = "") -> Fault:
    """Kind and one line without secrets; ``notice`` is what the service said while it was waited for."""
    kind = _kind(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if kind is Kind.SLOW:
        text = "no answer in time"
    if notice and kind in (Kind.SLOW, Kind.BILLING):
        text = f"{text}; the service said: {notice}"
    return Fault(kind, redact(text, secrets)[:LONGEST])


def _kind(error: BaseException) -> Kind:
    status = _status(error)
    if status is not None:
        return _of_status(status)
    name = type(error).__name__
    if name == "RequestFailedError":
        category = getattr(error, "category", None)
        return Kind.REFUSED if getattr(category, "value", category) == "user" else Kind.FAILED
    if isinstance(error, TimeoutError) or name == "APITimeoutError":
        return Kind.SLOW
    if name == "APIConnectionError" or isinstance(error, ConnectionError):
        return Kind.AWAY
    if name == "RetryableException":
        return Kind.LOST
    if isinstance(error, RuntimeError):  # a closed or poisoned client
        return Kind.LOST
    return Kind.MALFORMED


def _of_status(status: int) -> Kind:
    if status >= 500:
        return Kind.FAILED
    return Kind.LIMITED if status in _LIMITED else _STATUS.get(status, Kind.REFUSED)


def _status(error: BaseException) -> int | None:
    """Of the error, or of the one that it was raised from."""
    for each in (error, error.__cause__):
        status = getattr(each, "status_code", None)
        if isinstance(status, int):
            return status
    return None


_ERRORS: dict[Kind, type[CrucibleError]] = {
    Kind.LOST: ConnectionFailedError,
    Kind.FAILED: OverloadedError,
    Kind.LIMITED: RateLimitedError,
    Kind.AWAY: ConnectionFailedError,
    Kind.SLOW: TimedOutError,
}


def as_error(fault: Fault) -> CrucibleError:
    """The error of ours for a request that may be asked again, or not."""
    return _ERRORS.get(fault.kind, BackendError)(f"tinker: {fault.text}")
