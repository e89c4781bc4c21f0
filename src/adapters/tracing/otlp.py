"""Stored spans to any collector that speaks OTLP over HTTP, by OpenTelemetry's own SDK and exporter.

Sends 512 spans at a time and keeps no more. Ids are derived from the run, so that sending twice gives the
same trace. Names and attributes follow OpenTelemetry where it has conventions (``gen_ai.*``, ``error.type``);
our own attributes begin with ``crucible.``, and decisions are events of their span. Where to send, with which
headers and how long to wait is also taken from the usual ``OTEL_EXPORTER_OTLP_*`` variables, so that keys
need not be on a command line.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ...messages.errors import ConnectionFailedError, InputError, install_extra
from ...messages.trace import Decision, Span
from ...version import __version__
from .query import Query, stage_of
from .stored import StoredTrace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import SpanContext

__all__ = ["send_otlp"]

CHUNK = 512
NANOSECONDS = 1e9
NAMESPACES = ("gen_ai.", "error.", "server.", "http.", "exception.")
LARGEST = 2**63


def send_otlp(
    trace: StoredTrace, query: Query, *, endpoint: str | None = None, timeout_s: float | None = None
) -> int:
    """Send the spans that are meant; how many they were.

    Raises InputError for an address that cannot be used or when the extra is missing, and
    ConnectionFailedError when the collector does not take them.
    """
    if endpoint is not None:
        _check(endpoint)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError as error:
        raise InputError(f"OTLP needs the SDK of OpenTelemetry: {install_extra('otel')}") from error
    reasons = _Reasons()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(reasons)
    exporter: Any = OTLPSpanExporter(endpoint=endpoint, timeout=timeout_s)
    sent = 0
    try:
        spans = _Translation(trace).spans(query)
        while chunk := list(islice(spans, CHUNK)):
            if exporter.export(chunk) is not SpanExportResult.SUCCESS:
                where = endpoint or "the collector"
                raise ConnectionFailedError(f"{where} took {sent} spans, then no more: {reasons.last}")
            sent += len(chunk)
    finally:
        exporter.shutdown()
        logger.removeHandler(reasons)
    return sent


def _check(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError("endpoint: expected an address such as http://localhost:4318/v1/traces")
    if parts.username is not None or parts.password is not None:
        raise InputError("endpoint: expected no credentials in it; OTEL_EXPORTER_OTLP_HEADERS may hold them")


class _Reasons(logging.Handler):
    """The exporter says why it failed only in its log."""

    last = "no reason given"

    def emit(self, record: logging.LogRecord) -> None:
        self.last = " ".join(record.getMessage().split())


class _Translation:
    """From our spans to OpenTelemetry's."""

    def __init__(self, trace: StoredTrace) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._trace = trace
        run = trace.run()
        told = {} if run is None else run.attributes
        self._run = str(told.get("run") or trace.path.resolve().parent.name)
        self._began = _began(str(told.get("started_at", "")), trace)
        self._trace_id = int.from_bytes(blake2b(self._run.encode(), digest_size=16).digest()) or 1
        self._resource = Resource(
            {"service.name": "crucible", "service.version": __version__, "crucible.run": self._run}
        )
        self._scope = InstrumentationScope("crucible", __version__)

    def spans(self, query: Query) -> Iterator[ReadableSpan]:
        """One at a time."""
        return map(self._span, query.select(self._trace.spans()))

    def _span(self, span: Span) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanKind, Status, StatusCode

        told = span.attributes
        called = "gen_ai.operation.name" in told
        name = span.name
        if called and "gen_ai.request.model" in told:
            name = f"{told['gen_ai.operation.name']} {told['gen_ai.request.model']}"
        status = Status(StatusCode.UNSET)
        if span.status == "error":
            status = Status(StatusCode.ERROR, str(told.get("error", "")))
        own = {"name": span.name, "kind": span.kind, "status": span.status}
        own |= {"stage": stage_of(span), "lane": span.lane}
        return ReadableSpan(
            name=name or "unnamed",
            context=self._context(span.id),
            parent=None if span.parent_id is None else self._context(span.parent_id),
            resource=self._resource,
            attributes=_attributes({**told, **{f"crucible.{key}": value for key, value in own.items()}}),
            events=[self._event(each, span) for each in span.decisions],
            kind=SpanKind.CLIENT if called else SpanKind.INTERNAL,
            status=status,
            start_time=self._at(span.start_s),
            end_time=self._at(span.end_s),
            instrumentation_scope=self._scope,
        )

    def _event(self, decision: Decision, span: Span) -> Event:
        from opentelemetry.sdk.trace import Event

        told = msgspec.structs.asdict(decision)
        at_s = told.pop("at_s")
        return Event(
            "crucible.decision",
            attributes=_attributes({f"crucible.decision.{key}": value for key, value in told.items()}),
            timestamp=self._at(span.end_s if at_s is None else at_s),
        )

    def _context(self, number: int) -> SpanContext:
        from opentelemetry.trace import SpanContext, TraceFlags

        digest = blake2b(f"{self._run}/{number}".encode(), digest_size=8).digest()
        return SpanContext(
            trace_id=self._trace_id,
            span_id=int.from_bytes(digest) or 1,
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )

    def _at(self, seconds: float) -> int:
        return self._began + round(seconds * NANOSECONDS)


def _began(started_at: str, trace: StoredTrace) -> int:
    """When the run began, in nanoseconds by the wall clock; the time of the file when the run did not say."""
    try:
        began = datetime.fromisoformat(started_at)
    except ValueError:
        began = datetime.fromtimestamp(trace.path.stat().st_mtime, UTC)
    return int(began.timestamp() * NANOSECONDS)


def _attributes(told: dict[str, Any]) -> dict[str, Any]:
    """Flat, with values that OpenTelemetry knows; what is empty is left out."""
    found: dict[str, Any] = {}
    for key, value in told.items():
        known = key.startswith((*NAMESPACES, "crucible."))
        _flatten(key if known else f"crucible.{key}", value, found)
    return found


def _flatten(key: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _flatten(f"{key}.{name}", item, into)
    elif isinstance(value, list | tuple):
        texts = all(isinstance(each, str) for each in value)
        if value:
            into[key] = list(value) if texts else msgspec.json.encode(value).decode()
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LARGEST:
        into[key] = str(value)
    elif value is not None and value != "":
        into[key] = value
