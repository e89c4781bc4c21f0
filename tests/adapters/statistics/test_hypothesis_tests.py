import math
import subprocess
import sys

import numpy as np
import pytest
from msgspec import inspect
from scipy import stats

from crucible.adapters.statistics import PairedStatistics
from crucible.adapters.statistics.bootstrap import Bootstrap, bca_interval, bootstrap_mean
from crucible.adapters.statistics.effects import detectable_at, detectable_difference, standardised_difference
from crucible.adapters.statistics.hypothesis_tests import TESTS, mcnemar
from crucible.adapters.statistics.intervals import estimate_mean
from crucible.adapters.statistics.pairs import Pairs, pair_up, stream
from crucible.messages.experiment import StatsConfig
from crucible.messages.findings import TestResult

CONFIG = StatsConfig(iterations=2000)


def sample(n: int, shift: float, seed: int = 2) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    base = rng.normal(0.5, 0.2, n)
    return list(base + rng.normal(shift, 0.1, n)), list(base)


def run(
    name: str, system: list[float], baseline: list[float], clusters: list[int] | None = None
) -> TestResult:
    pairs = pair_up(system, baseline, clusters)
    codes = None if pairs.cluster is None else pairs.cluster.tolist()
    return TESTS[name](pairs, estimate_mean(pairs.difference.tolist(), codes), CONFIG, 1)


def test_the_paired_t_test_equals_scipy() -> None:
    system, baseline = sample(25, 0.03)
    result, expected = run("paired_ttest", system, baseline), stats.ttest_rel(system, baseline)
    assert result.statistic == pytest.approx(expected.statistic)
    assert result.p_value == pytest.approx(expected.pvalue)
    assert result.interval is not None
    assert result.interval.low == pytest.approx(expected.confidence_interval(0.95).low)


def test_the_t_tail_is_right_far_out_and_near_zero() -> None:
    far = run("paired_ttest", [10.0 + 0.01 * (i % 7) for i in range(117)], [0.0] * 117)
    assert far.p_value is not None
    assert far.p_value < 1e-50
    near = [math.sin(i) for i in range(1001)]
    centred = [v - sum(near) / 1001 + 1e-5 for v in near]
    assert run("paired_ttest", centred, [0.0] * 1001).p_value == pytest.approx(0.99964, abs=5e-5)


@pytest.mark.parametrize("n", [6, 20, 50])
def test_wilcoxon_equals_scipys_exact_p(n: int) -> None:
    system, baseline = sample(n, 0.04)
    expected = stats.wilcoxon(np.subtract(system, baseline), method="exact")
    assert run("wilcoxon", system, baseline).p_value == pytest.approx(expected.pvalue)


def test_wilcoxon_of_five_pairs_is_exact() -> None:
    assert run("wilcoxon", [0.1, 0.2, 0.3, 0.4, 0.5], [0.0] * 5).p_value == 0.0625


def test_wilcoxon_of_a_large_sample_equals_scipys_approximation() -> None:
    system, baseline = sample(600, 0.005)
    expected = stats.wilcoxon(np.subtract(system, baseline), method="approx", correction=False)
    result = run("wilcoxon", system, baseline)
    assert "normal approximation" in result.notes
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def test_differences_that_are_equal_up_to_rounding_tie() -> None:
    pairs = pair_up([0.8, 0.7], [0.7, 0.6], None)
    assert pairs.difference[0] == pairs.difference[1]


@pytest.mark.parametrize(("name", "equal"), [("ttest", True), ("welch_ttest", False)])
def test_the_unpaired_t_tests_equal_scipy_and_say_that_they_ignore_pairs(name: str, equal: bool) -> None:
    system, baseline = sample(30, 0.1)
    baseline = [2 * value for value in baseline]
    result, expected = run(name, system, baseline), stats.ttest_ind(system, baseline, equal_var=equal)
    assert result.p_value == pytest.approx(expected.pvalue)
    assert result.interval is not None
    assert result.interval.high == pytest.approx(expected.confidence_interval(0.95).high)
    assert "ignores that both systems answered the same examples" in result.notes


def test_mann_whitney_is_exact_for_six_against_six() -> None:
    result = run("mann_whitney", [7.0, 8, 9, 10, 11, 12], [1.0, 2, 3, 4, 5, 6])
    assert result.p_value == pytest.approx(2 / 924)
    assert "Cliff's delta = 1" in result.notes


def test_mcnemar_is_the_exact_binomial_and_equals_the_sign_flip() -> None:
    system, baseline = [1.0] * 8 + [0.0] * 2 + [1.0] * 20, [0.0] * 8 + [1.0] * 2 + [1.0] * 20
    result = mcnemar(pair_up(system, baseline, None))
    assert result.p_value == pytest.approx(stats.binomtest(2, 10).pvalue)
    assert run("permutation", system, baseline).p_value == pytest.approx(result.p_value)


@pytest.mark.parametrize(
    "name", ["paired_ttest", "ttest", "welch_ttest", "wilcoxon", "mann_whitney", "bootstrap"]
)
@pytest.mark.parametrize("n", [1, 4])
def test_data_without_any_difference_give_a_reason_or_p_1_and_never_a_crash(name: str, n: int) -> None:
    result = run(name, [0.5] * n, [0.5] * n)
    assert result.p_value in (None, 1.0)
    assert result.p_value == 1.0 or result.reason


def test_clustered_permutation_flips_whole_clusters() -> None:
    system = [0.3, 0.31, 0.29, 0.5, 0.52, 0.48, 0.11, 0.13, 0.12]
    result = run("permutation", system, [0.0] * 9, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert result.p_value == 2 / 2**3
    assert "whole clusters flip" in result.notes


def _bootstrap(pairs: Pairs, seed: int = 1) -> Bootstrap:
    return bootstrap_mean(pairs, level=0.95, iterations=20_000, rng=stream(seed, "test"))


def test_equal_differences_in_clusters_of_several_sizes_have_no_bootstrap_interval() -> None:
    clusters = [0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 4, 4, 4, 4, 4, 4]
    result = _bootstrap(pair_up([0.0] * 16, [1 / 3] * 16, clusters))
    assert (result.interval, result.p_value) == (None, None)


def test_the_bca_interval_agrees_with_scipys() -> None:
    rng = np.random.default_rng(6)
    difference = rng.exponential(0.2, 80) - 0.1
    ours = _bootstrap(pair_up(list(difference), [0.0] * 80, None)).interval
    theirs = stats.bootstrap(
        (difference,), np.mean, n_resamples=20_000, method="BCa", rng=rng
    ).confidence_interval
    assert ours is not None
    assert ours.method == "BCa bootstrap"
    assert ours.low == pytest.approx(theirs.low, abs=0.003)
    assert ours.high == pytest.approx(theirs.high, abs=0.003)


def test_the_multinomial_draw_agrees_with_drawing_rows() -> None:
    binary = pair_up([1.0] * 60 + [0.0] * 40, [0.0] * 20 + [1.0] * 20 + [0.0] * 60, None)
    ours = _bootstrap(binary).interval
    jittered = pair_up((binary.system + np.linspace(0, 1e-9, 100)).tolist(), binary.baseline.tolist(), None)
    rows = _bootstrap(jittered).interval
    assert ours is not None
    assert rows is not None
    assert ours.low == pytest.approx(rows.low, abs=0.021)
    assert ours.high == pytest.approx(rows.high, abs=0.021)


def _studentised(difference: list[float], seed: int) -> float:
    """The p value by the printed formula: every resample over its own standard error."""
    d, rng = np.asarray(difference), np.random.default_rng(seed)
    drawn = d[rng.integers(0, len(d), (40_000, len(d)))]
    t = np.abs(drawn.mean(axis=1) - d.mean()) / drawn.std(axis=1)
    return float(np.mean(t >= abs(d.mean()) / d.std()))


def test_the_bootstrap_p_value_is_studentised_with_and_without_clusters() -> None:
    difference = np.random.default_rng(8).exponential(1.0, 30) - 0.5
    values = difference.tolist()
    plain = _bootstrap(pair_up(values, [0.0] * 30, None)).p_value
    expected = _studentised(values, 3)
    assert 0.005 < expected < 0.2
    assert plain == pytest.approx(expected, abs=0.006)
    # clusters of two equal pairs each are the same units
    doubled = [value for value in values for _ in range(2)]
    even = _bootstrap(pair_up(doubled, [0.0] * 60, [i // 2 for i in range(60)])).p_value
    assert even == pytest.approx(expected, abs=0.006)


def test_the_bootstrap_p_value_is_studentised_over_clusters_of_several_sizes() -> None:
    rng = np.random.default_rng(9)
    sizes = rng.integers(1, 9, 25)
    codes = np.repeat(np.arange(25), sizes)
    values = rng.normal(0.12, 0.4, 25)[codes] + rng.normal(0, 0.5, len(codes))
    found = _bootstrap(pair_up(values.tolist(), [0.0] * len(codes), codes.tolist())).p_value
    drawn = rng.integers(0, 25, (40_000, 25))
    sums, counts = np.bincount(codes, weights=values)[drawn], sizes[drawn]
    means = sums.sum(axis=1) / counts.sum(axis=1)
    errors = np.sqrt(((sums - means[:, None] * counts) ** 2).sum(axis=1)) / counts.sum(axis=1)
    mean = values.mean()
    own = np.sqrt(((np.bincount(codes, weights=values) - mean * sizes) ** 2).sum()) / len(codes)
    expected = float(np.mean(np.abs(means - mean) / errors >= abs(mean) / own))
    assert 0.01 < expected < 0.5
    assert found == pytest.approx(expected, abs=0.008)


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_the_bootstrap_keeps_its_level_at_twenty_units(clustered: bool) -> None:
    rng, alarms = np.random.default_rng(4), 0
    codes = np.repeat(np.arange(20), rng.integers(1, 6, 20)) if clustered else np.arange(20)
    for _ in range(1000):
        values = rng.normal(0, 0.5, 20)[codes] + rng.normal(0, 1, len(codes))
        pairs = pair_up(values.tolist(), [0.0] * len(codes), codes.tolist())
        p_value = bootstrap_mean(pairs, level=0.95, iterations=499, rng=rng).p_value
        assert p_value is not None
        alarms += p_value <= 0.05
    assert alarms <= 70  # 7 %; without standard errors 7.4 % and 9 %


def test_the_cluster_bootstrap_is_wider_than_the_naive_one() -> None:
    shared = np.repeat(np.random.default_rng(7).normal(0, 1, 15), 10)
    clusters = [i // 10 for i in range(150)]
    naive = _bootstrap(pair_up(list(shared), [0.0] * 150, None)).interval
    clustered = _bootstrap(pair_up(list(shared), [0.0] * 150, clusters)).interval
    assert naive is not None
    assert clustered is not None
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)


def test_a_bootstrap_of_few_clusters_says_that_it_is_optimistic() -> None:
    system, baseline = sample(30, 0.05)
    assert "optimistic" in run("bootstrap", system, baseline, [i // 5 for i in range(30)]).notes
    assert "optimistic" not in run("bootstrap", system, baseline).notes


def test_bca_limits_are_the_quantiles_of_efrons_formula() -> None:
    means, z0, a = np.linspace(0, 1, 10_001), stats.norm.ppf(0.6), 0.05
    interval, notes = bca_interval(means, 0.6, a, 0.95)
    assert notes == ""
    for tail, limit in ((0.025, interval.low), (0.975, interval.high)):
        z = z0 + stats.norm.ppf(tail)
        assert limit == pytest.approx(stats.norm.cdf(z0 + z / (1 - a * z)), abs=1e-3)


@pytest.mark.parametrize(
    ("observed", "acceleration", "why"), [(-1.0, 0.0, "no bias correction"), (0.5, 0.6, "too skewed")]
)
def test_where_bca_has_no_limits_the_percentile_interval_says_so(
    observed: float, acceleration: float, why: str
) -> None:
    interval, notes = bca_interval(np.linspace(0, 1, 1000), observed, acceleration, 0.95)
    assert why in notes
    assert interval.method == "percentile bootstrap"
    assert interval.low == pytest.approx(0.025)


@pytest.mark.parametrize(("n", "shift"), [(2, 5.0), (20, 0.08), (50, -0.2), (400, 3.0)])
def test_d_z_and_its_interval_invert_the_noncentral_t(n: int, shift: float) -> None:
    system, baseline = sample(n, shift)
    estimate = estimate_mean(np.subtract(system, baseline).tolist(), None)
    effect = standardised_difference(estimate, 0.95)
    assert effect.value is not None
    assert effect.interval is not None
    t, root = effect.value * math.sqrt(n), math.sqrt(n)
    assert stats.nct.cdf(t, n - 1, effect.interval.low * root) == pytest.approx(0.975, abs=1e-6)
    assert stats.nct.cdf(t, n - 1, effect.interval.high * root) == pytest.approx(0.025, abs=1e-6)


def test_the_detectable_difference_is_the_textbook_one() -> None:
    # 34 pairs find d_z = .5 with power .8 at alpha .05 (two-sided paired t; G*Power: power .808).
    values = list(np.random.default_rng(1).normal(0, 1, 34))
    estimate = estimate_mean(values, None)
    found = detectable_difference(estimate, 0.05)
    assert found is not None
    assert estimate.sd is not None
    assert found / estimate.sd == pytest.approx(0.4955, abs=0.0005)


def test_what_other_numbers_of_pairs_could_show_is_the_textbook_difference() -> None:
    # d_z that n pairs find with power .8, two-sided at .05, by statsmodels: .2829 for 100, .6604 for 20.
    for n, d_z in ((100, 0.2829), (20, 0.6604)):
        assert detectable_at(0.4955, 34, n, 0.05) == pytest.approx(d_z, abs=0.001)
    assert detectable_at(0.4955, 34, 1, 0.05) is None


def test_importing_and_summarising_rates_needs_no_numpy() -> None:
    code = (
        "import sys; from crucible.adapters.statistics import PairedStatistics as P;"
        "from crucible.messages.experiment import StatsConfig as C;"
        "P().summarize('x', [1.0, 0.0, 1.0], clusters=None, method='', config=C(), seed=1);"
        "print('numpy' in sys.modules, 'scipy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


def test_every_test_of_the_configuration_is_run_under_its_name() -> None:
    known = inspect.type_info(StatsConfig)
    assert isinstance(known, inspect.StructType)
    kind = next(field.type for field in known.fields if field.name == "tests")
    assert isinstance(kind, inspect.Metadata)
    kind = kind.type
    assert isinstance(kind, inspect.VarTupleType)
    assert isinstance(kind.item_type, inspect.LiteralType)
    assert set(kind.item_type.values) == set(TESTS)
    system, baseline = sample(12, 0.05)
    for name in TESTS:
        assert run(name, system, baseline).name == name


def test_asking_for_the_t_test_does_not_switch_the_choice_off() -> None:
    system, baseline = sample(12, 0.05)
    both = StatsConfig(tests=("ttest", "auto"))
    found = PairedStatistics().compare(
        "f1", system, baseline, names=("a", "b"), clusters=None, config=both, seed=1
    )
    assert [test.name for test in found.tests] == ["ttest", "auto"]
    assert found.tests[1].notes.startswith("paired_t: ")


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", [3, 31, 32, 1000])
def test_no_interval_is_upside_down(n: int, level: float) -> None:
    system, baseline = sample(n, 0.05)
    estimate = estimate_mean(np.subtract(system, baseline).tolist(), None)
    config = StatsConfig(iterations=200, confidence_level=level)
    for name, test in TESTS.items():
        interval = test(pair_up(system, baseline, None), estimate, config, 1).interval
        assert interval is None or interval.low < estimate.mean < interval.high, name
