"""Crucible's side of the client benchmarks: the ``Asker`` of ``backend_call`` in a process of its own.

    python -m tests.benchmarks.own_client URL COUNT IN_FLIGHT HEDGING [--no-spans] [--watch]

HEDGING is ``off``, ``optimal``, ``cloning`` or a delay in milliseconds; the budget is 5 % (cloning: 1 %).
Actors, retries and spans (written as ``trace.json`` to a folder that is removed) are those of a run; rows,
records and reports are not part of it. Prints JSON as ``peer_client.py`` does, with duplicates and memory.
``--watch`` measures the lag of the event loop, every 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from crucible.actors.asking import Asker
from crucible.actors.hedging.options import NoOptions, OptimalOptions
from crucible.actors.hedging.racing_options import HedgeSettings, RacingOptions
from crucible.actors.limits import RetryPolicy
from crucible.actors.ports import Sampler
from crucible.actors.runtime import Actor, ActorRef, ActorSystem, handler
from crucible.actors.slots import Slots
from crucible.actors.stage import StageBase, Tally, Wiring
from crucible.actors.systems import Asking, SystemSpec
from crucible.actors.trace import CloseTrace, TraceActor
from crucible.adapters.backends.openai import OpenAIBackend, OpenAIOptions
from crucible.adapters.tracing import PerfettoExporter
from crucible.messages.base import Message
from crucible.messages.experiment import HedgingConfig
from crucible.messages.records import Example, SamplingParams


class Go(Message, frozen=True):
    """Ask so many."""

    count: int
    in_flight: int
    clone: bool = False

    def __reply__(self) -> dict[str, Any]:
        raise NotImplementedError


class Sink(Actor):
    @handler
    def on_anything(self, _message: Message) -> None:
        """Progress goes nowhere."""


class Stage(StageBase):
    """Asks as ``backend_call`` does."""

    def __init__(self, wiring: Wiring, asking: Asking, sampler: Sampler) -> None:
        super().__init__(wiring, Tally())
        self._sampler = sampler
        self._asking = asking
        self._spec = SystemSpec(name="model", backend_id="openai", backend=OpenAIBackend(), options=None)

    @handler
    async def on_go(self, message: Go) -> dict[str, Any]:
        """All of them."""
        asker = Asker(self, self._wiring, self._asking)
        slots = Slots(message.in_flight)
        latencies: list[float] = []
        most = open_now = 0

        async def one(number: int, slot: int) -> None:
            nonlocal most, open_now
            open_now += 1
            most = max(most, open_now)
            try:
                example = Example(id=str(number), input="question")
                output = await asker.ask(self._spec, self._sampler, example, slot)
                assert output.text == "42", output
                latencies.append(output.latency_s)
            finally:
                open_now -= 1
                slots.give(slot)

        async def clone() -> None:
            while True:
                await slots.idle()
                wait = await asker.clone_oldest(slots.free)
                if wait != 0:
                    await asyncio.sleep(0.05 if wait is None else wait)

        cpu, wall = time.process_time(), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(message.count):
                slot = await slots.take()
                group.create_task(one(number, slot))
                await asyncio.sleep(0)
            if message.clone:
                cloning = asyncio.ensure_future(clone())
        if message.clone:
            cloning.cancel()
        told = {
            "latencies": latencies,
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.monotonic() - wall,
            "most": most,
        }
        figures = await asker.close() or {}
        return {**told, "duplicates": figures.get("extra_requests", 0), "refused": figures.get("refused", 0)}


def settings(hedging: str) -> HedgeSettings | None:
    if hedging == "off":
        return None
    if hedging == "optimal":
        config, policy = HedgingConfig(strategy="optimal", budget_percent=5.0), OptimalOptions()
        return HedgeSettings(config=config, policy=policy, racing=RacingOptions())
    delay, cloning = (1e9, True) if hedging == "cloning" else (float(hedging), False)
    return HedgeSettings(
        config=HedgingConfig(strategy="fixed", delay_ms=delay, budget_percent=1.0 if cloning else 5.0),
        policy=NoOptions(),
        racing=RacingOptions(clone_at_end=cloning),
    )


async def lag(seen: list[tuple[float, float]]) -> None:
    """How late a sleep of 10 ms ends, and the CPU that this process used meanwhile."""
    loop = asyncio.get_running_loop()
    while True:
        begun, cpu = loop.time(), time.process_time()
        await asyncio.sleep(0.01)
        seen.append((loop.time() - begun - 0.01, time.process_time() - cpu))


def memory_mib() -> float:
    """Resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("in_flight", type=int)
    parser.add_argument("hedging")
    parser.add_argument("--no-spans", action="store_true")
    parser.add_argument("--watch", action="store_true")
    given = parser.parse_args()
    options = msgspec.convert(
        {"model": "m", "base_url": given.url, "max_connections": max(512, 2 * given.in_flight)}, OpenAIOptions
    )
    with tempfile.TemporaryDirectory() as folder:
        session = await OpenAIBackend().open(options, seed=1, workdir=Path(folder))
        asking = Asking(
            params=SamplingParams(max_tokens=16),
            policy=RetryPolicy(),
            experiment_id="bench",
            seed=1,
            concurrency=given.in_flight,
            hedging=settings(given.hedging),
        )
        async with ActorSystem("bench") as system:
            trace: ActorRef | None = None
            if not given.no_spans:
                exporter = PerfettoExporter(Path(folder) / "trace.json")
                trace = system.spawn(lambda: TraceActor([exporter]), name="trace", mailbox_capacity=1024)
            sink = system.spawn(Sink, name="sink")
            wiring = Wiring(stage="backend_call", supervisor=sink, trace=trace, began=time.monotonic())
            sampler = await session.sampler()
            stage = system.spawn(lambda: Stage(wiring, asking, sampler), name="stage")
            before = memory_mib()
            lags: list[tuple[float, float]] = []
            watching = asyncio.ensure_future(lag(lags)) if given.watch else None
            clone = given.hedging == "cloning"
            message = Go(count=given.count, in_flight=given.in_flight, clone=clone)
            told = await stage.ask(message, timeout=None)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            told |= {"before_mib": before, "peak_mib": peak, "lags": lags}
            if watching is not None:
                watching.cancel()
            if trace is not None:
                told["spans"] = await trace.ask(CloseTrace(), timeout=None)
        await session.aclose()
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
