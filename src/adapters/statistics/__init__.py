"""Tests, effects, intervals, power, rankings and agreement of scores. Reads nothing, writes nothing.

``PairedStatistics`` implements ``actors.ports.Statistics`` for the stages; the modules below it are pure
functions for anyone. Summaries work with the standard library up to 200 degrees of freedom; comparisons
import numpy and scipy.special; scipy.stats is imported by the functions that need it, when they are called.
"""

from .paired import PairedStatistics

__all__ = ["PairedStatistics"]
