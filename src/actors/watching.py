"""Comparisons that may be looked at while the run goes on.

Called by bench for the metrics that it is told to watch. Of examples of one group only the first counts:
the test needs differences that do not hang on one another. The comparisons at the end use them all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..messages.experiment import StatsConfig
from ..messages.findings import Watched
from .ports import Watch, WatchesComparisons

__all__ = ["Watching"]


class Watching:
    """The model against each baseline on each watched metric."""

    def __init__(
        self,
        statistics: WatchesComparisons,
        metrics: Sequence[str],
        *,
        model: str,
        baselines: Sequence[str],
        config: StatsConfig,
    ) -> None:
        self._model = model
        self._alpha = config.alpha
        pairs = [(metric, baseline) for metric in metrics for baseline in baselines]
        self._watches: dict[tuple[str, str], Watch] = {
            pair: statistics.watch(comparisons=len(pairs), config=config) for pair in pairs
        }
        self._p_values: dict[tuple[str, str], float] = {}
        self._groups: set[str] = set()
        self.seen: dict[str, None] = {}
        """Names of the model's scores."""

    def add(self, group: str | None, scores: Mapping[str, Mapping[str, float | None]]) -> None:
        """Take the scores of the next example, by system and metric; undefined ones are passed over."""
        self.seen.update(dict.fromkeys(scores[self._model]))
        if group is not None:
            if group in self._groups:
                return
            self._groups.add(group)
        for (metric, baseline), watch in self._watches.items():
            mine, theirs = scores[self._model].get(metric), scores[baseline].get(metric)
            if mine is not None and theirs is not None and not math.isnan(mine - theirs):
                self._p_values[metric, baseline] = watch.update(mine - theirs)

    def unknown(self) -> list[str]:
        """Watched metrics that the model never had."""
        return [
            name for name in dict.fromkeys(metric for metric, _ in self._watches) if name not in self.seen
        ]

    def note(self) -> str:
        """The watched comparison that is surest so far, for the progress line."""
        if not self._p_values:
            return ""
        (metric, baseline), p = min(self._p_values.items(), key=lambda item: item[1])
        return f"{metric} against {baseline}: p {p:.2g}" + (" (decided)" if p <= self._alpha else "")

    def results(self) -> tuple[Watched, ...]:
        """How each stands. Blocking."""
        return tuple(
            watch.result(metric, names=(self._model, baseline))
            for (metric, baseline), watch in self._watches.items()
        )
