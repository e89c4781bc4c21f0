"""Backends that can do with none of the prompts are refused; where one fits, the run begins."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.composition import prepare
from crucible.messages.errors import ExperimentError
from crucible.messages.experiment import Experiment
from crucible.planning import open_dataset

PASSAGE = "Passage:\nDocument 1: Naps\n\nNappers recalled more words.\n\nTask: state the claims."


def opened(prompts: list[str], *, train: int, mode: str = "train_then_sample", **call: Any) -> int:
    """Rows of the data set of an extractive job whose first ``train`` rows are training rows."""
    rows = [
        {"prompt": prompt, "completion": "CLAIM[c1]: x", "split": "train" if number < train else "test"}
        for number, prompt in enumerate(prompts)
    ]
    content = {
        "dataset": {"name": "d", "provider": "memory", "options": {"rows": rows, "split_key": "split"}},
        "backend": {"id": "extractive"},
        "pipeline": [{"name": "data_load"}, {"name": "backend_call", "options": {"mode": mode, **call}}],
    }
    content["dataset"]["split"] = "test"  # type: ignore[index]  # a dict
    experiment = msgspec.convert({"id": "e", **content}, Experiment)
    dataset = open_dataset(prepare(experiment, base=Path()))
    dataset.close()
    return len(dataset)


def test_one_training_row_with_a_passage_is_enough_to_begin() -> None:
    assert opened(["no"] * 400 + [PASSAGE] * 2, train=401) == 402


def test_no_training_row_with_a_passage_is_refused() -> None:
    with pytest.raises(
        ExperimentError, match=r"backend\.id: extractive learns only from prompts with a pass"
    ):
        opened(["no", "no", PASSAGE], train=2)


def test_no_row_to_answer_with_a_passage_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"backend\.id: extractive answers only prompts with a passage"):
        opened([PASSAGE, "no", "no"], train=1)


def test_rows_that_are_not_asked_are_not_looked_at() -> None:
    assert opened([PASSAGE, "no"], train=1, mode="train") == 2


def test_a_run_that_tolerates_every_failure_begins() -> None:
    assert opened([PASSAGE, "no"], train=1, max_failed=1.0) == 2
