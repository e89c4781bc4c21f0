"""The table of losses."""

from crucible.adapters.reports.process import _mean_loss
from crucible.messages.flow import LossPoint


def test_the_mean_of_an_epoch_weighs_each_step_by_its_units() -> None:
    points = [
        LossPoint(step=1, epoch=0.5, loss=1.0, split="train", weight=3.0),
        LossPoint(step=2, epoch=1.0, loss=2.0, split="train", weight=1.0),
    ]
    assert _mean_loss(points) == 1.25
