"""What the actor runtime costs in CPU time: ratios to asyncio.Queue(1024), Pykka and anyio in one process.

Run it by hand, on a quiet machine: `python tests/benchmarks/runtime.py [--rounds 7] [--json out.json]`.

Each round runs every case once, in shuffled order; a ratio is taken inside its round, and the median over the
rounds is reported with its range. Absolute times depend on the machine; the ratios much less so. The asyncio
baselines do the same work: a resident task per receiver that takes a message from its queue and awaits an
async handler.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import platform
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import anyio
import pykka

from crucible.actors.runtime import Actor, ActorRef, ActorSystem, Asks, handler

TELLS = 100_000
ASKS = 10_000
SPAWNS = 3_000
FAN_ACTORS, FAN_ROUNDS = 1_000, 40
RING_ACTORS, RING_HOPS = 1_000, 20_000
CRASHES = 2_000
IDLE = 5_000
CAPACITY = 1024


class Ping(Asks[int]):
    """The message of every case; also asked."""

    __slots__ = ()


class Boom(Asks[int]):
    """Crashes its actor."""

    __slots__ = ()


PING = Ping()


class Hop:
    """Goes around the ring."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class Counter(Actor):
    """Async handlers."""

    def __init__(self) -> None:
        self.count = 0

    @handler
    async def on_ping(self, message: Ping) -> int:
        self.count += 1
        return self.count

    @handler
    async def on_boom(self, message: Boom) -> int:
        raise ValueError


class SyncCounter(Actor):
    """Sync handlers."""

    def __init__(self) -> None:
        self.count = 0

    @handler
    def on_ping(self, message: Ping) -> int:
        self.count += 1
        return self.count


class RingActor(Actor):
    """Passes a hop on, by an async handler."""

    next_one: ActorRef
    done: asyncio.Event

    @handler
    async def on_hop(self, message: Hop) -> None:
        if message.left:
            await self.next_one.tell(Hop(message.left - 1))
        else:
            self.done.set()


class SyncRingActor(Actor):
    """Passes a hop on, by a sync handler."""

    next_one: ActorRef
    done: asyncio.Event

    @handler
    def on_hop(self, message: Hop) -> None:
        if message.left:
            self.next_one.tell_nowait(Hop(message.left - 1))
        else:
            self.done.set()


class QueueCounter:
    """The baseline's receiver: the same state and handler as `Counter`."""

    def __init__(self) -> None:
        self.count = 0
        self.queue: asyncio.Queue[Ping] = asyncio.Queue(CAPACITY)

    async def on_ping(self, message: Ping) -> int:
        self.count += 1
        return self.count

    async def run(self) -> None:
        while True:
            await self.on_ping(await self.queue.get())

    async def run_until(self, count: int) -> None:
        while self.count < count:
            await self.on_ping(await self.queue.get())


class PykkaCounter(pykka.ThreadingActor):
    """The peer's receiver."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: object) -> int:
        self.count += 1
        return self.count


def cpu(operations: int, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[float]]:
    """Wrap a piece of async work: return the CPU nanoseconds it takes per operation."""

    async def measured() -> float:
        began = time.process_time_ns()
        await work()
        return (time.process_time_ns() - began) / operations

    return measured


# tell


async def tell_ours(kind: type[Actor]) -> float:
    async with ActorSystem() as system:
        ref = system.spawn(kind, mailbox_capacity=CAPACITY)

        async def work() -> None:
            for _ in range(TELLS):
                await ref.tell(PING)
            await ref.ask(PING)

        return await cpu(TELLS, work)()


async def tell_queue() -> float:
    counter = QueueCounter()

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(counter.run_until(TELLS))
            put = counter.queue.put
            for _ in range(TELLS):
                await put(PING)

    return await cpu(TELLS, work)()


async def tell_anyio() -> float:
    tells = TELLS // 5
    send, receive = anyio.create_memory_object_stream[Ping](CAPACITY)
    counter = QueueCounter()

    async def consume() -> None:
        async with receive:
            async for message in receive:
                await counter.on_ping(message)

    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(consume)
            async with send:
                for _ in range(tells):
                    await send.send(PING)

    return await cpu(tells, work)()


async def tell_pykka() -> float:
    tells = TELLS // 5
    ref = PykkaCounter.start()
    began = time.process_time_ns()
    for _ in range(tells):
        ref.tell(PING)
    ref.ask(PING)
    taken = (time.process_time_ns() - began) / tells
    ref.stop()
    return taken


# ask


async def ask_ours(kind: type[Actor], *, inline: bool) -> float:
    async with ActorSystem() as system:
        ref = system.spawn(kind)
        if not inline:
            system.depth = 1_000_000  # forces the queued path

        async def work() -> None:
            for _ in range(ASKS):
                await ref.ask(PING, timeout=30)

        return await cpu(ASKS, work)()


async def ask_queue() -> float:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[Ping, asyncio.Future[int]]] = asyncio.Queue(CAPACITY)
    counter = QueueCounter()

    async def answer() -> None:
        while True:
            message, future = await queue.get()
            future.set_result(await counter.on_ping(message))

    async def work() -> None:
        task = asyncio.create_task(answer())
        for _ in range(ASKS):
            future: asyncio.Future[int] = loop.create_future()
            await queue.put((PING, future))
            await future
        task.cancel()

    return await cpu(ASKS, work)()


async def ask_pykka() -> float:
    asks = ASKS // 4
    ref = PykkaCounter.start()
    began = time.process_time_ns()
    for _ in range(asks):
        ref.ask(PING, timeout=30)
    taken = (time.process_time_ns() - began) / asks
    ref.stop()
    return taken


# spawn and stop


async def spawn_ours() -> float:
    async with ActorSystem() as system:

        async def work() -> None:
            refs = [system.spawn(Counter) for _ in range(SPAWNS)]
            for ref in refs:
                await ref.stop()

        return await cpu(SPAWNS, work)()


async def spawn_queue() -> float:
    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(QueueCounter().run()) for _ in range(SPAWNS)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()

    return await cpu(SPAWNS, work)()


async def spawn_anyio() -> float:
    spawns = SPAWNS // 5

    async def work() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(spawns):
                group.start_soon(QueueCounter().run)
            await asyncio.sleep(0)
            group.cancel_scope.cancel()

    return await cpu(spawns, work)()


async def spawn_pykka() -> float:
    spawns = SPAWNS // 10
    began = time.process_time_ns()
    refs = [PykkaCounter.start() for _ in range(spawns)]
    for ref in refs:
        ref.stop()
    return (time.process_time_ns() - began) / spawns


# fan-out


async def fan_ours() -> float:
    async with ActorSystem() as system:
        refs = [system.spawn(Counter) for _ in range(FAN_ACTORS)]

        async def work() -> None:
            for _ in range(FAN_ROUNDS):
                for ref in refs:
                    await ref.tell(PING)
            await system.quiescent()

        taken = await cpu(FAN_ACTORS * FAN_ROUNDS, work)()
        assert all(ref.statistics().handled == FAN_ROUNDS for ref in refs)
        return taken


async def fan_queue() -> float:
    counters = [QueueCounter() for _ in range(FAN_ACTORS)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(counter.run_until(FAN_ROUNDS)) for counter in counters]
        await asyncio.sleep(0)

        async def work() -> None:
            for _ in range(FAN_ROUNDS):
                for counter in counters:
                    await counter.queue.put(PING)
            await asyncio.wait(tasks)

        return await cpu(FAN_ACTORS * FAN_ROUNDS, work)()


# ring


async def ring_ours(kind: type[RingActor | SyncRingActor]) -> float:
    done = asyncio.Event()
    async with ActorSystem() as system:
        actors = [kind() for _ in range(RING_ACTORS)]
        refs = [system.spawn(lambda actor=actor: actor) for actor in actors]  # type: ignore[misc]  # lambda default
        for index, actor in enumerate(actors):
            actor.next_one = refs[(index + 1) % RING_ACTORS]
            actor.done = done

        async def work() -> None:
            await refs[0].tell(Hop(RING_HOPS))
            await done.wait()

        return await cpu(RING_HOPS, work)()


async def ring_queue() -> float:
    done = asyncio.Event()
    queues: list[asyncio.Queue[Hop]] = [asyncio.Queue(CAPACITY) for _ in range(RING_ACTORS)]

    async def run(index: int) -> None:
        following = queues[(index + 1) % RING_ACTORS]
        while True:
            message = await queues[index].get()
            if message.left:
                await following.put(Hop(message.left - 1))
            else:
                done.set()

    tasks = [asyncio.create_task(run(index)) for index in range(RING_ACTORS)]
    await asyncio.sleep(0)

    async def work() -> None:
        await queues[0].put(Hop(RING_HOPS))
        await done.wait()

    taken = await cpu(RING_HOPS, work)()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return taken


# crash, restart, answer


async def crash_ours() -> float:
    async with ActorSystem() as system:
        from crucible.actors.runtime import RestartIntensity, SupervisionPolicy

        ref = system.spawn(Counter, policy=SupervisionPolicy(intensity=RestartIntensity(10**9)))

        async def work() -> None:
            for _ in range(CRASHES):
                await ref.tell(BOOM)
                await ref.ask(PING)

        return await cpu(CRASHES, work)()


BOOM = Boom()


# memory of an idle actor, in bytes


async def memory_ours() -> float:
    async with ActorSystem() as system:
        gc.collect()
        tracemalloc.start()
        refs = [system.spawn(Counter) for _ in range(IDLE)]
        for ref in refs:
            await ref.tell(PING)
        await system.quiescent()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] / IDLE
        tracemalloc.stop()
        return taken


async def memory_queue() -> float:
    gc.collect()
    tracemalloc.start()
    counters = [QueueCounter() for _ in range(IDLE)]
    tasks = [asyncio.create_task(counter.run()) for counter in counters]
    for counter in counters:
        await counter.queue.put(PING)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] / IDLE
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return taken


CASES: dict[str, Callable[[], Awaitable[float]]] = {
    "tell": lambda: tell_ours(Counter),
    "tell, sync handler": lambda: tell_ours(SyncCounter),
    "tell asyncio.Queue": tell_queue,
    "tell anyio stream": tell_anyio,
    "tell Pykka": tell_pykka,
    "ask queued": lambda: ask_ours(Counter, inline=False),
    "ask idle": lambda: ask_ours(Counter, inline=True),
    "ask idle, sync handler": lambda: ask_ours(SyncCounter, inline=True),
    "ask asyncio.Queue": ask_queue,
    "ask Pykka": ask_pykka,
    "spawn": spawn_ours,
    "spawn asyncio.Queue": spawn_queue,
    "spawn anyio": spawn_anyio,
    "spawn Pykka": spawn_pykka,
    "fan-out": fan_ours,
    "fan-out asyncio.Queue": fan_queue,
    "ring": lambda: ring_ours(RingActor),
    "ring, sync handler": lambda: ring_ours(SyncRingActor),
    "ring asyncio.Queue": ring_queue,
    "crash and answer": crash_ours,
    "idle bytes": memory_ours,
    "idle bytes asyncio.Queue": memory_queue,
}


class Goal(NamedTuple):
    """A ratio that should not be exceeded; without `base`, an absolute value."""

    title: str
    case: str
    base: str | None
    at_most: float | None


GOALS = [
    Goal("tell, async handler / asyncio.Queue(1024)", "tell", "tell asyncio.Queue", 0.6),
    Goal("tell, sync handler / asyncio.Queue(1024)", "tell, sync handler", "tell asyncio.Queue", None),
    Goal("tell / anyio stream(1024)", "tell", "tell anyio stream", 0.1),
    Goal("tell / Pykka", "tell", "tell Pykka", 0.25),
    Goal("ask queued, 30 s timeout / Queue + future, no timeout", "ask queued", "ask asyncio.Queue", 1.3),
    Goal("ask queued, 30 s timeout / Pykka", "ask queued", "ask Pykka", 0.5),
    Goal("ask to an idle actor, async / Queue + future", "ask idle", "ask asyncio.Queue", 0.5),
    Goal("ask to an idle actor, sync / Queue + future", "ask idle, sync handler", "ask asyncio.Queue", None),
    Goal("spawn + stop / Queue in asyncio.TaskGroup", "spawn", "spawn asyncio.Queue", 0.4),
    Goal("spawn + stop / anyio task group", "spawn", "spawn anyio", 0.1),
    Goal("spawn + stop / Pykka", "spawn", "spawn Pykka", 0.03),
    Goal("fan-out 1 to 1000 / asyncio.Queue", "fan-out", "fan-out asyncio.Queue", 0.45),
    Goal("ring of 1000, async handler / asyncio.Queue", "ring", "ring asyncio.Queue", 0.45),
    Goal("ring of 1000, sync handler / asyncio.Queue", "ring, sync handler", "ring asyncio.Queue", 0.2),
    Goal("crash, restart, answer / own queued ask", "crash and answer", "ask queued", 2.0),
    Goal("idle actor / Queue with task, bytes", "idle bytes", "idle bytes asyncio.Queue", 0.3),
    Goal("idle actor, bytes", "idle bytes", None, 1536),
]  # fmt: skip


class Row(NamedTuple):
    """One line of the result."""

    title: str
    median: float
    low: float
    high: float
    goal: float | None
    verdict: str


def measure(rounds: int, seed: int) -> dict[str, list[float]]:
    """Run every case once a round, in shuffled order. Nanoseconds of CPU (or bytes) per operation."""
    shuffle = random.Random(seed).shuffle
    results: dict[str, list[float]] = {name: [] for name in CASES}
    for number in range(rounds):
        order = list(CASES)
        shuffle(order)
        for name in order:
            gc.collect()
            results[name].append(asyncio.run(_run(CASES[name])))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return results


async def _run(case: Callable[[], Awaitable[float]]) -> float:
    return await case()


def judge(results: dict[str, list[float]]) -> list[Row]:
    """Turn measurements into ratios, medians and verdicts."""
    rows = []
    for goal in GOALS:
        values = results[goal.case]
        if goal.base is not None:
            values = [value / base for value, base in zip(values, results[goal.base], strict=True)]
        median = statistics.median(values)
        verdict = "-" if goal.at_most is None else "met" if median <= goal.at_most else "MISSED"
        rows.append(Row(goal.title, median, min(values), max(values), goal.at_most, verdict))
    return rows


def table(rows: list[Row]) -> str:
    """Draw the rows as a Markdown table."""
    lines = ["| | median | range | goal | |", "|---|---|---|---|---|"]
    for row in rows:
        goal = "" if row.goal is None else f"<= {row.goal:g}"
        lines.append(
            f"| {row.title} | {row.median:.3g} | {row.low:.3g} to {row.high:.3g} | {goal} | {row.verdict} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print and optionally write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    results = measure(arguments.rounds, arguments.seed)
    rows = judge(results)
    version = f"Python {platform.python_version()}, {arguments.rounds} rounds"
    absolute = {name: statistics.median(values) for name, values in results.items()}
    print(f"{version}\n\n{table(rows)}\n")
    print("Medians, ns of CPU per operation (bytes for memory):")
    for name, value in absolute.items():
        print(f"  {name:28} {value:12,.0f}")
    if arguments.json:
        record = {"version": version, "rows": [row._asdict() for row in rows], "medians": absolute}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
