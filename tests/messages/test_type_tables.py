"""Types that several threads decode for the first time at once."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from crucible.messages import type_tables
from crucible.messages.base import Message
from crucible.messages.decoding import collect
from crucible.messages.experiment import Experiment
from crucible.messages.type_tables import build_messages

AT_ONCE = """
import sys, threading
import msgspec
from crucible.messages.type_tables import build

made = {}
for number in range(60):  # each holds the ones before, so that building the last one takes a while
    fields = [(f"f{n}", made[f"S{number - n}"] | None, None) for n in range(1, 7) if number >= n]
    made[f"S{number}"] = msgspec.defstruct(f"S{number}", fields)
last, value = made["S59"], {}
for _ in range(30):
    value = {"f1": value}
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(4)

def work():
    barrier.wait()
    BUILD
    msgspec.convert(value, last)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_may_use_a_type_that_each_has_built_first() -> None:
    """Without that msgspec reads a table that another thread still fills: a segmentation fault each time."""
    for _ in range(5):
        script = AT_ONCE.replace("BUILD", "build(last)")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_what_is_decoded_from_files_is_built_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    class Options(Message, frozen=True):
        depth: int = 1

    seen: list[bool] = []
    look = msgspec.inspect.type_info

    def noting(kind: Any) -> Any:
        seen.append(kind in type_tables._BUILT)
        return look(kind)

    monkeypatch.setattr(msgspec.inspect, "type_info", noting)
    assert collect({"depth": 3}, Options) == (Options(depth=3), [])
    assert seen[0]


def test_every_message_that_is_loaded_is_built() -> None:
    built = build_messages()
    assert Experiment in built
    assert {*built} <= type_tables._BUILT
