"""Intervals, paired tests, effects and corrections for scores of examples. Reads nothing, writes nothing.

``PairedStatistics`` implements ``actors.ports.Statistics``; the modules below it are pure functions.
numpy and scipy.special are imported by the calls that need them, scipy.stats only by Mann-Whitney.
"""

from .paired import PairedStatistics

__all__ = ["PairedStatistics"]
