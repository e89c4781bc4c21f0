import random

from crucible.actors.watching import Watching
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.experiment import StatsConfig


def watching(*metrics: str, baselines: tuple[str, ...] = ("lead",)) -> Watching:
    return Watching(
        PairedStatistics(), metrics, model="tuned", baselines=baselines, config=StatsConfig(alpha=0.05)
    )


def pair(mine: float | None, theirs: float | None, metric: str = "f1") -> dict[str, dict[str, float | None]]:
    return {"tuned": {metric: mine}, "lead": {metric: theirs}}


def test_a_clear_difference_is_decided_before_the_end_and_stays_so() -> None:
    watch = watching("f1")
    for number in range(400):
        watch.add(None, pair(0.9, 0.4))
        if number == 30:
            assert "f1 against lead: p " in watch.note()
    [found] = watch.results()
    assert found.decided_after is not None
    assert found.decided_after < 100
    assert found.p_value is not None
    assert found.p_value < 0.001
    assert found.interval is not None
    assert found.interval.low < 0.5 < found.interval.high
    assert watch.note().endswith("(decided)")


def test_no_difference_is_not_decided_however_often_one_looks() -> None:
    draw = random.Random(3)
    wrong = 0
    for _ in range(40):
        watch = watching("f1")
        for _ in range(300):
            watch.add(None, pair(draw.random(), draw.random()))
        wrong += watch.results()[0].decided_after is not None
    assert wrong <= 4  # 2 expected at most


def test_of_a_group_only_the_first_example_counts() -> None:
    watch = watching("f1")
    for group in ("a", "a", "b", None, None):
        watch.add(group, pair(1.0, 0.0))
    assert watch.results()[0].n == 4


def test_an_undefined_score_is_passed_over() -> None:
    watch = watching("f1")
    for scores in (pair(None, 0.5), pair(0.5, None), pair(float("nan"), 0.1), pair(0.7, 0.1)):
        watch.add(None, scores)
    assert watch.results()[0].n == 1


def test_several_watched_comparisons_share_alpha() -> None:
    alone, shared = watching("f1"), watching("f1", "other")
    for _ in range(60):
        alone.add(None, pair(0.9, 0.4))
        shared.add(None, pair(0.9, 0.4))
    one, two = alone.results()[0].p_value, shared.results()[0].p_value
    assert one is not None
    assert two is not None
    # The bets of a stricter test are larger, so the p values are not just twice each other.
    assert two > one
    assert shared.results()[0].method == "betting, Bonferroni over 2"
    assert shared.results()[1].reason == "no example on which both scores are defined"
    assert shared.unknown() == ["other"]


def test_a_score_outside_its_range_ends_the_watch_with_a_reason() -> None:
    watch = watching("f1")
    watch.add(None, pair(5.0, 0.0))
    watch.add(None, pair(1.0, 0.0))
    [found] = watch.results()
    assert (found.p_value, found.reason) == (None, "a difference of 5 is outside [-1, 1]")
