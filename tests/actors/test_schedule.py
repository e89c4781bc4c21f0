"""The training schedule: pure functions of settings and seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.actors.schedule import default_warmup, epoch_order, learning_rate, steps_per_epoch
from crucible.messages.training import TrainingConfig


def test_505_rows_in_batches_of_8_over_5_epochs_are_320_steps() -> None:
    assert steps_per_epoch(505, 8) * 5 == 320


def test_default_warmup_of_404_rows_in_batches_of_8_is_5_steps() -> None:
    assert default_warmup(404, 8) == 5


def test_warmup_rises_linearly_and_reaches_the_peak_at_its_last_step() -> None:
    config = TrainingConfig(learning_rate=0.4, warmup_steps=4)
    assert [learning_rate(config, step, 100, 80) for step in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_linear_decay_ends_one_step_short_of_the_final_rate() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=0, schedule="linear")
    assert [learning_rate(config, step, 4, 80) for step in range(4)] == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_cosine_decay_is_half_way_down_in_the_middle() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=0, schedule="cosine", final_learning_rate=0.2)
    assert learning_rate(config, 50, 100, 80) == pytest.approx(0.6)


def test_constant_schedule_stays_at_the_peak() -> None:
    config = TrainingConfig(learning_rate=0.3, warmup_steps=2, schedule="constant")
    assert {learning_rate(config, step, 9, 80) for step in range(2, 9)} == {0.3}


@given(rows=st.integers(1, 200), epoch=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
def test_an_epoch_visits_every_row_once_in_an_order_that_repeats(rows: int, epoch: int, seed: int) -> None:
    order = epoch_order(rows, epoch, seed, shuffle=True)
    assert sorted(order) == list(range(rows))
    assert order == epoch_order(rows, epoch, seed, shuffle=True)


def test_epochs_differ_in_their_order() -> None:
    assert epoch_order(50, 0, 7, shuffle=True) != epoch_order(50, 1, 7, shuffle=True)


def test_without_shuffle_rows_keep_their_order() -> None:
    assert list(epoch_order(5, 3, 7, shuffle=False)) == [0, 1, 2, 3, 4]
