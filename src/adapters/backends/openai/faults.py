"""Which error a refusal is: status, headers and body of a reply to a class of the error tree. Pure.

A caller decides by the class: wait (RateLimitedError), turn load down (OverloadedError), ask again (any
TransientError), give up (BackendError). Server messages are clipped to a line and freed of known secrets;
of a refused key only the machine-readable code is repeated, since servers like to quote the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ....messages.errors import (
    BackendError,
    CrucibleError,
    OverloadedError,
    RateLimitedError,
    TimedOutError,
)
from .secret import Secret, redact

__all__ = ["bad_certificate", "fault", "retry_after_s", "server_message", "stated_status"]

LONGEST_MESSAGE = 200
LONGEST_WAIT_S = 86_400.0
EPOCH_LIKE = 1e9
_FINAL_429 = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_FINAL_5XX = frozenset({501, 505})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,40}")


def fault(
    status: int, headers: Mapping[str, str], body: bytes, *, now: float, secrets: Iterable[Secret] = ()
) -> CrucibleError:
    """The error that a reply with a status other than 2xx stands for; ``now`` in seconds of the epoch."""
    if 300 <= status < 400:
        host = urlsplit(headers.get("location", "")).hostname
        where = f" to {host[:100]}" if host else ""
        return BackendError(
            f"HTTP {status}: a redirect{where} was refused, since the key would travel along: set base_url"
        )
    code, message = server_message(body)
    if status in (401, 403):
        known = f" ({code})" if code and _CODE.fullmatch(code) and redact(code, secrets) == code else ""
        return BackendError(f"HTTP {status}: authentication was refused{known}: check api_key and its rights")
    text = f"HTTP {status}: {_clip(redact(message, secrets))}" if message else f"HTTP {status}"
    if status == 404 and "model" not in message.lower():
        return BackendError(f"{text}: check base_url, which mostly ends in /v1, and model")
    wait = retry_after_s(headers, now)
    if status == 429:
        if code in _FINAL_429:
            return BackendError(text)
        return RateLimitedError(text, retry_after_s=wait)
    if status == 408:
        return TimedOutError(text, retry_after_s=wait)
    if status >= 500 and status not in _FINAL_5XX:
        return OverloadedError(text, retry_after_s=wait)
    return BackendError(text)


def bad_certificate(where: str, reason: str) -> BackendError:
    """The certificate of a server does not hold; ``reason`` in OpenSSL's words."""
    told = f"the certificate of {where} is not valid: {reason}"
    if "self" in reason or "local issuer" in reason:  # nobody known vouches for it
        told += ": if it is right, name a file with it or its authority in SSL_CERT_FILE"
    return BackendError(told)


def stated_status(body: bytes) -> int:
    """The HTTP status that an error in the middle of a stream gives as its code; 500 when it gives none."""
    code, _ = server_message(body)
    return int(code) if code and re.fullmatch("[45][0-9][0-9]", code) else 500


def server_message(body: bytes) -> tuple[str | None, str]:
    """Error code and message of an error body: OpenAI's, FastAPI's, Ollama's shape, or the text itself."""
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, body[: 4 * LONGEST_MESSAGE].decode("utf-8", "replace")
    if not isinstance(decoded, dict):
        return None, ""
    error = decoded.get("error") or decoded
    if isinstance(error, str):
        return None, error
    if not isinstance(error, dict):
        return None, ""
    code = next((str(error[key]) for key in ("code", "type") if error.get(key)), None)
    if error.get("type") in _FINAL_429:
        code = str(error["type"])
    message = error.get("message") or error.get("detail") or ""
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    return code, message


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait that the headers ask for; None when they ask for nothing that can be read.

    Retry-After (seconds or HTTP date), its -ms form, or a plain x-ratelimit-reset (seconds or epoch time).
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1e3)
    given = headers.get("retry-after")
    if given:
        seconds = _number(given)
        return _bounded(seconds) if seconds is not None else _until(given, now)
    reset = _number(headers.get("x-ratelimit-reset"))
    if reset is None:
        return None
    return _bounded(reset - now if reset > EPOCH_LIKE else reset)


def _number(text: str | None) -> float | None:
    if text is None or re.fullmatch(r"\s*\d{1,15}(?:\.\d{1,9})?\s*", text, re.ASCII) is None:
        return None
    return float(text)


def _until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _bounded(moment.timestamp() - now)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


def _clip(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in " ".join(text.split()))
    return line if len(line) <= LONGEST_MESSAGE else f"{line[: LONGEST_MESSAGE - 1]}…"
