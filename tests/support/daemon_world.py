"""A small world for tests of the daemon: a backend that counts, folders that survive, daemons that die.

The pipeline is the real one: data_load, backend_call with training, and a last stage that keeps the samples.
Backend and store fail as they are told to. Time is the loop's, so it may be simulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from tests.support.queue import daemon as daemon_record
from tests.support.simulated_loop import LoopClock

from crucible.actors.daemon.feed import LiveFeed
from crucible.actors.daemon.jobs import PlannedRun, RunJob
from crucible.actors.daemon.supervisor import Daemon, DaemonParts, StopDaemon
from crucible.actors.durability import Durability
from crucible.actors.experiment import RunPlan, StagePlan
from crucible.actors.kept_stream import KeptStream, StreamSource, StreamWriter
from crucible.actors.ports import Capabilities
from crucible.actors.runtime import ActorRef, ActorSystem
from crucible.actors.stage import SourceActor, StageActor
from crucible.actors.stages.backend_call import BackendCall, BackendSettings
from crucible.actors.stages.backend_settings import BackendCallOptions
from crucible.actors.stages.data_load import DataLoad, DataLoadOptions
from crucible.actors.systems import SystemSpec
from crucible.adapters.datasets.memory import MemoryLoader, MemoryOptions
from crucible.messages.control import RunResult
from crucible.messages.errors import ConnectionFailedError, StoreError
from crucible.messages.experiment import BackendRef, DatasetRef, Experiment, StageDef
from crucible.messages.flow import Sample, StageResult
from crucible.messages.queue import NewRun, QueuedRun
from crucible.messages.records import CheckpointRef, Completion, Example, TrainStep
from crucible.messages.requests import BackendReply, BackendRequest, StoredReply
from crucible.messages.settings import DaemonSettings
from crucible.messages.training import TrainingConfig

__all__ = ["SETTINGS", "BrokenError", "DaemonUnderTest", "World"]

SETTINGS = DaemonSettings(
    max_running=3, lease_s=30.0, renew_s=10.0, retry_base_s=1.0, retry_max_s=10.0, max_interruptions=50
)
STAGES = ("data_load", "backend_call", "report")


class BrokenError(Exception):
    """A bug, planted."""


class Journal:
    """Replies of a run, on its disk."""

    def __init__(self, world: World, run_id: str) -> None:
        self._world, self._replies = world, world.journals[run_id]

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    async def get(self, key: str) -> StoredReply | None:
        return self._replies.get(key)

    async def put(self, key: str, stored: StoredReply) -> None:
        await asyncio.sleep(0)
        self._replies[key] = stored
        self._world.kept.add(stored.reply.model or "")

    def figures(self) -> dict[str, Any]:
        return {"entries": 0, "stored": len(self._replies), "damaged": 0}

    def close(self) -> None:
        pass


class Sampler:
    """Answers after a while, or fails as the world says."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def sample(self, request: BackendRequest) -> BackendReply:
        session = self._session
        world, run_id = session.world, session.job.run.id
        world.look(session.job, f"sample {request.example_id}")
        world.asked[request.key] += 1
        assert request.key not in world.kept, f"{request.key} was paid for and is asked again"
        world.keys[run_id].add(request.key)
        fault = world.backend_fault()
        await asyncio.sleep(world.rng.uniform(0.0, 2.0) * world.pace)
        if fault == "before":
            raise ConnectionFailedError("planted: nothing was done")
        world.paid[request.key] += 1
        if fault == "after":
            raise ConnectionFailedError("planted: answered, but the answer was lost")
        return BackendReply(
            completions=(Completion(text=f"answer to {request.example_id}"),), model=request.key
        )


class Session:
    """Trains by counting steps."""

    def __init__(self, world: World, job: RunJob, folder: Path) -> None:
        self.world, self.job, self._folder = world, job, folder
        self._steps = 0

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        self.world.look(self.job, "train_step")
        await asyncio.sleep(0.5 * self.world.pace)
        return TrainStep(loss_sum=10.0 / (self._steps + 1), weight_sum=float(len(batch)))

    async def optim_step(self, learning_rate: float) -> None:
        self._steps += 1
        self.world.steps[self.job.run.id].append(self._steps)

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        return TrainStep(loss_sum=1.0, weight_sum=float(len(batch)))

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        run_id = self.job.run.id
        assert self.world.is_intended(f"{run_id}/backend_call/model/checkpoint-{name}"), name
        await asyncio.sleep(0.2 * self.world.pace)
        return CheckpointRef(name=name, uri=f"{run_id}/{name}", step=step, epoch=epoch, loss=loss)

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        self._steps = ref.step

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> Sampler:
        return Sampler(self)

    async def aclose(self) -> None:
        pass


class Backend:
    """Opens sessions of one attempt."""

    Options = msgspec.Struct
    capabilities = Capabilities(trainable=True)

    def __init__(self, world: World, job: RunJob) -> None:
        self._world, self._job = world, job

    async def open(self, options: Any, *, seed: int, workdir: Path) -> Session:
        return Session(self._world, self._job, workdir)


class Collect:
    """The last stage: keeps what arrives, and leaves it in the run's folder."""

    restartable = False

    def __init__(self, world: World, job: RunJob, folder: Path) -> None:
        self._world, self._job, self._folder = world, job, folder
        self._lines = list[str]()

    async def process(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        self._lines += [f"{s.example.id}: {s.outputs[0].text or s.outputs[0].error}" for s in samples]
        return samples

    async def finish(self, upstream: Sequence[StageResult]) -> StageResult:
        await asyncio.sleep(0.1)
        self._world.maybe_break(self._job)
        (self._folder / "report.txt").write_text("\n".join(self._lines))
        return StageResult(stage="report", status="completed", metrics={"lines": len(self._lines)})


class World:
    """All that survives a daemon."""

    def __init__(self, store: Any, disk: Path, rng: random.Random, *, pace: float = 1.0) -> None:
        self.store, self.disk, self.rng, self.pace = store, disk, rng, pace
        self.journals: defaultdict[str, dict[str, StoredReply]] = defaultdict(dict)
        self.asked: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.kept: set[str] = set()
        """Keys whose reply is on disk."""
        self.keys: defaultdict[str, set[str]] = defaultdict(set)
        self.steps: defaultdict[str, list[int]] = defaultdict(list)
        self.tokens: defaultdict[str, int] = defaultdict(int)
        self.planned: Counter[str] = Counter()
        self.backend_fault: Callable[[], str | None] = lambda: None
        self.breaks: Callable[[], bool] = lambda: False
        self._numbers = itertools.count(1)
        self._boots = itertools.count(1)

    # What the tests hold against it

    def look(self, job: RunJob, what: str) -> None:
        """Nobody works under a token once a later one is at work."""
        run, token = job.run.id, job.run.token
        assert token >= self.tokens[run], f"{what} under token {token} after {self.tokens[run]} of {run}"
        self.tokens[run] = token

    def is_intended(self, key: str) -> bool:
        """Whether the effect was written down before it is made."""
        return key in self.store._effects

    def maybe_break(self, job: RunJob) -> None:
        if self.breaks():
            raise BrokenError("planted")

    def report(self, run_id: str) -> list[str]:
        return (self.disk / run_id / "report.txt").read_text().splitlines()

    # Runs

    def new_run(self, *, rows: int = 5, train: bool = False, **fields: Any) -> NewRun:
        spec = msgspec.json.encode({"rows": rows, "train": train})
        return NewRun(
            id=f"run-{next(self._numbers)}",
            experiment_id="simulated",
            spec=spec,
            spec_hash=sha256(spec).hexdigest(),
            base=".",
            **fields,
        )

    async def plan(self, job: RunJob) -> PlannedRun:
        """The run factory."""
        self.planned[job.run.id] += 1
        self.look(job, "plan")
        wanted = msgspec.json.decode(job.spec)
        folder = self.disk / job.run.id
        folder.mkdir(exist_ok=True)
        hashes = {name: f"hash-of-{name}" for name in STAGES}
        done = KeptStream.of(folder)
        ended = folder / "run.json"
        if ended.exists():
            result = msgspec.json.decode(ended.read_bytes(), type=RunResult)
            if result.status == "completed":
                return PlannedRun(plan=None, hashes=hashes, finished=result)
        durable = Durability(
            journal=Journal(self, job.run.id),
            effects=job.effects,
            safe_point=job.safe_point,
            current=job.current,
            stream=StreamWriter(folder),
            done=done,
        )
        stages = self._stages(wanted, job, folder, durable)
        if done is not None:
            source = StagePlan(name="backend_call", build=lambda w, t: StreamSource(w, done, t))
            stages = (source, *stages[2:])

        def save(result: RunResult) -> None:
            if job.current():
                ended.write_bytes(msgspec.json.encode(result))

        return PlannedRun(
            plan=RunPlan(
                run_id=job.run.id,
                experiment=EXPERIMENT,
                stages=stages,
                done=() if done is None else done.results[:-1],
                publish=job.publish,
                close=durable.stream.close,
                save=save,
                now=asyncio.get_running_loop().time,
            ),
            hashes=hashes,
        )

    def _stages(
        self, wanted: dict[str, Any], job: RunJob, folder: Path, durable: Durability
    ) -> tuple[StagePlan, ...]:
        rows = tuple(
            {"input": f"question {n}", "reference": "yes", "split": "train"} for n in range(wanted["rows"])
        )
        options = MemoryOptions(rows=rows, input_key="input", output_key="reference", split_key="split")
        ref = DatasetRef(name="rows", provider="memory", split="all")
        dataset = MemoryLoader().open(ref, options, seed=0, base=Path())
        model = SystemSpec(
            name="model",
            backend_id="simulated",
            backend=Backend(self, job),  # type: ignore[arg-type]
            options=Nothing(),
            training=TrainingConfig(epochs=2, batch_size=2, checkpoint_every_steps=2),
        )
        settings = BackendSettings(
            model=model,
            baselines=(),
            options=BackendCallOptions(
                mode="train_then_sample" if wanted["train"] else "sample",
                concurrency=3,
                max_attempts=100,
                backoff_s=0.1,
                max_backoff_s=1.0,
            ),
            evaluate="all",
            experiment_id=job.run.id,
            seed=1,
            workdir=folder,
            durable=durable,
        )
        collect = Collect(self, job, folder)
        return (
            StagePlan(
                name="data_load",
                build=lambda w, t: SourceActor(w, DataLoad(dataset, DataLoadOptions(batch_size=2)), t),
            ),
            StagePlan(name="backend_call", build=lambda w, t: BackendCall(w, settings, t)),
            StagePlan(name="report", build=lambda w, t: StageActor(w, collect, t)),
        )

    # Daemons

    def daemon(
        self, name: str = "d1", *, store: Any = None, settings: DaemonSettings = SETTINGS
    ) -> DaemonUnderTest:
        """A daemon that is not started yet."""
        return DaemonUnderTest(self, name, f"boot-{next(self._boots)}", store or self.store, settings)

    async def until(self, *states: str, runs: Sequence[str] | None = None, within_s: float = 3600) -> None:
        """Wait until all runs are in one of the states."""
        async with asyncio.timeout(within_s):
            while True:
                page = await self.store.runs(limit=1000)
                wanted = [run for run in page.runs if runs is None or run.id in runs]
                if all(run.state in states for run in wanted):
                    return
                await asyncio.sleep(0.25)


class Nothing(msgspec.Struct, frozen=True):
    """No options."""


EXPERIMENT = Experiment(
    id="simulated",
    backend=BackendRef(id="simulated"),
    pipeline=tuple(StageDef(name=name) for name in STAGES),
)


class DaemonUnderTest:
    """A daemon with its actor system; ``kill`` ends it as ``kill -9`` would."""

    def __init__(self, world: World, name: str, boot: str, store: Any, settings: DaemonSettings) -> None:
        self.world, self.store = world, store
        self.system = ActorSystem(f"{name}-{boot}", clock=LoopClock())
        self.stopped = asyncio.Event()
        self.settled: list[QueuedRun] = []
        self.feed = LiveFeed(self.system, monotonic=asyncio.get_running_loop().time)
        self.parts = DaemonParts(
            store=store,
            feed=self.feed,
            factory=self._plan,
            settings=settings,
            record=daemon_record(name, boot),
            new_id=lambda experiment: f"{experiment}-{next(world._numbers)}",
            rng=random.Random(world.rng.random()),
            on_settled=lambda run, _result: self.settled.append(run),
        )
        self.ref: ActorRef
        self._dead = False

    async def _plan(self, job: RunJob) -> PlannedRun:
        return await self.world.plan(job)

    def start(self) -> DaemonUnderTest:
        self.system.start()
        self.ref = self.system.spawn(
            lambda: Daemon(self.parts, self.stopped), name="daemon", restart="temporary"
        )
        return self

    async def kill(self) -> None:
        """Nothing it does from now on is seen by anybody."""
        self._dead = True
        if isinstance(self.store, object) and hasattr(self.store, "cut_off"):
            self.store.cut_off = True
        for child in await self._runs():
            child.give_up()
        await self.system.stop(grace=0.0)

    async def _runs(self) -> list[Any]:
        actor: Any = self.ref._cell.actor
        return [running.hold for running in actor._running.values()]

    async def stop(self, *, within_s: float = 60.0) -> None:
        """As SIGTERM does."""
        await self.ref.tell(StopDaemon())
        async with asyncio.timeout(within_s):
            await self.stopped.wait()
        with contextlib.suppress(StoreError):
            await self.store.forget(self.parts.record.id, self.parts.record.boot_id)
        await self.system.stop()

    @property
    def crashes(self) -> list[str]:
        return [repr(failure.reason) for failure in self.system.failures]
