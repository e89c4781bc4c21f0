"""Traces of whole runs: every span has its parent, also when requests race, answers vote, a run is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import crucible
from crucible.adapters.tracing import StoredTrace, find_trace
from crucible.adapters.tracing.relations import check_relations
from crucible.messages.experiment import BackendRef, EnsembleConfig, HedgingConfig, Reliability
from crucible.messages.trace import Span

from .mission import experiment
from .model_server import ModelServer
from .support import Workbench
from .test_interrupt import wait_until
from .test_racing import hedged


def trace_of(folder: Path) -> StoredTrace:
    (run,) = folder.iterdir()
    return find_trace(run)


def by_kind(trace: StoredTrace) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for span in trace.spans():
        found.setdefault(span.kind, []).append(span)
    return found


def test_the_spans_of_a_whole_run_fit_together(tmp_path: Path) -> None:
    crucible.run(experiment(), out=tmp_path)
    trace = trace_of(tmp_path)
    assert check_relations(trace).problems == []
    kinds = by_kind(trace)
    stages = {span.id: span.name for span in kinds["stage"]}
    assert {stages[span.parent_id or 0] for span in kinds["request"]} == {"backend_call"}
    assert len(kinds["run"]) == 1


def test_a_race_of_real_requests_fits_together_and_tells_its_calls(tmp_path: Path) -> None:
    def answer(prompt: str, before: int) -> tuple[float, str]:
        return (5.0 if prompt == "question 39" and not before else 0.0), "a"

    with ModelServer(answer) as server:
        hedging = HedgingConfig(strategy="fixed", delay_ms=400, control_percent=0)
        crucible.run(hedged(server.url, hedging), out=tmp_path)
        address, port = server.url.removeprefix("http://").split("/")[0].split(":")
    trace = trace_of(tmp_path)
    assert check_relations(trace).problems == []
    (hedge,) = by_kind(trace)["hedge"]
    told = hedge.attributes
    assert (told["gen_ai.operation.name"], told["gen_ai.provider.name"]) == ("chat", "openai")
    assert (told["gen_ai.request.model"], told["server.address"]) == ("m", address)
    assert told["server.port"] == int(port)
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (10, 5)
    assert told["cost_usd"] == pytest.approx(20e-6)
    request = next(span for span in by_kind(trace)["request"] if span.id == hedge.parent_id)
    assert [(each.kind, each.chosen) for each in request.decisions] == [
        ("hedge", "duplicate when late"), ("race", "hedge model"),
    ]  # fmt: skip
    tokens = sum(span.attributes.get("gen_ai.usage.input_tokens", 0) for span in trace.spans())
    assert tokens == 10 * 40  # of the answers; what the cancelled request used is not known


def test_a_vote_that_stops_early_fits_together_with_the_members_it_cancelled(tmp_path: Path) -> None:
    def slow(prompt: str, before: int) -> tuple[float, str]:
        return 30.0, "no"

    with ModelServer(slow) as late, ModelServer(lambda *_: (0.0, "yes")) as fast:
        servers = {"a": fast, "b": fast, "late": late}
        config = EnsembleConfig(
            strategy="majority",
            members=tuple(
                BackendRef(id="openai", name=name, options={"model": name, "base_url": server.url})
                for name, server in servers.items()
            ),
        )
        hedging = HedgingConfig(strategy="fixed", delay_ms=1e6)
        crucible.run(experiment(reliability=Reliability(ensemble=config, hedging=hedging)), out=tmp_path)
    trace = trace_of(tmp_path)
    assert check_relations(trace).problems == []
    kinds = by_kind(trace)
    assert len(kinds["vote"]) == 4
    for vote in kinds["vote"]:
        stopped, voted = vote.decisions
        assert (stopped.kind, stopped.alternatives) == ("early_stop", ("wait for late",))
        assert (voted.kind, voted.chosen) == ("vote", "yes")
    cancelled = [span for span in kinds["request"] if span.name == "late"]
    assert [span.status for span in cancelled] == ["cancelled"] * 4
    assert {span.parent_id for span in cancelled} == {span.id for span in kinds["vote"]}


async def test_the_spans_of_a_cancelled_run_fit_together(tmp_path: Path) -> None:
    made = experiment(backend=BackendRef(id="mock", options={"latency_ms": 600_000}))
    async with crucible.Supervisor(out=tmp_path) as supervisor:
        run = await supervisor.submit(made)
        async for event in run.events():
            if getattr(event, "stage", None) == "backend_call":
                break
        await run.cancel("enough")
    trace = trace_of(tmp_path)
    checked = check_relations(trace)
    assert (checked.problems, checked.cut_off) == ([], False)
    assert by_kind(trace)["run"][0].status == "cancelled"


def test_a_failed_run_shows_the_stage_that_failed(tmp_path: Path) -> None:
    made = experiment(backend=BackendRef(id="mock", options={"errors": {"bad_request": 1.0}}))
    result = crucible.run(made, out=tmp_path, check=False)
    assert result.status == "failed"
    trace = trace_of(tmp_path)
    assert check_relations(trace).problems == []
    kinds = by_kind(trace)
    assert kinds["run"][0].status == "error"
    failed = [span for span in kinds["stage"] if span.status == "error"]
    assert [span.name for span in failed] == ["backend_call"]
    assert {span.status for span in kinds["request"] if span.name == "mock"} == {"error"}


def test_the_trace_of_a_killed_run_can_still_be_looked_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Workbench(tmp_path, capsys)
    answered: dict[str, Any] = {"latency_ms": [0.0, 0.0, 600_000.0]}
    file = bench.experiment(backend={"id": "mock", "options": answered})
    process = bench.start("run", file, "--out", bench.out, "--quiet")

    def requests_are_written() -> bool:
        return any(b'"request"' in path.read_bytes() for path in bench.out.glob("*/trace.json.partial"))

    try:
        wait_until(requests_are_written)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    (run,) = bench.runs()
    checked = bench.crucible("trace", run, "--check")
    assert (checked.code, checked.err) == (0, "")
    assert "the trace is cut off" in checked.out
    told = bench.crucible("trace", run, "--format", "json", "--where", "status=open")
    spans = json.loads(told.out)
    assert {"run", "stage"} == {span["kind"] for span in spans}
    assert "backend_call" in {span["name"] for span in spans}
