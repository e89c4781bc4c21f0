"""Printed examples, and figures of R 4.2.2 with its data sets, to the digits that R gives (15).

R packages: stats, exactRankTests 0.8, pwr 1.3, effectsize 0.8, BradleyTerry2 1.1, psych 2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crucible.adapters.statistics import (
    agreement,
    assumptions,
    bradley_terry,
    correction,
    effect_sizes,
    equivalence,
    explained_variance,
    group_tests,
    permutation,
    power,
    rank_tests,
    t_tests,
    table_tests,
)
from crucible.adapters.statistics.answers import Figure
from crucible.adapters.statistics.dominance import cliffs_delta
from crucible.adapters.statistics.rates import newcombe, newcombe_paired
from crucible.messages.findings import TestResult

# R: sleep (Student 1908), hours of sleep gained with two drugs by the same ten patients.
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

# R: PlantGrowth (Dobson 1983), dried weight of plants under a control and two treatments.
PLANTS = [
    [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14],
    [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69],
    [6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26],
]

# R: ?wilcox.test (Hollander & Wolfe 1973), placental permeability and depression scores.
AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLY = [1.15, 0.88, 0.90, 0.74, 1.21]
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]

# R: ?friedman.test (Hollander & Wolfe 1973), 22 players rounding first base in three ways.
ROUNDING_TIMES = """
5.40 5.50 5.55  5.85 5.70 5.75  5.20 5.60 5.50  5.55 5.50 5.40  5.90 5.85 5.70  5.45 5.55 5.60
5.40 5.40 5.35  5.45 5.50 5.35  5.25 5.15 5.00  5.85 5.80 5.70  5.25 5.20 5.10  5.65 5.55 5.45
5.60 5.35 5.45  5.05 5.00 4.95  5.50 5.50 5.40  5.45 5.55 5.50  5.55 5.55 5.35  5.45 5.50 5.55
5.50 5.45 5.25  5.65 5.60 5.40  5.70 5.65 5.55  6.30 6.30 6.25
"""
ROUNDING = [[float(time) for time in ROUNDING_TIMES.split()[way::3]] for way in range(3)]

# R: ?chisq.test (Agresti 2007) and ?fisher.test (Agresti 2002).
PARTY = [[762, 327, 468], [484, 239, 477]]
JOB = [[1, 3, 10, 6], [2, 3, 10, 7], [1, 6, 14, 12], [0, 1, 9, 11]]
CONVICTIONS = [[2, 15], [10, 3]]

EXACT = 1e-9


def near(value: float) -> Any:
    return pytest.approx(value, rel=EXACT, abs=1e-300)


RESULTS: list[tuple[str, Callable[[], TestResult], float | None, float]] = [
    ("Student", lambda: t_tests.student_t(DRUG_1, DRUG_2), -1.86081346748685, 0.0791867142159382),
    ("Welch", lambda: t_tests.welch_t(DRUG_1, DRUG_2), -1.86081346748685, 0.0793941401873582),
    (
        "Welch, less",
        lambda: t_tests.welch_t(DRUG_1, DRUG_2, alternative="less"),
        -1.86081346748685,
        0.0396970700936791,
    ),
    ("paired t", lambda: t_tests.paired_t(DRUG_1, DRUG_2), -4.06212768338204, 0.00283289019738427),
    ("Mann-Whitney", lambda: rank_tests.mann_whitney(AT_TERM, EARLY), 35.0, 0.254412254412254),
    (
        "Mann-Whitney, greater",
        lambda: rank_tests.mann_whitney(AT_TERM, EARLY, alternative="greater"),
        35.0,
        0.127206127206127,
    ),
    ("Mann-Whitney, ties", lambda: rank_tests.mann_whitney(DRUG_1, DRUG_2), 25.5, 0.0658165364047717),
    (
        "Mann-Whitney, ties, less",
        lambda: rank_tests.mann_whitney(DRUG_1, DRUG_2, alternative="less"),
        25.5,
        0.0329082682023858,
    ),
    (
        "Mann-Whitney, ties, greater",
        lambda: rank_tests.mann_whitney(DRUG_1, DRUG_2, alternative="greater"),
        25.5,
        0.970209357206261,
    ),
    (
        "Wilcoxon, greater",
        lambda: rank_tests.wilcoxon(BEFORE, AFTER, alternative="greater"),
        2 * 40 - 45,
        0.01953125,
    ),
    ("Wilcoxon, ties", lambda: rank_tests.wilcoxon(DRUG_1, DRUG_2), -45.0, 0.00390625),
    (
        "Wilcoxon, ties, less",
        lambda: rank_tests.wilcoxon(DRUG_1, DRUG_2, alternative="less"),
        -45.0,
        0.001953125,
    ),
    ("permutation", lambda: permutation.permutation(DRUG_1, DRUG_2), -1.58, 0.081447963800905),
    ("paired permutation", lambda: permutation.paired_permutation(DRUG_1, DRUG_2), -1.58, 0.00390625),
    ("ANOVA", lambda: group_tests.anova(PLANTS), 4.84608786238014, 0.0159099583256229),
    ("Welch ANOVA", lambda: group_tests.welch_anova(PLANTS), 5.18097240811319, 0.01739282149017),
    ("Kruskal-Wallis", lambda: group_tests.kruskal_wallis(PLANTS), 7.98822874944372, 0.018423755731472),
    ("Friedman", lambda: group_tests.friedman(ROUNDING), 11.1428571428571, 0.00380504077551136),
    ("McNemar", lambda: table_tests.mcnemar(86, 150), 86.0, 3.71593613957143e-05),
    ("chi-square", lambda: table_tests.chi_square(PARTY), 30.0701490957547, 2.95358918321176e-07),
    ("chi-square, few", lambda: table_tests.chi_square(JOB), 5.9655145887704, 0.743364725052551),
    ("Fisher", lambda: table_tests.fisher(CONVICTIONS), 6 / 150, 0.000536724119143436),
    (
        "Fisher, less",
        lambda: table_tests.fisher(CONVICTIONS, alternative="less"),
        6 / 150,
        0.000465180943362905,
    ),
    (
        "Fisher's tea",
        lambda: table_tests.fisher([[3, 1], [1, 3]], alternative="greater"),
        9.0,
        0.242857142857143,
    ),
    (
        "two proportions",
        lambda: table_tests.two_proportions((15, 25), (50, 50)),
        -2.04124145231932,
        0.0412268333371636,
    ),
    (
        "two proportions, near 1",
        lambda: table_tests.two_proportions((83, 90), (86, 93)),
        -0.0975116339119808,
        0.922320095734269,
    ),
    ("Levene", lambda: assumptions.levene(PLANTS), 1.23696295446978, 0.306194922991448),
    ("Brown-Forsythe", lambda: assumptions.brown_forsythe(PLANTS), 1.11918569487039, 0.341226624125474),
    ("TOST", lambda: equivalence.equivalence(DRUG_1, DRUG_2, margin=4), None, 0.00536162410315912),
    (
        "TOST, Student",
        lambda: equivalence.equivalence(DRUG_1, DRUG_2, margin=4, equal_variances=True),
        None,
        0.00531465243705324,
    ),
    (
        "TOST, paired",
        lambda: equivalence.paired_equivalence(DRUG_1, DRUG_2, margin=2),
        None,
        0.154157235669097,
    ),
]


@pytest.mark.parametrize(
    ("run", "statistic", "p_value"), [row[1:] for row in RESULTS], ids=[row[0] for row in RESULTS]
)
def test_statistic_and_p_are_rs(
    run: Callable[[], TestResult], statistic: float | None, p_value: float
) -> None:
    result = run()
    assert result.status == "ok"
    assert result.p_value == near(p_value)
    if statistic is not None:
        assert result.statistic == near(statistic)


@pytest.mark.parametrize(
    ("run", "df"),
    [
        (lambda: t_tests.student_t(DRUG_1, DRUG_2), (18.0,)),
        (lambda: t_tests.welch_t(DRUG_1, DRUG_2), (17.7764735161785,)),
        (lambda: group_tests.anova(PLANTS), (2.0, 27.0)),
        (lambda: group_tests.welch_anova(PLANTS), (2.0, 17.1284186166441)),
        (lambda: table_tests.chi_square(JOB), (9.0,)),
    ],
)
def test_degrees_of_freedom_are_rs(run: Callable[[], TestResult], df: tuple[float, ...]) -> None:
    assert run().df == pytest.approx(df, rel=EXACT)


INTERVALS: list[tuple[str, Callable[[], TestResult], float, float]] = [
    ("Student", lambda: t_tests.student_t(DRUG_1, DRUG_2), -3.3638740322876, 0.203874032287599),
    ("Welch", lambda: t_tests.welch_t(DRUG_1, DRUG_2), -3.36548323071171, 0.20548323071171),
    ("paired t", lambda: t_tests.paired_t(DRUG_1, DRUG_2), -2.45988576327698, -0.700114236723018),
    (
        "TOST, 90 %",
        lambda: equivalence.equivalence(DRUG_1, DRUG_2, margin=4),
        -3.05338149733161,
        -0.106618502668394,
    ),
    (
        "TOST, paired, 90 %",
        lambda: equivalence.paired_equivalence(DRUG_1, DRUG_2, margin=2),
        -2.29300526702928,
        -0.866994732970716,
    ),
]


@pytest.mark.parametrize(
    ("run", "low", "high"), [row[1:] for row in INTERVALS], ids=[row[0] for row in INTERVALS]
)
def test_intervals_are_rs(run: Callable[[], TestResult], low: float, high: float) -> None:
    result = run()
    assert result.interval is not None
    assert result.interval.low < result.interval.high
    assert (result.interval.low, result.interval.high) == (near(low), near(high))


def test_shapiro_wilk_is_rs() -> None:
    # The coefficients are Royston's approximations; SciPy and R carry them to different digits.
    found = assumptions.shapiro_wilk(np.subtract(DRUG_1, DRUG_2).tolist())
    assert found.statistic == pytest.approx(0.829871331928795, rel=1e-6)
    assert found.p_value == pytest.approx(0.0333416086303081, rel=1e-6)


def test_a_one_sided_test_keeps_the_two_sided_interval() -> None:
    assert (
        t_tests.welch_t(DRUG_1, DRUG_2, alternative="greater").interval
        == t_tests.welch_t(DRUG_1, DRUG_2).interval
    )


EFFECTS: list[tuple[str, Callable[[], Figure], float, float, float]] = [
    # effectsize finds the limits with optim, to about 1e-6
    (
        "d",
        lambda: effect_sizes.cohens_d(DRUG_1, DRUG_2),
        -0.83218108134954,
        -1.73881676925442,
        0.0954504356575097,
    ),
    (
        "g",
        lambda: effect_sizes.hedges_g(DRUG_1, DRUG_2),
        -0.796935239191122,
        -1.66517166632542,
        0.0914077686652717,
    ),
    (
        "Delta",
        lambda: effect_sizes.glass_delta(DRUG_1, DRUG_2),
        -0.78911274695909,
        -1.67642803227368,
        0.134455504699063,
    ),
    (
        "d_z",
        lambda: effect_sizes.d_z(DRUG_1, DRUG_2),
        -1.28455756259105,
        -2.1180165952233,
        -0.414627662055387,
    ),
]


@pytest.mark.parametrize(
    ("run", "value", "low", "high"), [row[1:] for row in EFFECTS], ids=[row[0] for row in EFFECTS]
)
def test_effects_are_those_of_rs_effectsize(
    run: Callable[[], Figure], value: float, low: float, high: float
) -> None:
    figure = run()
    assert figure.value == near(value)
    assert figure.interval is not None
    assert figure.interval.low == pytest.approx(low, abs=1e-6)
    assert figure.interval.high == pytest.approx(high, abs=1e-6)


def test_shares_of_variance_are_those_of_rs_effectsize() -> None:
    assert explained_variance.eta_squared(PLANTS).value == near(0.26414829683212)
    assert explained_variance.omega_squared(PLANTS).value == near(0.204078845989971)
    assert explained_variance.epsilon_squared(PLANTS).value == near(0.209640763264129)
    assert explained_variance.rank_epsilon_squared(PLANTS).value == near(0.275456163773921)


def test_cliffs_delta_is_rs_rank_biserial() -> None:
    assert cliffs_delta(DRUG_1, DRUG_2).value == near(-0.49)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("holm", [0.05, 0.08, 0.09, 0.09, 0.5]),
        ("benjamini_hochberg", [0.05, 0.05, 0.05, 0.05, 0.5]),
        ("benjamini_yekutieli", [0.114166666666667] * 4 + [1.0]),
        ("bonferroni", [0.05, 0.1, 0.15, 0.2, 1.0]),
    ],
)
def test_adjusted_p_values_are_rs_p_adjust(method: str, expected: list[float]) -> None:
    found = correction.correct_p_values([0.01, 0.02, 0.03, 0.04, 0.5], method)
    assert found.adjusted == pytest.approx(expected, rel=EXACT)


T2 = power.Design(kind="two_sample_t")
T1 = power.Design(kind="paired_t")
RATES = power.Design(kind="two_proportions")


@pytest.mark.parametrize(
    ("design", "effect", "n", "expected"),
    [
        (T2, 0.5, 30, 0.477896520760209),
        (T1, 0.2, 200, 0.803666660585839),
        (power.Design(kind="two_sample_t", ratio=35 / 28), 0.6, 28, 0.643977345106454),
        (power.Design(kind="two_sample_t", alternative="greater"), 0.4, 40, 0.551105479170173),
        (power.Design(kind="anova", groups=5), 0.25, 20, 0.466331203392474),
        (RATES, 0.25, 50, 0.740167193453611),
    ],
)
def test_power_is_rs(design: power.Design, effect: float, n: float, expected: float) -> None:
    # pwr integrates the noncentral t to about 1e-9
    assert power.power_analysis(design, effect=effect, n=n).power == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("design", "effect", "wanted", "n", "whole"),
    [
        (T2, 0.5, 0.8, 63.7656104441418, 64),
        (T1, 0.2, 0.9, 264.613685378762, 265),
        (power.Design(kind="anova", groups=4), 0.25, 0.8, 44.5992742990201, 45),
        (RATES, 0.25, 0.9, 76.7069161158174, 77),
    ],
)
def test_sample_sizes_are_rs(
    design: power.Design, effect: float, wanted: float, n: float, whole: int
) -> None:
    found = power.power_analysis(design, effect=effect, power=wanted)
    assert found.n == pytest.approx(n, rel=1e-6)
    assert found.n_whole == whole


@pytest.mark.parametrize(
    ("design", "n", "wanted", "effect"),
    [(T2, 64, 0.8, 0.4990720), (power.Design(kind="anova", groups=3), 50, 0.9, 0.2934417)],
)
def test_detectable_effects_are_rs(design: power.Design, n: float, wanted: float, effect: float) -> None:
    # pwr stops at a tolerance of 1e-4 for effects
    found = power.power_analysis(design, n=n, power=wanted).effect
    assert found == pytest.approx(effect, abs=2e-5)
    assert power.power_analysis(design, effect=found, n=n).power == pytest.approx(wanted, abs=1e-12)


def test_bradley_terry_strengths_of_the_journals_are_those_of_rs_bradleyterry2() -> None:
    # Stigler (1994), citations between Biometrika, Communications in Statistics, JASA and JRSS-B
    cited = [[714, 730, 498, 221], [33, 425, 68, 17], [320, 813, 1072, 142], [284, 276, 325, 188]]
    fit = bradley_terry.fit_wins(cited)
    assert fit.strengths - fit.strengths[0] == pytest.approx(
        [0, -2.94907249684391, -0.479569769751992, 0.268954055819472], rel=1e-9
    )
    # glm stops iterating at a relative change of 1e-8 in the deviance
    assert [fit.error(0, other) for other in (1, 2, 3)] == pytest.approx(
        [0.102545335369857, 0.0605887292396263, 0.0708299651057058], rel=1e-6
    )


def test_kappa_and_its_error_are_those_of_rs_psych() -> None:
    first, second = [1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 1, 6, 1, 5, 5, 6, 7]
    plain = agreement.cohens_kappa(first, second)
    weighted = agreement.cohens_kappa(first, second, weights="quadratic")
    assert plain.value == pytest.approx(0.0, abs=1e-12)
    assert weighted.value == near(0.677966101694915)
    for figure, low, high in (
        (plain, -0.1846267013637733, 0.1846267013637733),
        (weighted, 0.4297217517616043, 0.9262104516282255),
    ):
        assert figure.interval is not None
        assert (figure.interval.low, figure.interval.high) == (near(low), near(high))


def test_kappa_of_the_grant_proposals_is_the_printed_one() -> None:
    # The usual teaching table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no gives 0.4.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert agreement.cohens_kappa(first, second).value == near(0.4)


NO = None
CODERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
    [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
]


@pytest.mark.parametrize(
    ("scale", "printed"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_four_coders_is_that_of_krippendorff_2011(scale: agreement.Scale, printed: float) -> None:
    value = agreement.krippendorff_alpha(CODERS, scale).value
    assert value is not None
    assert round(value, 3) == printed


def test_alpha_of_two_coders_is_that_of_krippendorff_2011() -> None:
    binary = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
    assert agreement.krippendorff_alpha(binary).value == pytest.approx(0.095, abs=5e-4)
    labels = [list("aabbdcccedda"), list("babbbcccedddd"[:12])]
    assert agreement.krippendorff_alpha(labels).value == pytest.approx(0.692, abs=5e-4)


def test_newcombes_intervals_are_the_printed_ones() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873, table II: 56/70 against 48/80, method 10
    independent = newcombe(56, 70, 48, 80, 0.95)
    assert (round(independent.low, 4), round(independent.high, 4)) == (0.0524, 0.3339)
    # Newcombe (1998), 17:2635, table III: pairs 36, 12, 2, 0, method 10
    paired = newcombe_paired(36, 12, 2, 0, 0.95)
    assert (round(paired.low, 4), round(paired.high, 4)) == (0.0569, 0.3404)
