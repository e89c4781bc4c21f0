"""What a pool puts around the policies of its system."""

from __future__ import annotations

import pytest

from crucible.actors.hedging.options import NoOptions
from crucible.actors.hedging.plan import Attempt, Race
from crucible.actors.hedging.pool import HedgePool
from crucible.actors.hedging.racing_options import HedgeSettings, RacingOptions
from crucible.actors.hedging.tally import HedgeTally
from crucible.actors.runtime import VirtualClock
from crucible.messages.experiment import HedgingConfig
from crucible.messages.records import Prompt
from crucible.messages.requests import BackendRequest


@pytest.mark.parametrize(("guarded", "said"), [(True, "while the server is busy"), (False, "fixed delay")])
def test_a_server_that_has_become_busy_gets_no_duplicates_unless_the_guard_is_off(
    guarded: bool, said: str
) -> None:
    racing = RacingOptions(load_guard=guarded)
    config = HedgingConfig(strategy="fixed", delay_ms=2_000.0)
    settings = HedgeSettings(config=config, policy=NoOptions(), racing=racing)
    pool = HedgePool(settings, HedgeTally(), VirtualClock(), seed=1)
    request = BackendRequest(key="k", example_id="e", prompt=Prompt(text="?"))
    for latency_s in [1.0] * 900 + [3.0] * 300:
        attempt = Attempt(started_s=0.0, latency_s=latency_s, outcome="answered")
        entry = pool.enter(request, "a", lambda: False)
        pool.settled(entry, Race(attempts=(attempt,), winner=0))
    assert said in pool.enter(request, "a", lambda: False).plan.reason
