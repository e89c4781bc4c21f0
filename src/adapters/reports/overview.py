"""The first lines of a report: what came out, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from ...messages.experiment import BackendRef, StatsConfig
from ...messages.findings import Comparison, Metric
from ...messages.report import RunReport
from .cautions import cautions
from .numbers import count, duration, figure, interval_text, percent, plural
from .outcomes import ALIKE, TOO_FEW, outcome, pairs_in_words

__all__ = [
    "all_comparisons",
    "all_figures",
    "compared_first",
    "facts",
    "headline",
    "metric_label",
    "model_name",
    "systems",
    "verdicts",
]

MAX_VERDICTS = 6
TONES = ("better", "worse", "equivalent", ALIKE, "undecided", TOO_FEW)


def name_of(backend: BackendRef) -> str:
    """Name of a backend in reports."""
    return backend.name or backend.id


def model_name(report: RunReport) -> str:
    """Name of the system under test."""
    return name_of(report.experiment.backend)


def systems(report: RunReport) -> list[str]:
    """Model first, baselines in their order, then any other system that has a figure."""
    named = [model_name(report), *(name_of(baseline) for baseline in report.experiment.baselines)]
    found = [metric.system for metric in all_figures(report) if metric.system]
    return list(dict.fromkeys(chain(named, found)))


def all_figures(report: RunReport) -> list[Metric]:
    """Figures of all stages; a later stage's figure replaces an earlier one of the same name and system."""
    latest = {(f.name, f.system): f for stage in report.stages for f in stage.figures}
    return list(latest.values())


def all_comparisons(report: RunReport) -> list[Comparison]:
    """Comparisons of all stages."""
    return [comparison for stage in report.stages for comparison in stage.comparisons]


def compared_first(report: RunReport, metrics: Iterable[str]) -> list[str]:
    """Metric names without repeats, those of the comparisons in front: plots have room for some only."""
    known = list(dict.fromkeys(metrics))
    compared = list(dict.fromkeys(comparison.metric for comparison in all_comparisons(report)))
    return [*(name for name in compared if name in known), *(name for name in known if name not in compared)]


def headline(report: RunReport) -> tuple[str, str]:
    """The verdict in one sentence, and its tone."""
    model, comparisons = model_name(report), all_comparisons(report)
    if report.status != "completed":
        reason = report.failure or "no reason was given"
        return f"The run {'was cancelled' if report.status == 'cancelled' else 'failed'}: {reason}", "failed"
    if not comparisons:
        return f"{model} was measured; there was no baseline to compare it with", "undecided"
    tally: Counter[str] = Counter(comparison.verdict for comparison in comparisons)
    decided = [tone for tone in ("better", "worse") if tally[tone]]
    tone = decided[0] if len(decided) == 1 else "undecided"
    stats = report.experiment.reliability.stats
    parts = [_against(model, baseline, comparisons, stats) for baseline in _baselines(comparisons)]
    return "; ".join(parts), tone


def _baselines(comparisons: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(comparison.baseline for comparison in comparisons))


def _against(model: str, baseline: str, comparisons: Sequence[Comparison], stats: StatsConfig) -> str:
    here = [comparison for comparison in comparisons if comparison.baseline == baseline]
    tally: Counter[str] = Counter(_kind(comparison, stats) for comparison in here)
    total = len(here)
    metrics = plural(total, "metric")
    every = f"{'all ' if total > 1 else ''}{metrics}"
    for verdict in ("better", "worse"):
        if tally[verdict] == total:
            return f"{model} is {verdict} than {baseline} on {every}"
    if tally[ALIKE] == total:
        return f"{model} against {baseline}: {ALIKE} on {every}, all pairs score the same"
    if not any(tally[word] for word in ("better", "worse", "equivalent", ALIKE)):
        few = tally[TOO_FEW]
        why = f", {TOO_FEW} on {count(few)}" if few else ""
        return f"{model} against {baseline}: no difference could be shown on {metrics}{why}"
    shares = [f"{word} on {tally[word]}" for word in TONES if tally[word]]
    if tally["no data"]:
        shares.append(f"no data on {tally['no data']}")
    return f"{model} against {baseline}: {', '.join(shares)} of {metrics}"


def _kind(comparison: Comparison, stats: StatsConfig) -> str:
    found = outcome(comparison, stats)
    return TOO_FEW if found.startswith(TOO_FEW) else found


def verdicts(report: RunReport) -> list[str]:
    """Cautions, then the decided comparisons, or figures of the model when nothing was compared."""
    return [*cautions(report), *_found(report)]


def _found(report: RunReport) -> list[str]:
    """Decided comparisons first; those of too few pairs in one line at the end."""
    stats = report.experiment.reliability.stats
    comparisons = sorted(all_comparisons(report), key=lambda c: c.verdict not in ("better", "worse"))
    few = [comparison for comparison in comparisons if _kind(comparison, stats) == TOO_FEW]
    told = [comparison for comparison in comparisons if comparison not in few]
    lines = [_comparison_line(comparison, stats) for comparison in told[:MAX_VERDICTS]]
    if len(told) > MAX_VERDICTS:
        lines.append(f"{len(told) - MAX_VERDICTS} more comparisons are in the table below.")
    if few:
        lines.append(f"Too few pairs to tell anything: {_few(few)}.")
    if lines:
        return lines
    model = model_name(report)
    own = [metric for metric in all_figures(report) if metric.system == model and metric.value is not None]
    return [_metric_line(metric) for metric in own[:MAX_VERDICTS]]


def metric_label(comparison: Comparison) -> str:
    """Name of the metric, and its direction where that is not the usual one."""
    return comparison.metric if comparison.higher_is_better else f"{comparison.metric} (lower is better)"


def _few(comparisons: Sequence[Comparison]) -> str:
    """Metric, baseline and number of pairs of the first few."""
    names = [f"{metric_label(c)} against {c.baseline} ({pairs_in_words(c)})" for c in comparisons]
    more = [f"{len(names) - MAX_VERDICTS} more"] if len(names) > MAX_VERDICTS else []
    return ", ".join([*names[:MAX_VERDICTS], *more])


def _comparison_line(comparison: Comparison, stats: StatsConfig) -> str:
    joint = {"better": "than", "worse": "than", "equivalent": "to"}.get(comparison.verdict, "against")
    found = outcome(comparison, stats)
    start = f"{metric_label(comparison)}: {found} {joint} {comparison.baseline}"
    if comparison.difference is None:
        return f"{start}."
    if found == ALIKE:
        return (
            f"{start}: both {figure(comparison.mean_system)}, the same on each of"
            f" {comparison.n} examples; difference 0{_range(comparison)}."
        )
    return (
        f"{start}, difference {figure(comparison.difference)}{_range(comparison)} on {comparison.n} examples."
    )


def _metric_line(metric: Metric) -> str:
    return f"{metric.name}: {figure(metric.value)}{_range(metric)} on {metric.n} examples."


def _range(found: Metric | Comparison) -> str:
    if found.interval is None:
        return ""
    return f" ({percent(found.interval.level)} interval {interval_text(found.interval)})"


def facts(report: RunReport) -> list[tuple[str, str]]:
    """A few facts for the head of the report."""
    found = [("run", report.run_id), ("status", report.status), ("model", model_name(report))]
    if report.experiment.baselines:
        found.append(("baselines", ", ".join(name_of(b) for b in report.experiment.baselines)))
    if report.dataset is not None:
        found.append(("data set", f"{report.dataset.name}, {count(report.dataset.rows)} rows"))
    found += [
        ("seed", str(report.provenance.seed)),
        ("started", report.started_at),
        ("took, without this report", duration(report.seconds)),
    ]
    return found
