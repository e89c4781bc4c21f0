"""Parameters that several handlers take, described once for checks and for the OpenAPI document.

A parameter that no handler knows is refused: a misspelt filter would give the wrong runs, a misspelt option
another run than was asked for.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from litestar.connection import ASGIConnection
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from ...messages.api import RUN_ID
from ...messages.errors import InputError, near_match

__all__ = [
    "Attempts",
    "Base",
    "Cursor",
    "Deadline",
    "Filter",
    "Key",
    "Label",
    "Labels",
    "Limit",
    "Owner",
    "Priority",
    "RunAt",
    "RunId",
    "ScheduleId",
    "States",
    "epoch",
    "only_known",
    "sent_names",
]

NAME = r"^[^\x00-\x1f\x7f]+$"

RunId = Annotated[str, PathParameter(pattern=RUN_ID, description="Id of a run.")]
ScheduleId = Annotated[str, PathParameter(pattern=RUN_ID, description="Id of a schedule.")]
Owner = Annotated[str, QueryParameter(max_length=200, pattern=NAME, description="Who the run belongs to.")]
Priority = Annotated[int, QueryParameter(ge=-1000, le=1000, description="Higher goes first.")]
RunAt = Annotated[
    str | None,
    QueryParameter(
        max_length=40, description="Not before: seconds since the epoch, or ISO 8601 with a zone."
    ),
]
Deadline = Annotated[
    float | None, QueryParameter(gt=0, le=1e9, description="Seconds that all attempts together may run.")
]
Attempts = Annotated[int, QueryParameter(ge=1, le=100, description="Attempts before it has failed.")]
Labels = Annotated[
    list[str] | None, QueryParameter(name="label", max_items=32, description="NAME:VALUE; repeat.")
]
Label = Annotated[
    str | None,
    QueryParameter(name="label", max_length=400, description="Only runs with this label: NAME:VALUE."),
]
Base = Annotated[
    str | None,
    QueryParameter(
        max_length=4000, description="Folder that relative paths count from, on the daemon's machine."
    ),
]
Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key and experiment give the same run.",
    ),
]
Limit = Annotated[
    int, QueryParameter(ge=1, description="Most items of the page; the settings have a limit too.")
]
Cursor = Annotated[str | None, QueryParameter(max_length=400, description="From the page before.")]
States = Annotated[
    list[Literal["queued", "running", "paused", "completed", "failed", "cancelled", "parked"]] | None,
    QueryParameter(name="state", max_items=7, description="Only runs in this state; repeat for several."),
]
Filter = Annotated[str | None, QueryParameter(min_length=1, max_length=200)]


def epoch(text: str | None, name: str) -> float | None:
    """A point in time as seconds since the epoch; InputError for another form."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise InputError(
                f"{name}: expected seconds since the epoch or a time such as 2030-01-31T08:00:00Z"
            ) from None
        seconds = moment.timestamp()
    if not 0 <= seconds < 1e11:
        raise InputError(f"{name}: expected a time after 1970 and before the year 5138")
    return seconds


def sent_names(handler: BaseRouteHandler) -> dict[str, str]:
    """Of each parameter in the query or the head: its name in the code, and the one it is sent with."""
    found = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        sent = field.kwarg_definition
        if isinstance(sent, QueryParameter | HeaderParameter):
            found[name] = sent.name or name
    return found


def only_known(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: raise ValidationException for parameters in the query that the handler does not take."""
    fields = handler.parsed_fn_signature.parameters
    known = {
        sent
        for name, sent in sent_names(handler).items()
        if isinstance(fields[name].kwarg_definition, QueryParameter)
    }
    if handler.opt.get("tickets"):
        known.add("ticket")
    unknown = [name for name in connection.query_params if name not in known]
    if unknown:
        extra = [{"key": name, "message": _unknown(name, known)} for name in dict.fromkeys(unknown)]
        raise ValidationException("unknown parameters", extra=extra)


def _unknown(name: str, known: set[str]) -> str:
    hint = near_match(name, known)
    told = f"did you mean {hint!r}?" if hint else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"unknown parameter; {told}"
