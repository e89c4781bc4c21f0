"""Whether a run that was repeated came out the same: answer by answer, then figure by figure.

Called by ``crucible run --reproduce``. Equal answers give equal figures. Where they differ (a model server
that samples, another version of a library), a figure still agrees when the paired test of the second run
against the first finds no difference after correction over all figures: that is what "within noise" means,
and it is no proof of equality; the interval says how large a difference could be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ..actors.scores import ClusterIndex, Columns
from ..adapters.runs import FinishedRun
from ..adapters.statistics import PairedStatistics
from ..messages.base import Message
from ..messages.experiment import StatsConfig
from ..messages.findings import Comparison, Interval
from ..messages.report import Provenance

__all__ = ["Agreement", "Reproduction", "reproduction"]

RELATIVE = 1e-9
"""Figures that differ by less come from sums in another order."""


class Agreement(Message, frozen=True):
    """One figure of one system, before and again."""

    metric: str
    system: str
    before: float | None
    again: float | None
    status: Literal["equal", "within_noise", "differs"]
    interval: Interval | None = None
    """Of the difference, again minus before; None when the figures are equal."""


class Reproduction(Message, frozen=True):
    """What came of running it again."""

    before: str
    again: str
    same_data: bool
    changed: dict[str, tuple[str, str]]
    """Versions that differ: name -> before, again."""
    rows: int
    """That both runs have."""
    missing: int
    """That only one of them has."""
    identical: dict[str, int]
    """System -> rows with the same answer."""
    figures: tuple[Agreement, ...]

    @property
    def agrees(self) -> bool:
        """Same data, same rows, and no figure differs."""
        figures = all(figure.status != "differs" for figure in self.figures)
        return self.same_data and not self.missing and figures


def reproduction(before: FinishedRun, again: FinishedRun) -> Reproduction:
    """Compare a run with its repetition. Blocking; reads both runs once."""
    ids = [id_ for id_ in before.ids if id_ in set(again.ids)]
    clusters = ClusterIndex()
    identical: dict[str, int] = {}
    columns: dict[str, tuple[Columns, Columns]] = {}
    for id_ in ids:
        old, new = before.sample(id_), again.sample(id_)
        clusters.add(old.group)
        for system in old.outputs:
            same = system in new.outputs and old.outputs[system].text == new.outputs[system].text
            identical[system] = identical.get(system, 0) + same
            pair = columns.setdefault(system, (Columns(system, clusters), Columns(system, clusters)))
            for line, column in zip((old, new), pair, strict=True):
                column.add(line.scores.get(system, {}), {})
    stats = before.result.experiment.reliability.stats
    return Reproduction(
        before=before.result.run_id,
        again=again.result.run_id,
        same_data=bool(before.sha256) and before.sha256 == again.sha256,
        changed=_changed(before.result.provenance, again.result.provenance),
        rows=len(ids),
        missing=len(before.ids) + len(again.ids) - 2 * len(ids),
        identical=identical,
        figures=_figures(columns, clusters, stats, before.result.experiment.seed),
    )


def _figures(
    columns: dict[str, tuple[Columns, Columns]], clusters: ClusterIndex, stats: StatsConfig, seed: int
) -> tuple[Agreement, ...]:
    statistics, raw, equal = PairedStatistics(), list[Comparison](), list[Agreement]()
    for system, (old, new) in columns.items():
        for metric in dict.fromkeys((*old.names(), *new.names())):
            mine, theirs = new.values(metric), old.values(metric)
            if all(_same(a, b) for a, b in zip(mine, theirs, strict=True)):
                mean = _mean(theirs)
                equal.append(Agreement(metric=metric, system=system, before=mean, again=mean, status="equal"))
            else:
                raw.append(
                    statistics.compare(
                        metric,
                        mine,
                        theirs,
                        names=(system, system),
                        clusters=clusters.clusters(),
                        config=stats,
                        seed=seed,
                    )
                )
    return (*equal, *(_agreement(each) for each in statistics.correct(raw, stats)))


def _agreement(found: Comparison) -> Agreement:
    """Scores that are defined in one run only leave no pair: that is a difference, not noise."""
    noise = found.verdict in ("undecided", "equivalent")
    return Agreement(
        metric=found.metric,
        system=found.system,
        before=found.mean_baseline,
        again=found.mean_system,
        status="within_noise" if noise else "differs",
        interval=found.interval,
    )


def _same(one: float, other: float) -> bool:
    both_undefined = math.isnan(one) and math.isnan(other)
    return both_undefined or math.isclose(one, other, rel_tol=RELATIVE, abs_tol=RELATIVE)


def _mean(values: Sequence[float]) -> float | None:
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else None


def _changed(before: Provenance | None, again: Provenance | None) -> dict[str, tuple[str, str]]:
    if before is None or again is None:
        return {}
    old, new = _versions(before), _versions(again)
    return {
        name: (old.get(name, "none"), new.get(name, "none"))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    }


def _versions(origin: Provenance) -> dict[str, str]:
    own = {
        "crucible": origin.crucible,
        "python": origin.python,
        "platform": origin.platform,
        "git commit": origin.git_commit or "none",
        "experiment": origin.experiment_sha256[:12],
    }
    return own | origin.packages
