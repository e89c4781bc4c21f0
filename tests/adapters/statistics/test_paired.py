import math
from typing import Any

import msgspec
import numpy as np
import pytest

from crucible.adapters.statistics import PairedStatistics
from crucible.messages.experiment import StatsConfig
from crucible.messages.findings import Comparison, Metric

NAN = math.nan
STATISTICS = PairedStatistics()


def summarize(values: list[float], clusters: list[int] | None = None, *, bounded: bool = False) -> Metric:
    return STATISTICS.summarize(
        "f1", values, clusters=clusters, method="lexical", config=StatsConfig(), seed=1, bounded=bounded
    )


def compare(
    system: list[float], baseline: list[float], clusters: list[int] | None = None, **config: Any
) -> Comparison:
    settings = msgspec.structs.replace(StatsConfig(iterations=1000), **config)
    found = STATISTICS.compare(
        "f1", system, baseline, names=("model", "lead"), clusters=clusters, config=settings, seed=1
    )
    return STATISTICS.correct([found], settings)[0]


def noisy(n: int, shift: float) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(9)
    base = rng.uniform(0, 1, n)
    return (base + rng.normal(shift, 0.1, n)).tolist(), base.tolist()


def test_undefined_scores_are_left_out_and_n_says_so() -> None:
    metric = summarize([0.2, NAN, 0.4, NAN])
    assert metric.n == 2
    assert metric.value == pytest.approx(0.3)


def test_a_metric_without_any_score_is_null_with_a_reason() -> None:
    metric = summarize([NAN, NAN])
    assert (metric.value, metric.n, metric.interval) == (None, 0, None)
    assert metric.reason


def test_rates_get_wilson_and_scores_get_t() -> None:
    rate, score = summarize([1.0] * 9 + [0.0]), summarize([0.4, 0.5, 0.6])
    assert rate.interval is not None
    assert score.interval is not None
    assert rate.interval.method == "Wilson"
    assert score.interval.method == "t(2)"


def test_counts_of_0_and_1_are_no_rate_and_their_interval_ends_at_0() -> None:
    counts = STATISTICS.summarize(
        "beta1", [0.0] * 9 + [1.0], clusters=None, method="x", config=StatsConfig(), seed=1, floor=0.0
    )
    assert counts.interval is not None
    assert counts.interval.low >= 0.0
    assert counts.interval.method.startswith("t(9)")
    few = STATISTICS.summarize(
        "beta1", [0.0, 2.0, 0.0], clusters=None, method="x", config=StatsConfig(), seed=1, floor=0.0
    )
    assert few.interval is not None
    assert (few.interval.low, few.interval.method) == (0.0, "t(2), cut at 0")
    assert few.interval.high == pytest.approx(2 / 3 + 4.302652729911275 * 2 / 3)


def test_the_difference_of_counts_of_0_and_1_is_no_difference_of_rates() -> None:
    more, fewer = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [0.0] * 6
    found = [
        STATISTICS.compare(
            "beta1",
            more,
            fewer,
            names=("model", "lead"),
            clusters=None,
            config=StatsConfig(),
            seed=1,
            bounded=b,
        ).interval
        for b in (True, False)
    ]
    assert found[0] is not None and found[1] is not None  # noqa: PT018
    assert (found[0].method, found[1].method) == ("Newcombe, paired", "t(5)")


def test_clustered_rates_get_wilson_with_what_the_clusters_leave_of_n() -> None:
    metric = summarize([1.0, 1.0, 0.0, 1.0, 0.0, 0.0], [0, 0, 0, 1, 1, 1])
    assert metric.interval is not None
    assert metric.interval.method == "Wilson, effective n 6, 2 clusters, t(1)"


def test_clustered_scores_get_cr1() -> None:
    metric = summarize([0.9, 0.8, 0.4, 0.5, 0.6, 0.3], [0, 0, 0, 1, 1, 1])
    assert metric.interval is not None
    assert metric.interval.method == "CR1 over 2 clusters, t(1)"


def test_a_perfect_rate_in_clusters_has_an_interval_too() -> None:
    metric = summarize([1.0] * 24, [row // 3 for row in range(24)], bounded=True)
    assert metric.interval is not None
    assert metric.interval.high == 1.0
    assert 0.5 < metric.interval.low < 0.7
    assert metric.reason is None


def test_counts_that_are_all_zero_are_no_rate() -> None:
    metric = summarize([0.0] * 24)
    assert metric.interval is None
    assert metric.reason == "all 24 values are equal"


def test_skewed_scores_are_corrected_and_the_method_says_so() -> None:
    metric = summarize([0.0] * 20 + [0.5, 0.9])
    assert metric.interval is not None
    assert metric.interval.method == "t(21), skewness corrected"


def test_a_difference_of_rates_gets_an_interval_even_if_no_pair_differs() -> None:
    same = compare([1.0] * 50, [1.0] * 50)
    some = compare([1.0] * 40 + [0.0] * 10, [1.0] * 38 + [0.0] * 12)
    for comparison in (same, some):
        assert comparison.interval is not None
        assert comparison.interval.method == "Newcombe, paired"
    assert same.interval is not None
    assert same.interval.low == -same.interval.high < -0.05


def test_an_infinite_score_is_refused() -> None:
    with pytest.raises(ValueError, match="infinite"):
        summarize([0.1, math.inf])
    with pytest.raises(ValueError, match="infinite"):
        compare([0.1, math.inf], [0.1, 0.2])


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        compare([0.1, 0.2], [0.1])


def test_only_pairs_with_both_scores_count() -> None:
    found = compare([0.5, NAN, 0.7, 0.9], [0.4, 0.2, NAN, 0.5])
    assert found.n == 2
    assert found.difference == pytest.approx(0.25)
    assert found.mean_system == pytest.approx(0.7)


def test_no_common_pair_is_no_data() -> None:
    found = compare([NAN, 0.2], [0.1, NAN])
    assert (found.verdict, found.n, found.difference) == ("no_data", 0, None)
    assert "No data" in found.summary


@pytest.mark.parametrize(("shift", "verdict"), [(0.1, "better"), (-0.1, "worse"), (0.0, "undecided")])
def test_the_verdict_follows_the_sign_and_the_corrected_p(shift: float, verdict: str) -> None:
    found = compare(*noisy(60, shift))
    assert found.verdict == verdict
    assert found.summary.startswith(verdict.capitalize())


def test_identical_systems_are_undecided() -> None:
    assert compare([0.3, 0.4, 0.5], [0.3, 0.4, 0.5]).verdict == "undecided"


def test_the_primary_test_is_permutation_else_the_first() -> None:
    system, baseline = noisy(40, 0.1)
    assert "permutation p" in compare(system, baseline, tests=("wilcoxon", "permutation")).summary
    assert "wilcoxon p" in compare(system, baseline, tests=("wilcoxon", "bootstrap")).summary


def test_ranks_that_disagree_with_the_means_decide_nothing() -> None:
    difference = [-0.01 - 0.0001 * i for i in range(30)] + [9.0]
    found = compare(difference, [0.0] * 31, tests=("wilcoxon",))
    assert found.tests[0].significant
    assert found.verdict == "undecided"
    assert "disagree" in found.summary


def test_correction_spans_all_comparisons_of_a_test() -> None:
    config = StatsConfig(iterations=1000, correction="bonferroni", tests=("permutation",))
    system, baseline = noisy(12, 0.1)
    one = STATISTICS.compare("f1", system, baseline, names=("a", "b"), clusters=None, config=config, seed=1)
    first, second = STATISTICS.correct([one, one], config)
    assert one.tests[0].p_value is not None
    assert first.tests[0].p_adjusted == second.tests[0].p_adjusted == min(1.0, 2 * one.tests[0].p_value)


def test_mcnemar_is_offered_for_independent_rates_only() -> None:
    system, baseline = [1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]
    assert "mcnemar" in [test.name for test in compare(system, baseline).tests]
    assert "mcnemar" not in [test.name for test in compare(system, baseline, [0, 0, 1, 1]).tests]


def test_the_same_seed_gives_the_same_comparison() -> None:
    system, baseline = noisy(50, 0.02)
    assert compare(system, baseline) == compare(system, baseline)


def test_the_summary_names_the_smallest_difference_that_could_show() -> None:
    assert "could show a difference of" in compare(*noisy(40, 0.05)).summary


def test_a_comparison_survives_json_without_nan() -> None:
    for found in (compare(*noisy(20, 0.1)), compare([0.5], [0.5]), compare([NAN], [NAN])):
        assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


def test_a_null_effect_is_called_significant_about_alpha_of_the_time() -> None:
    rng, hits = np.random.default_rng(12), 0
    for _ in range(200):
        clusters = np.repeat(np.arange(12), 5)
        difference = np.repeat(rng.normal(0, 1, 12), 5) + rng.normal(0, 1, 60)
        found = compare(difference.tolist(), [0.0] * 60, clusters.tolist(), tests=("permutation",))
        hits += found.verdict != "undecided"
    assert hits / 200 < 0.1


def test_auto_takes_mcnemar_for_rates_and_says_why() -> None:
    comparison = compare([1.0] * 12 + [0.0] * 8, [0.0] * 10 + [1.0] * 10, tests=("auto",))
    (auto, mcnemar) = comparison.tests
    assert auto.name == "auto"
    assert auto.p_value == mcnemar.p_value
    assert auto.notes.startswith("mcnemar: paired 0/1 scores")
    assert "it fits the scores (mcnemar: paired 0/1 scores" in comparison.summary


def test_auto_takes_the_t_test_for_quiet_differences_and_permutation_for_clusters() -> None:
    system, baseline = noisy(40, 0.05)
    alone = compare(system, baseline, tests=("auto", "paired_ttest"))
    assert alone.tests[0].notes.startswith("paired_t: paired scores, and")
    assert alone.tests[0].p_value == alone.tests[1].p_value
    grouped = compare(system, baseline, [i // 4 for i in range(40)], tests=("auto", "permutation"))
    assert grouped.tests[0].notes.startswith("paired_permutation: scores of one cluster")
    assert grouped.tests[0].p_value == grouped.tests[1].p_value


def test_a_margin_allows_the_verdict_equivalent() -> None:
    system, baseline = noisy(60, 0.0)
    open_verdict, settled = compare(system, baseline), compare(system, baseline, equivalence_margin=0.1)
    assert open_verdict.verdict == "undecided"
    assert settled.verdict == "equivalent"
    assert "Equivalent within 0.1 (tost p" in settled.summary
    assert compare(system, baseline, equivalence_margin=0.001).verdict == "undecided"


def test_equivalence_respects_clusters() -> None:
    shared = np.repeat(np.random.default_rng(4).normal(0, 0.15, 8), 20)
    clusters = [i // 20 for i in range(160)]
    naive = compare(shared.tolist(), [0.0] * 160, equivalence_margin=0.05)
    clustered = compare(shared.tolist(), [0.0] * 160, clusters, equivalence_margin=0.05)
    p_values = [next(t.p_value for t in c.tests if t.name == "tost") for c in (naive, clustered)]
    assert p_values[0] is not None
    assert p_values[1] is not None
    assert p_values[0] < p_values[1]


def test_an_undecided_comparison_says_how_many_pairs_it_would_take() -> None:
    comparison = compare(*noisy(20, 0.02))
    assert comparison.verdict == "undecided"
    assert comparison.detectable is not None
    assert comparison.difference is not None
    assert comparison.needed is not None
    assert comparison.detectable > abs(comparison.difference)
    assert comparison.needed > 20
    assert f"takes about {comparison.needed} pairs like these" in comparison.summary


def test_what_is_needed_and_what_is_detectable_agree() -> None:
    comparison = compare(*noisy(40, 0.05))
    assert comparison.difference is not None
    assert comparison.detectable is not None
    assert comparison.needed is not None
    share = abs(comparison.difference) / comparison.detectable
    assert comparison.needed == pytest.approx(40 / share**2, rel=0.15)


def test_yekutieli_is_a_correction_of_bench() -> None:
    comparison = compare(*noisy(40, 0.05), correction="benjamini_yekutieli")
    assert "after Benjamini-Yekutieli correction" in comparison.summary
