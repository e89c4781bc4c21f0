"""What must hold for every sample: symmetry, invariance, order."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crucible.adapters.statistics import (
    agreement,
    dominance,
    effect_sizes,
    explained_variance,
    group_tests,
    permutation,
    rank_tests,
    t_tests,
    table_tests,
)
from crucible.adapters.statistics.correction import adjust
from crucible.adapters.statistics.power import Design, power_analysis
from crucible.adapters.statistics.ranking import rank_systems
from crucible.adapters.statistics.sequential import sequential_test
from crucible.messages.findings import TestResult

# Multiples of 1/16 are exact in binary, so that shifting and scaling them changes no tie.
sixteenths = st.integers(-64, 64).map(lambda value: value / 16)
samples = st.lists(sixteenths, min_size=3, max_size=9)
same_length = st.integers(3, 9).flatmap(
    lambda n: st.tuples(*[st.lists(sixteenths, min_size=n, max_size=n)] * 2)
)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)

Column = list[float]
Test = Callable[..., TestResult]

TWO_SAMPLE: list[Test] = [
    t_tests.student_t,
    t_tests.welch_t,
    rank_tests.mann_whitney,
    permutation.permutation,
]
PAIRED: list[Test] = [t_tests.paired_t, rank_tests.wilcoxon, permutation.paired_permutation]


@pytest.mark.parametrize("test", TWO_SAMPLE)
@given(x=samples, y=samples)
@settings(max_examples=25, deadline=None)
def test_swapping_samples_swaps_the_sides(test: Test, x: Column, y: Column) -> None:
    there, back = test(x, y), test(y, x)
    assert there.status == back.status
    if there.status == "ok":
        assert there.p_value == pytest.approx(back.p_value, rel=1e-9)
        less, greater = test(x, y, alternative="less"), test(y, x, alternative="greater")
        assert less.p_value == pytest.approx(greater.p_value, rel=1e-9)
        if there.interval is not None and back.interval is not None:
            assert there.interval.low == pytest.approx(-back.interval.high, rel=1e-9)


@pytest.mark.parametrize("test", [*TWO_SAMPLE, *PAIRED])
@given(pair=same_length)
@settings(max_examples=25, deadline=None)
def test_shifting_and_scaling_both_samples_changes_no_p_value(
    test: Test, pair: tuple[Column, Column]
) -> None:
    x, y = pair
    plain = test(x, y)
    moved = test([4 * v + 8 for v in x], [4 * v + 8 for v in y])
    assert plain.status == moved.status
    if plain.status == "ok":
        assert moved.p_value == pytest.approx(plain.p_value, rel=1e-9)


@pytest.mark.parametrize("test", [*TWO_SAMPLE, *PAIRED])
@given(pair=same_length)
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_rows_changes_nothing(test: Test, pair: tuple[Column, Column]) -> None:
    x, y = pair
    plain, turned = test(x, y), test(x[::-1], y[::-1])
    assert plain.status == turned.status
    if plain.status == "ok":
        assert turned.p_value == pytest.approx(plain.p_value, rel=1e-9)


@given(x=samples, y=samples)
@settings(max_examples=40, deadline=None)
def test_rank_tests_see_ranks_only(x: list[float], y: list[float]) -> None:
    plain = rank_tests.mann_whitney(x, y)
    curved = rank_tests.mann_whitney([math.exp(v) for v in x], [math.exp(v) for v in y])
    assert (plain.p_value, plain.statistic) == (curved.p_value, curved.statistic)


@given(x=samples, y=samples)
@settings(max_examples=40, deadline=None)
def test_effects_change_sign_with_the_samples_and_lie_in_their_intervals(
    x: list[float], y: list[float]
) -> None:
    for effect in (effect_sizes.cohens_d, effect_sizes.hedges_g, dominance.cliffs_delta):
        there, back = effect(x, y), effect(y, x)
        assert there.status == back.status
        if there.value is not None:
            assert back.value == pytest.approx(-there.value, abs=1e-12)
            if there.interval is not None:
                assert there.interval.low <= there.value + 1e-12
                assert there.value - 1e-12 <= there.interval.high


@given(x=samples, y=samples)
@settings(max_examples=25, deadline=None)
def test_two_groups_make_the_anova_of_students_t(x: list[float], y: list[float]) -> None:
    t, f = t_tests.student_t(x, y), group_tests.anova([x, y])
    assert t.status == f.status
    if t.statistic is not None and f.statistic is not None and t.p_value is not None:
        assert f.statistic == pytest.approx(t.statistic**2, rel=1e-6, abs=1e-9)
        assert f.p_value == pytest.approx(t.p_value, rel=1e-6, abs=1e-12)
        welch, fw = t_tests.welch_t(x, y), group_tests.welch_anova([x, y])
        if fw.p_value is not None and welch.p_value is not None:
            assert fw.p_value == pytest.approx(welch.p_value, rel=1e-6, abs=1e-12)


@given(groups=st.lists(samples, min_size=2, max_size=4))
@settings(max_examples=25, deadline=None)
def test_shares_of_variance_are_ordered(groups: list[list[float]]) -> None:
    eta = explained_variance.eta_squared(groups).value
    omega = explained_variance.omega_squared(groups).value
    epsilon = explained_variance.epsilon_squared(groups).value
    if eta is not None and omega is not None and epsilon is not None:
        assert 0 <= eta <= 1 + 1e-12
        assert abs(omega) <= abs(epsilon) + 1e-12
        assert epsilon <= eta + 1e-12


@given(values=p_values)
@settings(max_examples=60, deadline=None)
def test_corrections_keep_the_order_and_are_ordered_by_strictness(values: list[float]) -> None:
    found = {
        method: adjust(values, method)
        for method in ("bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli")
    }
    for adjusted in found.values():
        assert all(raw <= value + 1e-15 and value <= 1 for raw, value in zip(values, adjusted, strict=True))
        ranked = [value for _, value in sorted(zip(values, adjusted, strict=True))]
        assert ranked == sorted(ranked)
    pairs = (("benjamini_hochberg", "holm"), ("holm", "bonferroni"))
    for lenient, strict in (*pairs, ("benjamini_hochberg", "benjamini_yekutieli")):
        assert all(a <= b + 1e-12 for a, b in zip(found[lenient], found[strict], strict=True))


@given(effect=st.floats(0.1, 1.5), n=st.integers(4, 200))
@settings(max_examples=40, deadline=None)
def test_power_grows_with_n_and_effect_and_solves_back(effect: float, n: int) -> None:
    for design in (Design(kind="paired_t"), Design(kind="two_sample_t"), Design(kind="anova", groups=3)):
        power = power_analysis(design, effect=effect, n=n).power
        more = power_analysis(design, effect=effect, n=n + 5).power
        larger = power_analysis(design, effect=effect * 1.1, n=n).power
        assert power is not None
        assert more is not None
        assert larger is not None
        assert more >= power - 1e-12
        assert larger >= power - 1e-12
        if 0.06 < power < 0.999:
            assert power_analysis(design, effect=effect, power=power).n == pytest.approx(n, rel=1e-6)
            assert power_analysis(design, n=n, power=power).effect == pytest.approx(effect, rel=1e-6)


@given(values=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_the_betting_test_is_symmetric_and_never_takes_evidence_back(values: list[float]) -> None:
    there, back = sequential_test(values), sequential_test([-v for v in values])
    assert there.p_value == pytest.approx(back.p_value, rel=1e-9)
    p_values = [sequential_test(values[: n + 1]).p_value or 0.0 for n in range(len(values))]
    assert p_values == sorted(p_values, reverse=True)


labels = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=20)


@given(pairs=labels)
@settings(max_examples=40, deadline=None)
def test_agreement_does_not_mind_who_judges_first_or_how_labels_are_called(
    pairs: list[tuple[str, str]],
) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    new = dict(zip("abc", "zxy", strict=True))
    for figure, swapped, renamed in (
        (
            agreement.cohens_kappa(first, second),
            agreement.cohens_kappa(second, first),
            agreement.cohens_kappa([new[a] for a in first], [new[b] for b in second]),
        ),
        (
            agreement.krippendorff_alpha([first, second], iterations=100),
            agreement.krippendorff_alpha([second, first], iterations=100),
            agreement.krippendorff_alpha([[new[a] for a in first], [new[b] for b in second]], iterations=100),
        ),
    ):
        assert figure.status == swapped.status == renamed.status
        if figure.value is not None:
            assert swapped.value == pytest.approx(figure.value, abs=1e-12)
            assert renamed.value == pytest.approx(figure.value, abs=1e-12)
            assert figure.value <= 1 + 1e-12


def test_complete_agreement_is_one() -> None:
    judged = ["a", "b", "a", "c", "b"]
    assert agreement.cohens_kappa(judged, judged).value == pytest.approx(1.0)
    assert agreement.krippendorff_alpha([judged, judged]).value == pytest.approx(1.0)


@given(columns=st.lists(st.lists(st.integers(0, 4), min_size=8, max_size=8), min_size=3, max_size=3))
@settings(max_examples=40, deadline=None)
def test_a_ranking_turns_round_when_lower_is_better(columns: list[list[int]]) -> None:
    named = {name: [float(v) for v in column] for name, column in zip("abc", columns, strict=True)}
    up, down = rank_systems("f1", named), rank_systems("f1", named, higher_is_better=False)
    assert up.status == down.status
    if up.status == "ok":
        strengths = {s.system: s.strength for s in down.systems}
        for system in up.systems:
            assert system.strength == pytest.approx(-(strengths[system.system] or 0.0), abs=1e-8)


@given(table=st.lists(st.lists(st.integers(1, 30), min_size=2, max_size=2), min_size=2, max_size=2))
@settings(max_examples=30, deadline=None)
def test_tables_may_be_transposed(table: list[list[int]]) -> None:
    turned = [list(row) for row in zip(*table, strict=True)]
    for test in (table_tests.fisher, table_tests.chi_square):
        assert test(table).p_value == pytest.approx(test(turned).p_value, rel=1e-9, abs=1e-12)
