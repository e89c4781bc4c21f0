"""``kill -9`` at random moments: what was acknowledged is there, and the next process goes on with it."""

from __future__ import annotations

import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from tests.faults.store_ledger import Ledger, working


@pytest.mark.parametrize("kills", [20, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path, kills: int) -> None:
    rng, ledger = random.Random(kills), Ledger()
    folder, outside = tmp_path / "data", tmp_path / "outside"
    for number in range(kills):
        with working(folder, f"b{number}", outside) as (worker, told):
            ledger.add(told.readline() for _ in range(rng.randint(1, 400)))
            worker.kill()
            ledger.add(told)
        assert worker.returncode == -signal.SIGKILL
        assert ledger.lost(folder) == []
    kinds = Counter(line[0] for line in ledger.lines)
    assert all(kinds[kind] > kills for kind in ("submitted", "intended", "effect", "stage", "settled"))
    stages = Counter(tuple(line[1:]) for line in ledger.lines if line[0] == "stage")
    assert set(stages.values()) == {1}
    called = Counter(outside.read_text().split())
    assert {line[1] for line in ledger.lines if line[0] == "effect"} <= set(called)
    assert sum(called.values()) - len(called) <= kills * 8, "more was asked twice than was under way"
