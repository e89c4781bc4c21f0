"""Steps per second of Tinker training against the tests' server, at 50 ms for every HTTP answer.

    python tests/benchmarks/tinker_pipelining.py

Several ways over the same training loop, in turn, on the same server and the unmodified SDK: each call
awaited before the next one is made; both calls of a step made before either is awaited (submit_ahead = 0);
and the next one to three steps made before the last one is awaited (3 is the default). The delay is that of
a network: requests overlap in it. What is timed are the steps alone, without connecting and making the model.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.adapters.backends.support import REFERENCE, row
from tests.adapters.backends.tinker.support import KEY, Tenant, make_tokenizer, running_server

from crucible.actors.training_loop import Rows, train
from crucible.adapters.backends.tinker import TinkerBackend, TinkerOptions
from crucible.messages.records import Example, TrainStep
from crucible.messages.training import TrainingConfig

STEPS, ROUNDS, LATENCY_S = 40, 5, 0.05
WAYS = ("each call awaited", "submit_ahead = 0", "submit_ahead = 1", "submit_ahead = 2", "submit_ahead = 3")


class Awaited:
    """The session without its queue: the loop then awaits each call."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        step: TrainStep = await self._session.train_step(batch)
        return step

    async def optim_step(self, learning_rate: float) -> None:
        await self._session.optim_step(learning_rate)

    async def save_checkpoint(self, name: str, **given: Any) -> Any:
        return await self._session.save_checkpoint(name, **given)


async def seconds(tenant: Tenant, tokenizer: Path, way: str) -> tuple[float, float]:
    """Wall-clock of the steps, and the loss of the last one."""
    options = TinkerOptions(
        base_model="tiny/lora",
        base_url=tenant.url,
        tokenizer=str(tokenizer),
        submit_ahead=int(way[-1]) if way[-1].isdigit() else 0,
    )
    marks, losses = list[float](), list[str]()

    async def report(_done: int, _total: int, note: str) -> None:
        marks.append(time.perf_counter())
        losses.append(note)

    rows = [row(number, text=f"Row {number}.", reference=REFERENCE) for number in range(STEPS)]
    training = Rows(lambda numbers: [rows[number] for number in numbers], len(rows))
    with tempfile.TemporaryDirectory() as folder:
        session = await TinkerBackend().open(options, seed=1, workdir=Path(folder))
        await session.evaluate(rows[:1])  # connects and makes the model
        started = time.perf_counter()
        config = TrainingConfig(epochs=1, batch_size=1, learning_rate=0.01)
        used: Any = Awaited(session) if way == WAYS[0] else session
        await train(used, training, Rows(lambda _numbers: [], 0), config, seed=1, report=report)
        await session.aclose()
    return marks[-1] - started, float(losses[-1].removeprefix("loss "))


def main() -> None:
    os.environ["TINKER_API_KEY"] = KEY
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    losses = set[float]()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = make_tokenizer(Path(folder))
        with running_server(tokenizer) as port:
            for number in range(ROUNDS):
                for way in WAYS:
                    tenant = Tenant(port, f"bench-{number}-{WAYS.index(way)}")
                    tenant.control(latency_s=LATENCY_S)
                    taken, loss = asyncio.run(seconds(tenant, tokenizer, way))
                    found[way].append(taken)
                    losses.add(loss)
    print(f"{STEPS} steps a round, {ROUNDS} rounds, {LATENCY_S * 1e3:g} ms an answer; last loss {losses}")
    print("| way | steps/s, median (range) | ratio, median of the rounds (range) |")
    print("|---|---|---|")
    for way in WAYS:
        rates = sorted(STEPS / taken for taken in found[way])
        pairs = zip(found[WAYS[0]], found[way], strict=True)
        ratios = sorted(first / taken for first, taken in pairs)
        print(
            f"| {way} | {statistics.median(rates):.1f} ({rates[0]:.1f} to {rates[-1]:.1f}) "
            f"| {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
        )


if __name__ == "__main__":
    main()
