from __future__ import annotations

import pytest

from crucible.adapters.cns.critics import CRITICS, WEIGHTS, judge
from crucible.messages.claims import CriticReport


def said(**scores: float | None) -> list[CriticReport]:
    return [CriticReport(critic=name, score=score, method="lexical") for name, score in scores.items()]


def test_the_verdict_is_the_weighted_mean() -> None:
    verdict = judge(said(grounding=1.0, logic=0.5, novelty=0.5, causal=0.5, bias=0.5))
    assert verdict.score == pytest.approx(0.4 * 1.0 + 0.6 * 0.5)
    assert verdict.passed
    assert verdict.level == "good"
    assert verdict.band == (0.5, 1.0)


def test_a_critic_without_a_score_gives_its_weight_to_the_others() -> None:
    verdict = judge(said(grounding=None, logic=0.6, novelty=0.9))
    assert verdict.score == pytest.approx((0.30 * 0.6 + 0.15 * 0.9) / 0.45)
    assert verdict.weights == pytest.approx({"logic": 2 / 3, "novelty": 1 / 3})


@pytest.mark.parametrize("reports", [[], said(grounding=None), said(unheard_of=1.0)])
def test_nobody_to_judge_is_no_score_and_no_pass(reports: list[CriticReport]) -> None:
    verdict = judge(reports)
    assert (verdict.score, verdict.passed, verdict.level) == (None, False, "undefined")


def test_critics_more_than_three_tenths_apart_are_in_conflict() -> None:
    verdict = judge(said(grounding=1.0, logic=0.65, novelty=0.75))
    assert [(c.first, c.second) for c in verdict.conflicts] == [("grounding", "logic")]


@pytest.mark.parametrize(
    ("score", "level"),
    [
        (0.85, "excellent"),
        (0.84, "good"),
        (0.7, "good"),
        (0.69, "acceptable"),
        (0.5, "acceptable"),
        (0.3, "poor"),
        (0.29, "unacceptable"),
    ],
)
def test_levels(score: float, level: str) -> None:
    assert judge(said(logic=score)).level == level


def test_the_plan_starts_with_what_would_gain_most() -> None:
    verdict = judge(said(grounding=0.5, logic=0.1, novelty=0.9, bias=0.1))
    assert [step.critic for step in verdict.plan] == ["logic", "grounding", "bias"]
    assert verdict.plan[0].expected_gain == pytest.approx(0.30 / 0.90 * 0.6)
    assert (verdict.weakest, verdict.strongest) == ("logic", "grounding")


def test_a_context_changes_the_weights() -> None:
    reports = said(grounding=0.0, logic=1.0, novelty=0.0, causal=0.0, bias=0.0)
    assert judge(reports, WEIGHTS["philosophical"]).score == pytest.approx(0.45)
    assert judge(reports, WEIGHTS["empirical"]).score == pytest.approx(0.20)


@pytest.mark.parametrize("context", WEIGHTS)
def test_the_weights_of_every_context_are_shares_of_all_critics(context: str) -> None:
    assert set(WEIGHTS[context]) == set(CRITICS)
    assert sum(WEIGHTS[context].values()) == pytest.approx(1.0)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weights_that_are_none_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="finite and at least 0"):
        judge(said(logic=1.0), {"logic": weight})


def test_the_gate_is_a_parameter() -> None:
    assert not judge(said(logic=0.75), passing=0.8).passed
