"""Finished runs, read back from their folders."""

from .finished import FinishedRun, find_run, open_run

__all__ = ["FinishedRun", "find_run", "open_run"]
