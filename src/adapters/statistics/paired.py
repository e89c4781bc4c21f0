"""``PairedStatistics``: summaries of one system, paired comparisons of two, corrections over all of them.

Called by the metrics and bench stages in worker threads. It holds no state: the same columns, configuration
and seed give the same result. What it does not do: choose metrics or stop runs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ...messages.experiment import StatsConfig
from ...messages.findings import Comparison, Metric, Ranking, TestResult
from .correction import adjust
from .effects import detectable_difference, standardised_difference, units_needed
from .intervals import cut_below, estimate_mean, is_binary, mean_interval, wilson_interval
from .rates import clustered_wilson, paired_rates
from .words import decision, finding

if TYPE_CHECKING:
    from ...actors.ports import Watch
    from .intervals import Estimate
    from .pairs import Pairs

__all__ = ["PairedStatistics", "primary_test"]


class PairedStatistics:
    """Implements ``actors.ports.Statistics``."""

    def summarize(
        self,
        name: str,
        values: Sequence[float],
        *,
        clusters: Sequence[int] | None,
        method: str,
        config: StatsConfig,
        seed: int,  # noqa: ARG002 - nothing here is random
        bounded: bool = False,
        floor: float | None = None,
    ) -> Metric:
        """Mean of the defined values: Wilson's interval for 0/1 scores, else t; clusters respected.

        With a ``floor`` scores may lie above 1, so that values of 0 and 1 are counts and no rate.

        Raises ValueError for infinite values and for a cluster column of another length.
        """
        kept, kept_clusters = _defined(name, values, clusters)
        if not kept:
            reason = "no example has this score"
            return Metric(name=name, value=None, n=0, method=method, reason=reason)
        estimate, level = estimate_mean(kept, kept_clusters), config.confidence_level
        counts = floor is not None or (estimate.reason and not bounded)  # what is all 0 may be no rate
        if counts or not is_binary(kept):
            interval = cut_below(mean_interval(estimate, level, unit=bounded), floor)
        elif estimate.clusters is None:
            interval = wilson_interval(int(sum(kept)), len(kept), level)
        else:
            interval = clustered_wilson(estimate, level)
        return Metric(
            name=name,
            value=estimate.mean,
            n=estimate.n,
            method=method,
            interval=interval,
            reason=estimate.reason if interval is None else None,
        )

    def compare(
        self,
        metric: str,
        system: Sequence[float],
        baseline: Sequence[float],
        *,
        names: tuple[str, str],
        clusters: Sequence[int] | None,
        config: StatsConfig,
        seed: int,
        bounded: bool = True,
    ) -> Comparison:
        """Paired comparison; p values are raw and the verdict open until ``correct``.

        Raises ValueError for columns of unequal length and for infinite values.
        """
        from .pairs import pair_up

        pairs = pair_up(system, baseline, clusters)
        if not pairs.n:
            return Comparison(
                metric=metric,
                system=names[0],
                baseline=names[1],
                n=0,
                n_clusters=None,
                mean_system=None,
                mean_baseline=None,
                difference=None,
            )
        codes = None if pairs.cluster is None else pairs.cluster.tolist()
        estimate = estimate_mean(pairs.difference.tolist(), codes)
        level = config.confidence_level
        rates = pairs.binary and bounded
        interval = paired_rates(pairs, level) if rates else mean_interval(estimate, level)
        stream_seed = seed ^ zlib.crc32("\x1f".join((metric, *names)).encode())
        comparison = Comparison(
            metric=metric,
            system=names[0],
            baseline=names[1],
            n=pairs.n,
            n_clusters=pairs.n_clusters,
            mean_system=math.fsum(pairs.system) / pairs.n,
            mean_baseline=math.fsum(pairs.baseline) / pairs.n,
            difference=estimate.mean,
            interval=interval,
            effect=standardised_difference(estimate, level),
            tests=_run_tests(pairs, estimate, config, stream_seed),
            verdict="undecided",
        )
        detectable = detectable_difference(estimate, config.alpha)
        return msgspec.structs.replace(
            comparison,
            detectable=detectable,
            needed=units_needed(estimate, config.alpha),
            summary=finding(comparison, detectable, config),
        )

    def watch(self, *, comparisons: int, config: StatsConfig) -> Watch:
        """A comparison that may be looked at while the run goes on; see ``sequential``."""
        from .sequential import ComparisonWatch

        return ComparisonWatch(comparisons=comparisons, config=config)

    def rank(
        self,
        metric: str,
        columns: Mapping[str, Sequence[float]],
        *,
        clusters: Sequence[int] | None,
        higher_is_better: bool,
        config: StatsConfig,
    ) -> Ranking:
        """Bradley-Terry over the examples; see ``ranking``."""
        from .ranking import rank_systems

        return rank_systems(
            metric,
            columns,
            clusters=clusters,
            higher_is_better=higher_is_better,
            level=config.confidence_level,
        )

    def correct(self, comparisons: Sequence[Comparison], config: StatsConfig) -> list[Comparison]:
        """Adjust the p values of each test over all comparisons together, and set the verdicts.

        Each test is a family of its own, so that asking for a second test does not weaken the first.
        """
        adjusted: dict[tuple[int, str], float] = {}
        names = {test.name for comparison in comparisons for test in comparison.tests}
        for name in sorted(names):
            family = [
                (index, test.p_value)
                for index, comparison in enumerate(comparisons)
                for test in comparison.tests
                if test.name == name and test.p_value is not None
            ]
            values = adjust([p_value for _, p_value in family], config.correction)
            adjusted.update({(index, name): value for (index, _), value in zip(family, values, strict=True)})
        return [
            _decide(comparison, {name: p for (at, name), p in adjusted.items() if at == index}, config)
            for index, comparison in enumerate(comparisons)
        ]


def primary_test(tests: Sequence[TestResult], config: StatsConfig) -> TestResult | None:
    """The test that decides: permutation if it was asked for, else the first of ``config.tests``."""
    if not config.tests:
        return None
    name = "permutation" if "permutation" in config.tests else config.tests[0]
    return next((test for test in tests if test.name == name), None)


def _defined(
    name: str, values: Sequence[float], clusters: Sequence[int] | None
) -> tuple[Sequence[float], Sequence[int] | None]:
    if math.isfinite(sum(values)):  # most columns: nothing undefined, nothing infinite
        return values, clusters
    if any(math.isinf(value) for value in values):
        raise ValueError(f"metric {name}: a score is infinite")
    if clusters is None:
        return [value for value in values if not math.isnan(value)], None
    kept = [pair for pair in zip(values, clusters, strict=True) if not math.isnan(pair[0])]
    return [value for value, _ in kept], [cluster for _, cluster in kept]


def _run_tests(pairs: Pairs, estimate: Estimate, config: StatsConfig, seed: int) -> tuple[TestResult, ...]:
    from .hypothesis_tests import TESTS, equivalent, mcnemar

    results = [TESTS[name](pairs, estimate, config, seed) for name in dict.fromkeys(config.tests)]
    if pairs.binary and pairs.cluster is None:
        results.append(mcnemar(pairs))
    if config.equivalence_margin is not None:
        results.append(equivalent(estimate, config))
    return tuple(results)


def _decide(comparison: Comparison, adjusted: dict[str, float], config: StatsConfig) -> Comparison:
    tests = tuple(
        msgspec.structs.replace(
            test,
            p_adjusted=adjusted.get(test.name),
            significant=adjusted[test.name] < config.alpha if test.name in adjusted else None,
        )
        for test in comparison.tests
    )
    primary = primary_test(tests, config)
    decided = msgspec.structs.replace(comparison, tests=tests)
    if comparison.difference is not None and primary is not None and primary.significant:
        direction = _direction(primary, comparison.n, comparison.difference)
        direction = direction if comparison.higher_is_better else -direction
        verdict = "better" if direction > 0 else "worse" if direction < 0 else "undecided"
        decided = msgspec.structs.replace(decided, verdict=verdict)
    elif primary is not None and any(test.name == "tost" and test.significant for test in tests):
        decided = msgspec.structs.replace(decided, verdict="equivalent")
    text = f"{decision(decided, primary, config)} {comparison.summary}".strip()
    return msgspec.structs.replace(decided, summary=text)


def _direction(primary: TestResult, n: int, difference: float) -> float:
    """The sign of what the test tested; 0 when a rank test and the means point in opposite directions."""
    ranks = {"wilcoxon": 0.0, "mann_whitney": n * n / 2}
    if primary.name in ranks and primary.statistic is not None:
        return difference if (primary.statistic - ranks[primary.name]) * difference > 0 else 0.0
    return difference
