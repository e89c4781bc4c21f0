"""Spans sent to a collector: a real HTTP server that decodes what arrives."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.tracing.otlp import CHUNK, send_otlp
from crucible.adapters.tracing.query import Query
from crucible.messages.errors import ConnectionFailedError, InputError

from .traces import hostile, raced, span, stored

service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


class Collector:
    """Takes spans over OTLP."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                outer.requests.append(service.ExportTraceServiceRequest.FromString(body))
                answer = service.ExportTraceServiceResponse().SerializeToString()
                self.send_response(outer.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def spans(self) -> dict[str, Any]:
        """By their names in crucible."""
        return {values(each)["crucible.name"]: each for each in self.all()}

    def all(self) -> list[Any]:
        return [
            each
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for each in scope.spans
        ]


def values(told: Any) -> dict[str, Any]:
    """The attributes of a span, an event or a resource."""
    found = {}
    for pair in told.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = [each.string_value for each in value.values] if kind == "array_value" else value
    return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def test_every_span_arrives_below_its_parent_in_one_trace(collector: Collector, tmp_path: Path) -> None:
    assert send_otlp(stored(tmp_path, raced()), Query(), endpoint=collector.endpoint) == 7
    spans = collector.spans
    assert len({each.trace_id for each in spans.values()}) == 1
    assert spans["race me"].parent_span_id == b""
    assert spans["backend_call"].parent_span_id == spans["race me"].span_id
    hedged = next(
        each for each in collector.all() if values(each).get("crucible.example") == "e4" and each.events
    )
    assert spans["hedge model"].parent_span_id == hedged.span_id
    assert spans["first model"].parent_span_id == hedged.span_id
    resource = values(collector.requests[0].resource_spans[0].resource)
    assert (resource["service.name"], resource["crucible.run"]) == ("crucible", "r")


def test_calls_are_told_by_the_conventions_for_generative_ai(collector: Collector, tmp_path: Path) -> None:
    send_otlp(stored(tmp_path, raced()), Query(["kind=hedge,stage"]), endpoint=collector.endpoint)
    hedge, stage = collector.spans["hedge model"], collector.spans["backend_call"]
    told = values(hedge)
    assert (hedge.name, hedge.kind, stage.kind) == ("chat m", 3, 1)  # CLIENT, INTERNAL
    assert told["gen_ai.provider.name"] == "openai"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (10, 5)
    assert told["crucible.cost_usd"] == 0.5
    assert told["crucible.kind"] == "hedge"


def test_times_count_from_the_wall_clock_at_which_the_run_began(collector: Collector, tmp_path: Path) -> None:
    send_otlp(stored(tmp_path, raced()), Query(), endpoint=collector.endpoint)
    hedge = collector.spans["hedge model"]
    began = 1_767_323_045_000_000_000  # 2026-01-02T03:04:05Z
    assert hedge.start_time_unix_nano == began + 420_000_000
    assert hedge.end_time_unix_nano == began + 480_000_000


def test_a_decision_is_an_event_and_an_error_is_the_status(collector: Collector, tmp_path: Path) -> None:
    send_otlp(stored(tmp_path, raced()), Query(["kind=request"]), endpoint=collector.endpoint)
    hedge, race = next(each.events for each in collector.all() if each.events)
    assert {hedge.name, race.name} == {"crucible.decision"}
    told = values(hedge)
    assert told["crucible.decision.chosen"] == "duplicate when late"
    assert told["crucible.decision.alternatives"] == ["no duplicate"]
    assert told["crucible.decision.confidence"] == 0.95
    failed = next(each for each in collector.all() if each.status.code == 2)
    assert failed.status.message == "TimedOutError: no answer"
    assert values(failed)["error.type"] == "TimedOutError"


def test_sending_twice_gives_the_same_ids(collector: Collector, tmp_path: Path) -> None:
    for _ in range(2):
        send_otlp(stored(tmp_path, raced()), Query(), endpoint=collector.endpoint)
    ids = [(each.trace_id, each.span_id) for each in collector.all()]
    assert ids[:7] == ids[7:]
    assert len(set(ids)) == 7


def test_a_long_trace_is_sent_in_pieces(collector: Collector, tmp_path: Path) -> None:
    many = [*raced(), *(span(number) for number in range(8, 8 + 2 * CHUNK))]
    assert send_otlp(stored(tmp_path, many), Query(), endpoint=collector.endpoint) == 7 + 2 * CHUNK
    assert len(collector.requests) == 3


def test_attributes_of_any_kind_arrive(collector: Collector, tmp_path: Path) -> None:
    told: dict[str, Any] = {"big": 2**70, "deep": {"a": [1, None], "b": True}, "none": None, "list": []}
    odd = span(3, attributes=told)
    send_otlp(stored(tmp_path, [*hostile(), odd]), Query(), endpoint=collector.endpoint)
    found = next(values(each) for each in collector.all() if "crucible.big" in values(each))
    assert found["crucible.big"] == str(2**70)
    assert (found["crucible.deep.a"], found["crucible.deep.b"]) == ("[1,null]", True)
    assert "crucible.none" not in found
    assert "crucible.list" not in found


def test_a_collector_that_refuses_ends_it_with_the_reason(collector: Collector, tmp_path: Path) -> None:
    collector.status = 400
    with pytest.raises(ConnectionFailedError, match=r"took 0 spans, then no more: .*400") as caught:
        send_otlp(stored(tmp_path, raced()), Query(), endpoint=collector.endpoint)
    assert "\n" not in str(caught.value)


def test_a_collector_that_is_not_there_ends_it_with_the_reason(collector: Collector, tmp_path: Path) -> None:
    endpoint = "http://127.0.0.1:1/v1/traces"
    with pytest.raises(ConnectionFailedError, match=r"took 0 spans, then no more: .+"):
        send_otlp(stored(tmp_path, raced()), Query(), endpoint=endpoint, timeout_s=0.5)


def test_the_address_may_come_from_the_usual_variable(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.removesuffix("/v1/traces"))
    assert send_otlp(stored(tmp_path, raced()), Query()) == 7
    assert len(collector.all()) == 7


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://host/", "http://", "http://h:x/", "file:///a"])
def test_an_address_that_is_none_is_refused(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="endpoint: expected an address such as http"):
        send_otlp(stored(tmp_path, raced()), Query(), endpoint=endpoint)


def test_credentials_in_the_address_are_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected no credentials") as caught:
        send_otlp(stored(tmp_path, raced()), Query(), endpoint="http://me:hush@127.0.0.1/v1/traces")
    assert "hush" not in str(caught.value)
