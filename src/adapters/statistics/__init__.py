"""Intervals, paired tests, effects and corrections for scores of examples. Reads nothing, writes nothing.

``PairedStatistics`` implements ``actors.ports.Statistics``; the modules below it are pure functions.
Summaries work with the standard library up to 200 degrees of freedom; comparisons import numpy and
scipy.special, and only Mann-Whitney imports scipy.stats.
"""

from .paired import PairedStatistics

__all__ = ["PairedStatistics"]
