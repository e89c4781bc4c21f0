"""A queue with several servers, requests that arrive by chance, and duplicates: simulated by events.

Used by ``hedging_optimum.py`` and by the tests of the guard against load. Requests arrive in a Poisson stream
and are served first come first served. A request that lost its race leaves the queue, or frees its server,
unless ``notices`` is false: then the server works on for nobody, as servers do that do not look at their
connections. Policy and bucket are the real ones, called as the pool calls them.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from crucible.actors.hedging.budget import HedgeBudget
from crucible.actors.hedging.plan import Attempt, HedgePolicy, Race, RequestFeatures

ANY = RequestFeatures()
Service = Callable[[random.Random], float]


@dataclass(slots=True, eq=False)
class Job:
    """One request to the servers."""

    call: Call
    sent: float
    seconds: float
    running: bool = False
    cancelled: bool = False


@dataclass(slots=True, eq=False)
class Call:
    """A request of the client and its duplicate."""

    sent: float
    delay_s: float | None
    jobs: list[Job] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """Latencies in the order of the answers, and duplicates."""

    latencies: list[float]
    duplicates: int

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def mean(self) -> float:
        return sum(self.latencies) / len(self.latencies)


class Queue:
    """The servers and what waits for them."""

    def __init__(self, servers: int) -> None:
        self.free = servers
        self.waiting: deque[Job] = deque()
        self.events: list[tuple[float, int, str, object]] = []
        self._ties = 0

    def at(self, time: float, kind: str, what: object) -> None:
        self._ties += 1
        heapq.heappush(self.events, (time, self._ties, kind, what))

    def enter(self, now: float, job: Job) -> None:
        self.waiting.append(job)
        self.serve(now)

    def serve(self, now: float) -> None:
        while self.free and self.waiting:
            job = self.waiting.popleft()
            if not job.cancelled:
                self.free -= 1
                job.running = True
                self.at(now + job.seconds, "done", job)

    def release(self, now: float, job: Job) -> None:
        job.running = False
        self.free += 1
        self.serve(now)


@dataclass(slots=True)
class Client:
    """Sends requests and duplicates, and takes answers."""

    policy: HedgePolicy
    queue: Queue
    bucket: HedgeBudget
    notices: bool
    coins: random.Random
    outcome: Outcome = field(default_factory=lambda: Outcome([], 0))

    def arrive(self, now: float, seconds: float) -> None:
        self.bucket.on_first(now)
        plan = self.policy.plan(now, ANY)
        call = Call(now, plan.delay_s)
        if plan.delay_s is not None and plan.fires(self.coins.random()):
            self.queue.at(now + plan.delay_s, "hedge", call)
        self.send(call, now, seconds)

    def hedge(self, now: float, call: Call, seconds: float) -> None:
        if call.jobs and self.bucket.take(now):
            self.send(call, now, seconds)
            self.outcome.duplicates += 1

    def send(self, call: Call, now: float, seconds: float) -> None:
        job = Job(call, now, seconds)
        call.jobs.append(job)
        self.queue.enter(now, job)

    def done(self, now: float, job: Job) -> None:
        if not job.running or (job.cancelled and self.notices):
            return  # it was taken from its server
        if not job.cancelled:
            self.answered(now, job)
        self.queue.release(now, job)

    def answered(self, now: float, job: Job) -> None:
        call = job.call
        self.outcome.latencies.append(now - call.sent)
        self.policy.observe(_race(call, job, now))
        for other in call.jobs:
            if other is not job:
                other.cancelled = True
                if other.running and self.notices:
                    self.queue.release(now, other)
        call.jobs = []


def simulate(
    policy: HedgePolicy,
    service: Service,
    *,
    load: float,
    mean_s: float,
    count: int,
    seed: int,
    servers: int = 16,
    budget_percent: float = 5.0,
    notices: bool = True,
) -> Outcome:
    """``count`` requests at ``load`` times the capacity.

    Arrivals and the services of first requests depend on the seed only, so that policies can be paired.
    """
    arrivals, first, copies, coins = (random.Random(f"{seed} {name}") for name in ("a", "f", "c", "q"))
    queue = Queue(servers)
    client = Client(policy, queue, HedgeBudget(budget_percent), notices, coins)
    rate = load * servers / mean_s
    queue.at(arrivals.expovariate(rate), "arrival", None)
    while queue.events:
        now, _, kind, what = heapq.heappop(queue.events)
        if kind == "arrival":
            client.arrive(now, service(first))
            count -= 1
            if count:
                queue.at(now + arrivals.expovariate(rate), "arrival", None)
        elif isinstance(what, Call):
            client.hedge(now, what, service(copies))
        elif isinstance(what, Job):
            client.done(now, what)
    return client.outcome


def _race(call: Call, winner: Job, now: float) -> Race:
    attempts = tuple(
        Attempt(
            started_s=job.sent - call.sent,
            latency_s=now - job.sent,
            outcome="answered" if job is winner else "cancelled",
        )
        for job in call.jobs
    )
    return Race(attempts=attempts, winner=call.jobs.index(winner), delay_s=call.delay_s)
