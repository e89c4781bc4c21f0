"""Every error as a problem document (RFC 9457): pure functions from an exception to status and body.

``type`` is always ``about:blank``; programs go by ``code``, which the client turns back into the library's
errors. What a bug says stays in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from ...messages.api import ProblemCode, ProblemDocument, ProblemItem
from ...messages.errors import (
    ConflictError,
    CrucibleError,
    ExperimentError,
    InputError,
    NotFoundError,
    OverloadedError,
    QuotaError,
    StoreError,
)
from .parameters import sent_names

__all__ = ["MEDIA_TYPE", "encode", "problem", "problem_response"]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
MOST_ERRORS = 100
"""An answer is not to be larger than the question."""
_LOG = logging.getLogger(__name__)

_KNOWN: tuple[tuple[type[CrucibleError], HTTPStatus, ProblemCode], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND, "not_found"),
    (ConflictError, HTTPStatus.CONFLICT, "conflict"),
    (QuotaError, HTTPStatus.TOO_MANY_REQUESTS, "quota"),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY, "input"),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    (OverloadedError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
)
_CODES: Mapping[int, ProblemCode] = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    429: "quota",
    503: "unavailable",
}


def problem(
    status: int, detail: str, *, code: ProblemCode | None = None, errors: Any = ()
) -> ProblemDocument:
    """A problem document; without ``code`` the one that the status suggests."""
    return ProblemDocument(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code or _CODES.get(status, "internal" if status >= 500 else "bad_request"),
        errors=tuple(errors),
    )


def _of(error: Exception) -> tuple[ProblemDocument, dict[str, str]]:
    """The document of an exception, and headers that belong to it."""
    if isinstance(error, ExperimentError):
        items = [
            ProblemItem(path=each.path, message=each.message, line=each.line)
            for each in error.problems[:MOST_ERRORS]
        ]
        if len(error.problems) == 1:
            detail = f"1 problem in the experiment: {_line(str(error.problems[0]))}"
        else:
            more = f", of which these are {MOST_ERRORS}" if len(error.problems) > MOST_ERRORS else ""
            detail = f"{len(error.problems)} problems in the experiment{more}"
        return problem(422, detail, code="input", errors=items), {}
    if isinstance(error, CrucibleError):
        for kind, status, code in _KNOWN:
            if isinstance(error, kind):
                waits = {"retry-after": str(RETRY_AFTER_S)} if status in (429, 503) else {}
                return problem(status, _line(str(error)), code=code), waits
    if isinstance(error, HTTPException):
        return problem(error.status_code, _line(error.detail), errors=_items(error)), dict(
            error.headers or {}
        )
    _LOG.error("a request failed", exc_info=error)
    return problem(500, "internal error: the daemon's log says more"), {}


def _line(text: str) -> str:
    return " ".join(text.split())


def _items(error: HTTPException) -> list[ProblemItem]:
    """Parameters that were refused, one by one."""
    extra = error.extra if isinstance(error.extra, list) else []
    return [
        ProblemItem(path=str(each.get("key", "")), message=_expected(str(each.get("message", ""))))
        for each in extra
        if isinstance(each, dict)
    ]


def _expected(text: str) -> str:
    """What msgspec says of a value, in our words."""
    text = _line(text).replace("`", "")
    return text[:1].lower() + text[1:]


def _renamed(items: Sequence[ProblemItem], request: Request[Any, Any, Any]) -> tuple[ProblemItem, ...]:
    """Parameters under the names that they were sent with."""
    handler = request.scope.get("route_handler")
    names = {} if handler is None else sent_names(handler)
    return tuple(msgspec.structs.replace(each, path=names.get(each.path, each.path)) for each in items)


def _said(error: Exception, request: Request[Any, Any, Any]) -> str | None:
    """What to say of an error of the framework that says nothing but its name."""
    match error:
        case NotFoundException(detail="Not Found"):
            return "there is nothing at this path: /api/v1/openapi.json says what there is"
        case MethodNotAllowedException():
            return f"this path does not take {request.method}: the header Allow says what it takes"
        case HTTPException(status_code=413):
            most = request.app.state.services.settings.limits.max_body_bytes
            return f"the body is larger than limits.max_body_bytes allows: {most} bytes"
        case _:
            return None


def encode(document: ProblemDocument) -> bytes:
    """As JSON."""
    return msgspec.json.encode(document)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """For Litestar: the answer to a request that raised."""
    document, headers = _of(error)
    if document.status == HTTPStatus.BAD_REQUEST and document.errors:
        errors = _renamed(document.errors, request)
        detail = "; ".join(f"{each.path}: {each.message}" for each in errors)
        document = msgspec.structs.replace(document, errors=errors, detail=detail)
    elif (said := _said(error, request)) is not None:
        document = msgspec.structs.replace(document, detail=said)
    return Response(encode(document), status_code=document.status, media_type=MEDIA_TYPE, headers=headers)
