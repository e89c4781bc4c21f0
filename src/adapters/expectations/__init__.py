"""Expectations on rows of data: the suite of the data_checks stage, and the profile of a data set.

``check_dataset`` and ``profile_dataset`` are for the command line. A name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .options import DataCheckOptions, FieldRule
    from .run import DatasetCheck, check_dataset, profile_dataset
    from .suite import ExpectationSuite

__all__ = [
    "DataCheckOptions",
    "DatasetCheck",
    "ExpectationSuite",
    "FieldRule",
    "check_dataset",
    "profile_dataset",
]

_HOMES = {
    "DataCheckOptions": ".options",
    "DatasetCheck": ".run",
    "ExpectationSuite": ".suite",
    "FieldRule": ".options",
    "check_dataset": ".run",
    "profile_dataset": ".run",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)
