"""The tables of losses."""

from crucible.adapters.reports.process import _mean_loss, _term_tables
from crucible.messages.flow import LossPoint
from crucible.messages.records import LossTerm


def test_the_mean_of_an_epoch_weighs_each_step_by_its_units() -> None:
    points = [
        LossPoint(step=1, epoch=0.5, loss=1.0, split="train", weight=3.0),
        LossPoint(step=2, epoch=1.0, loss=2.0, split="train", weight=1.0),
    ]
    assert _mean_loss(points) == 1.25


def test_terms_of_the_loss_get_a_row_for_each_epoch_with_means_over_its_steps() -> None:
    def point(step: int, value: float) -> LossPoint:
        terms = (
            LossTerm(name="cross_entropy", weight=1.0, value=2.0, gradient_norm=3.0),
            LossTerm(name="kl_k3", weight=0.5, value=value, gradient_norm=value),
        )
        return LossPoint(step=step, epoch=step / 2, loss=2.0, split="train", terms=terms)

    held_out = LossPoint(step=2, epoch=1.0, loss=2.0, split="validation")
    (table,) = _term_tables([point(1, 0.1), point(2, 0.3), held_out, point(3, 0.5)])
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["1", "cross_entropy", "1.000", "2.000", "3.000"],
        ["1", "kl_k3", "0.500", "0.200", "0.200"],
        ["2", "cross_entropy", "1.000", "2.000", "3.000"],
        ["2", "kl_k3", "0.500", "0.500", "0.500"],
    ]


def test_a_loss_of_one_term_has_no_table_of_terms() -> None:
    assert _term_tables([LossPoint(step=1, epoch=0.5, loss=1.0, split="train")]) == []
