"""What tells runs of one experiment apart in a list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crucible.adapters.http.specs import Facts, SpecShelf, differences, facts_of
from crucible.adapters.stores.memory import MemoryStore
from crucible.messages.queue import NewRun, QueuedRun

SPEC: dict[str, Any] = {
    "id": "capitals",
    "seed": 0,
    "backend": {"id": "mock", "name": "small", "options": {"model": "tiny-1b", "epochs": 3}},
    "pipeline": [{"name": "data_load"}, {"name": "bench", "options": {"resamples": 100}}],
}


def changed(**changes: Any) -> bytes:
    """The spec with values at these paths, dots as double underscores; None takes a key out."""
    data = json.loads(json.dumps(SPEC))
    for path, value in changes.items():
        *above, last = path.split("__")
        node = data
        for part in above:
            node = node[int(part) if part.isdigit() else part]
        if value is None:
            del node[last]
        else:
            node[last] = value
    return json.dumps(data).encode()


def told(*specs: bytes, experiments: tuple[str, ...] | None = None) -> list[list[str]]:
    """What is told of runs with these specs."""
    runs, facts = [], {}
    for number, spec in enumerate(specs):
        name = f"r{number}"
        runs.append(
            QueuedRun(
                id=name, experiment_id=experiments[number] if experiments else "capitals", spec_hash=name,
                base="/", state="queued", owner="ann", priority=0, submitted_at=0.0, run_at=0.0,
            )
        )  # fmt: skip
        facts[name] = facts_of(spec)
    found = differences(runs, facts)
    return [[f"{each.label} {each.value}" for each in found[run.id]] for run in runs]


def test_the_model_is_told_by_its_name_and_what_it_is_made_from() -> None:
    assert facts_of(changed())[:3] == ("mock", "small", "tiny-1b")
    assert facts_of(changed(backend__name=None))[:3] == ("mock", "mock", "tiny-1b")


def test_two_runs_are_told_apart_by_the_values_that_differ() -> None:
    assert told(changed(), changed(seed=7, backend__options__epochs=20)) == [
        ["seed 0", "epochs 3"],
        ["seed 7", "epochs 20"],
    ]


def test_a_value_that_most_runs_have_is_told_of_the_others_only() -> None:
    assert told(changed(), changed(), changed(seed=7)) == [[], [], ["seed 7"]]


def test_equal_runs_and_runs_of_other_experiments_are_not_told_apart() -> None:
    assert told(changed(), changed()) == [[], []]
    assert told(changed(), changed(seed=7), experiments=("a", "b")) == [[], []]


def test_a_value_that_is_not_given_is_the_default() -> None:
    assert told(changed(), changed(seed=None)) == [["seed 0"], ["seed default"]]


def test_the_model_is_not_told_twice() -> None:
    assert told(changed(), changed(backend__name="large", backend__options__model="big")) == [[], []]


def test_stages_are_named_and_one_that_is_left_out_is_told_without_its_options() -> None:
    without = changed(pipeline=[{"name": "data_load"}])
    assert told(changed(), without) == [["bench yes"], ["bench no"]]
    assert told(changed(), changed(pipeline__1__options__resamples=5)) == [["resamples 100"], ["resamples 5"]]


def test_values_of_equal_names_are_told_with_their_places() -> None:
    other = changed(backend__options__seed=1, seed=1)
    assert told(changed(backend__options__seed=0), other) == [
        ["seed 0", "backend.seed 0"],
        ["seed 1", "backend.seed 1"],
    ]


def test_long_values_are_cut_and_many_are_bounded() -> None:
    facts = facts_of(changed(backend__options={f"k{n}": "x" * 1000 for n in range(1000)}))
    assert len(facts.values) == 200
    assert max(map(len, facts.values.values())) == 60


@pytest.mark.parametrize("spec", [b"", b"[]", b"\xff", b'{"backend": 3}', b'{"backend": {"options": []}}'])
def test_what_is_no_experiment_has_no_facts(spec: bytes) -> None:
    assert facts_of(spec)[:3] == ("", "", "")


async def test_a_spec_is_read_once_and_one_that_was_forgotten_is_left_out() -> None:
    class Counting(MemoryStore):
        asked = 0

        async def spec(self, run_id: str) -> bytes:
            self.asked += 1
            return await super().spec(run_id)

    store = Counting()
    run = (
        await store.submit(NewRun(id="r", experiment_id="capitals", spec=changed(), spec_hash="h", base="/"))
    ).run
    shelf = SpecShelf(keep=1)
    assert (await shelf.of(store, [run, run]))["h"].model == "small"
    await shelf.of(store, [run])
    assert store.asked == 1
    gone = QueuedRun(
        id="gone", experiment_id="capitals", spec_hash="other", base="/", state="queued", owner="ann",
        priority=0, submitted_at=0.0, run_at=0.0,
    )  # fmt: skip
    assert await shelf.of(store, [gone]) == {}
    assert isinstance((await shelf.of(store, [run]))["h"], Facts)
