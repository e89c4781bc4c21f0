"""Whatever comes in, each function answers with a value or with a status and a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import msgspec
import pytest

from crucible.adapters.statistics import (
    agreement,
    assumptions,
    choice,
    dominance,
    effect_sizes,
    equivalence,
    explained_variance,
    group_tests,
    odds,
    permutation,
    rank_tests,
    resampling,
    sequential,
    t_tests,
    table_tests,
)
from crucible.adapters.statistics.answers import Figure
from crucible.adapters.statistics.correction import correct_p_values
from crucible.adapters.statistics.power import Design, power_analysis
from crucible.adapters.statistics.ranking import rank_systems
from crucible.messages.findings import TestResult

NAN, INF = math.nan, math.inf
Column = Sequence[float]
Result = TestResult | Figure

GOOD = [0.3, 0.7, 0.1, 0.9, 0.45]
COLUMNS: dict[str, Column] = {
    "empty": [],
    "one": [0.5],
    "two": [0.2, 0.9],
    "constant": [0.1] * 5,
    "constant but for rounding": [0.3, 0.1 + 0.2, 0.3, 0.3, 0.3],
    "NaN": [0.1, NAN, 0.3, 0.4, 0.5],
    "infinite": [0.1, INF, 0.3, 0.4, 0.5],
    "ties": [0.0, 1.0, 1.0, 0.0, 1.0],
    "huge": [1e300, -1e300, 1e300, 5.0, 0.0],
    "tiny": [1e-300, 2e-300, 3e-300, 5e-300, 0.0],
    "good": GOOD,
}

TWO: dict[str, Callable[[Column, Column], Result]] = {
    "student_t": t_tests.student_t,
    "welch_t": t_tests.welch_t,
    "paired_t": t_tests.paired_t,
    "mann_whitney": rank_tests.mann_whitney,
    "wilcoxon": rank_tests.wilcoxon,
    "permutation": permutation.permutation,
    "studentised": lambda x, y: permutation.permutation(x, y, studentised=True),
    "paired_permutation": permutation.paired_permutation,
    "tost": lambda x, y: equivalence.equivalence(x, y, margin=0.1),
    "tost_pooled": lambda x, y: equivalence.equivalence(x, y, margin=0.1, equal_variances=True),
    "tost_paired": lambda x, y: equivalence.paired_equivalence(x, y, margin=0.1),
    "cohens_d": effect_sizes.cohens_d,
    "hedges_g": effect_sizes.hedges_g,
    "glass_delta": effect_sizes.glass_delta,
    "d_z": effect_sizes.d_z,
    "cliffs_delta": dominance.cliffs_delta,
    "matched_rank_biserial": dominance.matched_rank_biserial,
    "anova": lambda x, y: group_tests.anova([x, y]),
    "welch_anova": lambda x, y: group_tests.welch_anova([x, y]),
    "kruskal_wallis": lambda x, y: group_tests.kruskal_wallis([x, y]),
    "friedman": lambda x, y: group_tests.friedman([x, y, GOOD]),
    "levene": lambda x, y: assumptions.levene([x, y]),
    "brown_forsythe": lambda x, y: assumptions.brown_forsythe([x, y]),
    "shapiro_wilk": lambda x, y: assumptions.shapiro_wilk([*x, *y]),
    "eta_squared": lambda x, y: explained_variance.eta_squared([x, y]),
    "omega_squared": lambda x, y: explained_variance.omega_squared([x, y]),
    "epsilon_squared": lambda x, y: explained_variance.epsilon_squared([x, y]),
    "rank_epsilon_squared": lambda x, y: explained_variance.rank_epsilon_squared([x, y]),
    "bootstrap": lambda x, y: resampling.bootstrap_interval([*x, *y], iterations=200),
    "bootstrap_difference": lambda x, y: resampling.bootstrap_difference(x, y, iterations=200),
    "betting": lambda x, y: sequential.sequential_test([*x, *y]),
    "confidence_sequence": lambda x, y: sequential.confidence_sequence([*x, *y]),
    "cohens_kappa": agreement.cohens_kappa,
    "krippendorff_alpha": lambda x, y: agreement.krippendorff_alpha([x, y], iterations=200),
    "krippendorff_ordinal": lambda x, y: agreement.krippendorff_alpha([x, y], "ordinal", iterations=200),
    "krippendorff_ratio": lambda x, y: agreement.krippendorff_alpha([x, y], "ratio", iterations=200),
    "chosen": lambda x, y: choice.compare_two(x, y, paired=False).result,
    "chosen, paired": lambda x, y: choice.compare_two(x, y, paired=True).result,
    "chosen, ordered": lambda x, y: choice.compare_two(x, y, paired=False, scale="ordered").result,
    "chosen, groups": lambda x, y: choice.compare_groups([x, y, GOOD], paired=False).result,
    "chosen, blocks": lambda x, y: choice.compare_groups([x, y, GOOD], paired=True).result,
}


def numbers(result: msgspec.Struct) -> list[float]:
    """Every float of a result, however deep."""
    found: list[float] = []
    stack: list[object] = [msgspec.structs.asdict(result)]
    while stack:
        item = stack.pop()
        if isinstance(item, msgspec.Struct):
            item = msgspec.structs.asdict(item)
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
        elif isinstance(item, float):
            found.append(item)
    return found


@pytest.mark.parametrize(("x", "y"), list(product(COLUMNS, COLUMNS)))
def test_no_sample_makes_any_function_crash_or_say_nan(x: str, y: str) -> None:
    for name, function in TWO.items():
        result = function(COLUMNS[x], COLUMNS[y])
        value = result.p_value if isinstance(result, TestResult) else result.value
        assert all(math.isfinite(number) for number in numbers(result)), (name, result)
        assert (value is None) == (result.status != "ok"), (name, result)
        assert (value is None) == bool(result.reason), (name, result)
        if isinstance(result, TestResult) and value is not None:
            assert 0.0 <= value <= 1.0, (name, result)


@pytest.mark.parametrize("name", [n for n in TWO if n not in ("cohens_kappa", "krippendorff_alpha")])
def test_infinity_is_named(name: str) -> None:
    result = TWO[name](COLUMNS["infinite"], COLUMNS["good"])
    assert result.status in ("infinite", "out_of_range")


SAMPLES = [name for name in TWO if not name.startswith(("cohens_kappa", "krippendorff", "betting"))]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "confidence_sequence"])
@pytest.mark.parametrize(
    "odd", [["a", "b", "c", "d", "e"], ["0.1", "0.2", "0.3", "0.4", "0.5"], [[0.1], [0.2, 0.3]], [1j] * 5]
)
def test_what_is_no_column_of_numbers_is_named(name: str, odd: Any) -> None:
    assert TWO[name](odd, GOOD).status == "not_a_number"


@pytest.mark.parametrize("name", ["welch_t", "mann_whitney", "permutation", "cohens_d", "kruskal_wallis"])
def test_whole_numbers_and_truth_values_are_numbers(name: str) -> None:
    whole, truth = [1, 0, 1, 1, 0], [True, False, True, True, False]
    expected = TWO[name]([1.0, 0.0, 1.0, 1.0, 0.0], GOOD)
    assert TWO[name](whole, GOOD) == TWO[name](truth, GOOD) == expected


@pytest.mark.parametrize("name", [n for n in TWO if not n.startswith("krippendorff")])
def test_an_undefined_value_is_named_and_never_dropped(name: str) -> None:
    result = TWO[name](COLUMNS["NaN"], COLUMNS["good"])
    assert result.status == "not_a_number"
    assert "undefined" in (result.reason or "") or "missing" in (result.reason or "")


@pytest.mark.parametrize(
    ("status", "run"),
    [
        ("constant", lambda: t_tests.student_t([1.0, 1.0], [1.0, 1.0])),
        ("constant", lambda: t_tests.welch_t([1.0, 1.0], [2.0, 2.0])),
        ("constant", lambda: t_tests.paired_t([1.1, 2.1, 3.1], [1.0, 2.0, 3.0])),
        ("constant", lambda: group_tests.anova([[1.0, 1.0], [2.0, 2.0]])),
        ("constant", lambda: group_tests.welch_anova([[1.0, 1.0], [2.0, 3.0]])),
        ("constant", lambda: group_tests.kruskal_wallis([[1.0, 1.0], [1.0, 1.0]])),
        ("no_difference", lambda: group_tests.friedman([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])),
        ("no_difference", lambda: rank_tests.wilcoxon([1.0, 2.0], [1.0, 2.0])),
        ("no_difference", lambda: table_tests.mcnemar(0, 0)),
        ("unequal_lengths", lambda: t_tests.paired_t([1.0, 2.0], [1.0, 2.0, 3.0])),
        ("one_group", lambda: group_tests.anova([[1.0, 2.0]])),
        ("one_group", lambda: group_tests.friedman([[1.0, 2.0], [2.0, 1.0]])),
        ("zero_cell", lambda: table_tests.chi_square([[0, 0], [3, 4]])),
        ("zero_cell", lambda: odds.odds_ratio([[0, 1], [3, 4]])),
        ("zero_cell", lambda: odds.matched_odds_ratio(3, 0)),
        ("zero_cell", lambda: table_tests.fisher([[0, 0], [3, 4]])),
        ("out_of_range", lambda: table_tests.chi_square([[-1, 2], [3, 4]])),
        ("out_of_range", lambda: table_tests.chi_square([[1.5, 2], [3, 4]])),
        ("not_a_number", lambda: table_tests.chi_square([[NAN, 2], [3, 4]])),
        ("out_of_range", lambda: table_tests.two_proportions((5, 2), (4, 4))),
        ("too_few", lambda: table_tests.two_proportions((0, 2), (0, 4))),
        ("constant", lambda: table_tests.two_proportions((0, 0), (4, 4))),
        ("out_of_range", lambda: equivalence.equivalence(GOOD, GOOD, margin=0.0)),
        ("out_of_range", lambda: equivalence.equivalence(GOOD, GOOD, margin=0.1, alpha=1.5)),
        ("out_of_range", lambda: t_tests.welch_t(GOOD, GOOD, level=1.0)),
        ("out_of_range", lambda: correct_p_values([0.1, 1.2], "holm")),
        ("not_a_number", lambda: correct_p_values([0.1, NAN], "holm")),
        ("out_of_range", lambda: sequential.sequential_test([0.5, 3.0])),
        ("too_few", lambda: sequential.sequential_test([])),
        ("constant", lambda: agreement.cohens_kappa(["a", "a"], ["a", "a"])),
        ("constant", lambda: agreement.krippendorff_alpha([["a", "a"], ["a", "a"]])),
        ("too_few", lambda: agreement.krippendorff_alpha([["a", None], [None, "b"]])),
        ("one_group", lambda: agreement.krippendorff_alpha([["a", "b"]])),
        ("not_a_number", lambda: agreement.krippendorff_alpha([["a", "b"], ["a", "b"]], "interval")),
        ("separated", lambda: rank_systems("f1", {"a": [1.0, 1.0], "b": [0.5, 0.5], "c": [0.0, 0.0]})),
        ("not_connected", lambda: rank_systems("f1", {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [NAN, NAN]})),
        ("infinite", lambda: rank_systems("f1", {"a": [1.0, INF], "b": [0.0, 1.0]})),
        ("one_group", lambda: rank_systems("f1", {"a": [1.0, 0.0]})),
        ("unequal_lengths", lambda: rank_systems("f1", {"a": [1.0], "b": [0.0, 1.0]})),
    ],
)
def test_the_status_names_what_is_wrong(
    status: str, run: Callable[[], TestResult | Figure | msgspec.Struct]
) -> None:
    result = run()
    assert getattr(result, "status") == status  # noqa: B009 - results of several types
    assert getattr(result, "reason")  # noqa: B009


@pytest.mark.parametrize(
    ("status", "design", "given"),
    [
        ("out_of_range", Design(kind="paired_t", alpha=0.0), {"effect": 0.5, "n": 20}),
        ("out_of_range", Design(kind="paired_t"), {"effect": 0.5, "power": 1.0}),
        ("out_of_range", Design(kind="paired_t"), {"effect": 0.5, "power": 0.01}),
        ("unreachable", Design(kind="paired_t"), {"effect": 0.0, "power": 0.8}),
        ("unreachable", Design(kind="two_sample_t", alternative="less"), {"effect": 0.5, "power": 0.8}),
        ("too_few", Design(kind="paired_t"), {"effect": 0.5, "n": 1}),
        ("not_a_number", Design(kind="anova"), {"effect": NAN, "n": 20}),
        ("infinite", Design(kind="anova"), {"effect": INF, "n": 20}),
        ("one_group", Design(kind="anova", groups=1), {"effect": 0.5, "n": 20}),
        ("out_of_range", Design(kind="two_proportions", rate=0.9), {"effect": 0.2, "n": 20}),
        ("unreachable", Design(kind="two_proportions", rate=0.99), {"n": 20, "power": 0.8}),
    ],
)
def test_power_names_what_cannot_be(status: str, design: Design, given: dict[str, float]) -> None:
    found = power_analysis(design, **given)
    assert found.status == status
    assert found.reason


def test_power_wants_exactly_one_unknown() -> None:
    with pytest.raises(ValueError, match="two of effect, n and power"):
        power_analysis(Design(kind="paired_t"), effect=0.5)
