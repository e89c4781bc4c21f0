"""What a durable run has besides: a sampler that looks at the lease first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from crucible.actors.durability import HeldSampler
from crucible.messages.records import Completion, Prompt, SamplingParams
from crucible.messages.requests import BackendReply, BackendRequest

REQUEST = BackendRequest(key="k", example_id="e", prompt=Prompt(text="p"), params=SamplingParams())


class Asked:
    """Counts."""

    def __init__(self) -> None:
        self.times = 0
        self.telemetry = {"server.address": "somewhere"}

    async def sample(self, _request: BackendRequest) -> BackendReply:
        self.times += 1
        return BackendReply(completions=(Completion(text="a"),))


async def test_nothing_is_asked_once_the_lease_is_lost() -> None:
    asked, lease = Asked(), SimpleNamespace(good=True)
    sampler: Any = HeldSampler(asked, lambda: lease.good)
    assert (await sampler.sample(REQUEST)).completions[0].text == "a"
    lease.good = False
    late = asyncio.ensure_future(sampler.sample(REQUEST))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (asked.times, late.done()) == (1, False)
    late.cancel()
    await asyncio.wait([late])
    assert late.cancelled()


def test_a_held_sampler_tells_what_the_sampler_tells_of_itself() -> None:
    assert HeldSampler(Asked(), lambda: True).telemetry == {"server.address": "somewhere"}
