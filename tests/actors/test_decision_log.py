"""Decisions of a batch."""

from crucible.actors.decision_log import TOLD, DecisionLog
from crucible.messages.trace import Decision


def test_decisions_are_told_once() -> None:
    log = DecisionLog()
    decision = Decision(kind="filter", chosen="remove", subject="e1")
    log.add(decision)
    assert log.take() == (decision,)
    assert log.take() == ()


def test_of_many_decisions_the_first_are_told_and_the_others_counted() -> None:
    log = DecisionLog()
    for number in range(TOLD + 7):
        log.add(Decision(kind="filter", chosen="remove", subject=str(number)))
    told = log.take()
    assert len(told) == TOLD + 1
    assert (told[-1].kind, told[-1].chosen) == ("filter", "7 more")
