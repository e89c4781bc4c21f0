import numpy as np
import pytest

from crucible.adapters.statistics.choice import compare_groups, compare_two


def draws(n: int, shift: float = 0.0, seed: int = 1) -> list[float]:
    found: list[float] = (np.random.default_rng(seed).normal(shift, 1, n)).tolist()
    return found


def heavy(n: int, seed: int = 1) -> list[float]:
    found: list[float] = (np.random.default_rng(seed).lognormal(0, 2, n)).tolist()
    return found


COIN = [float(i % 3 > 0) for i in range(30)]
OTHER = [float(i % 2) for i in range(30)]


@pytest.mark.parametrize(
    ("first", "second", "paired", "test", "why"),
    [
        (draws(30, 0.5), draws(30, seed=2), False, "welch_t", "Welch needs no equal variances"),
        (draws(30, 0.5), draws(30, seed=2), True, "paired_t", "near enough to normal"),
        (heavy(40), draws(40), False, "permutation", "too skewed or heavy-tailed"),
        (heavy(40), draws(40), True, "paired_permutation", "too skewed or heavy-tailed"),
        (draws(5), draws(5, seed=2), True, "paired_permutation", "5 values are too few to judge a shape"),
        (COIN, OTHER, True, "mcnemar", "only pairs that disagree"),
        (COIN, OTHER, False, "two_proportions", "enough of each"),
        ([0.0] * 29 + [1.0], OTHER[:6], False, "fisher", "fewer than 5 expected"),
    ],
)
def test_the_design_picks_the_test_and_says_why(
    first: list[float], second: list[float], paired: bool, test: str, why: str
) -> None:
    answer = compare_two(first, second, paired=paired)
    assert answer.choice.test == test
    assert why in answer.choice.reason
    assert answer.result.p_value is not None
    assert answer.effects


def test_independent_samples_of_poor_shape_keep_welchs_question() -> None:
    assert compare_two(heavy(40), draws(40), paired=False).result.notes.startswith("of Welch's t")


@pytest.mark.parametrize(("paired", "test"), [(True, "wilcoxon"), (False, "mann_whitney")])
def test_ordered_scores_get_rank_tests(paired: bool, test: str) -> None:
    answer = compare_two(draws(20, 0.3), draws(20, seed=2), paired=paired, scale="ordered")
    assert answer.choice.test == test


def test_unequal_variances_are_said_but_never_lead_to_students_t() -> None:
    wide = [5 * value for value in draws(30)]
    for first in (wide, draws(30)):
        answer = compare_two(first, draws(30, seed=2), paired=False)
        assert answer.choice.test == "welch_t"
        spread = next(a for a in answer.choice.assumptions if a.name == "equal variances")
        assert spread.holds == (first is not wide)
        assert "Brown-Forsythe p" in spread.text


@pytest.mark.parametrize(
    ("groups", "paired", "test"),
    [
        ([draws(20, k, seed=k) for k in range(3)], False, "welch_anova"),
        ([heavy(40, k) for k in range(3)], False, "kruskal_wallis"),
        ([COIN, OTHER, COIN[::-1]], False, "chi_square"),
        ([draws(20, k, seed=k) for k in range(3)], True, "friedman"),
    ],
)
def test_several_groups(groups: list[list[float]], paired: bool, test: str) -> None:
    answer = compare_groups(groups, paired=paired)
    assert answer.choice.test == test
    assert answer.result.p_value is not None


def test_unfit_input_gets_no_test() -> None:
    answer = compare_two([1.0], [2.0, 3.0], paired=False)
    assert (answer.choice.test, answer.result.status) == ("none", "too_few")


def test_the_same_seed_gives_the_same_answer() -> None:
    x, y = heavy(40), heavy(40, seed=2)
    assert compare_two(x, y, paired=True, seed=3) == compare_two(x, y, paired=True, seed=3)
    first, other = (compare_two(x, y, paired=False, seed=s).result.p_value for s in (3, 4))
    assert first != other
