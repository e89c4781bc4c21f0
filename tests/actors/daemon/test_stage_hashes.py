from typing import Any

import msgspec
import pytest

from crucible.actors.daemon.stage_hashes import stage_hashes
from crucible.messages.experiment import BackendRef, DatasetRef, Experiment, OutputSpec, StageDef

STAGES = ("data_load", "guardrails", "backend_call", "analysis_metrics", "bench", "report")
EXPERIMENT = Experiment(
    id="e",
    backend=BackendRef(id="mock"),
    pipeline=tuple(StageDef(name=name) for name in STAGES),
    dataset=DatasetRef(name="d", provider="jsonl"),
)


def hashes(experiment: Experiment = EXPERIMENT, *, data: str = "d1", version: str = "1") -> dict[str, str]:
    return stage_hashes(experiment, data_sha256=data, version=version)


def changed(**fields: Any) -> list[str]:
    """Stages whose hash a change of the experiment changes."""
    after = hashes(msgspec.structs.replace(EXPERIMENT, **fields))
    return [name for name, value in hashes().items() if after.get(name) != value]


def test_equal_inputs_have_equal_hashes_and_no_two_stages_share_one() -> None:
    assert hashes() == hashes()
    assert list(hashes()) == list(STAGES)
    assert len(set(hashes().values())) == len(STAGES)


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        ({"seed": 9}, "data_load"),
        ({"dataset": DatasetRef(name="d", provider="csv")}, "data_load"),
        ({"backend": BackendRef(id="mock", options={"epochs": 4})}, "backend_call"),
        ({"baselines": (BackendRef(id="lead"),)}, "backend_call"),
        ({"analysis_adapter": "none"}, "analysis_metrics"),
        ({"outputs": (OutputSpec(name="other"),)}, "report"),
    ],
)
def test_a_change_reaches_the_stages_that_depend_on_it_and_all_after(
    fields: dict[str, Any], first: str
) -> None:
    assert changed(**fields) == list(STAGES[STAGES.index(first) :])


def test_other_data_and_another_program_change_everything() -> None:
    for other in (hashes(data="d2"), hashes(version="2")):
        assert not set(other.values()) & set(hashes().values())


def test_options_of_a_stage_change_it_and_all_after() -> None:
    pipeline = tuple(StageDef(name=name, options={"x": 1} if name == "bench" else {}) for name in STAGES)
    assert changed(pipeline=pipeline) == ["bench", "report"]


def test_words_that_nothing_reads_change_only_what_shows_them() -> None:
    assert changed(description="other words") == ["report"]


def test_stages_that_are_switched_off_have_no_hash() -> None:
    pipeline = tuple(StageDef(name=name, enabled=name != "bench") for name in STAGES)
    assert "bench" not in hashes(msgspec.structs.replace(EXPERIMENT, pipeline=pipeline))
