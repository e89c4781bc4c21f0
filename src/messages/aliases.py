"""Older and other spellings of values that an experiment file may use; one table.

Applied to the plain data before it is decoded, so that the rest of the code knows one spelling each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ALIASES", "apply_aliases", "canonical"]

_BACKENDS = {"tinkex": "tinker"}

ALIASES: Mapping[str, Mapping[str, str]] = {
    "backend.id": _BACKENDS,
    "baselines[].id": _BACKENDS,
    "pipeline[].name": {
        "cns_surrogate_validation": "analysis_surrogate_validation",
        "cns_tda_validation": "analysis_tda_validation",
        "cns_metrics": "analysis_metrics",
        "cns_filter": "analysis_filter",
    },
    "reliability.ensemble.strategy": {"majority_vote": "majority", "weighted_vote": "weighted"},
    "reliability.ensemble.members[].id": _BACKENDS,
    "reliability.hedging.strategy": {"fixed_delay": "fixed"},
    "reliability.stats.tests[]": {
        "mannwhitney": "mann_whitney",
        "mann_whitney_u": "mann_whitney",
        "welch": "welch_ttest",
        "paired_t": "paired_ttest",
    },
    "reliability.stats.correction": {
        "fdr": "benjamini_hochberg",
        "bh": "benjamini_hochberg",
        "by": "benjamini_yekutieli",
    },
}
"""Where -> {accepted spelling: the name used everywhere else}; ``[]`` stands for each item of a list."""


def canonical(where: str, value: str) -> str:
    """The one spelling of a value at a place of the table; the value itself when it has no alias."""
    return ALIASES.get(where, {}).get(value, value)


def apply_aliases(data: Any) -> Any:
    """The data with every alias replaced; the input is not changed."""
    for where, names in ALIASES.items():
        data = _replaced(data, where.replace("[]", ".[]").split("."), names)
    return data


def _replaced(node: Any, steps: list[str], names: Mapping[str, str]) -> Any:
    if not steps:
        return names.get(node, node) if isinstance(node, str) else node
    step, *rest = steps
    if step == "[]" and isinstance(node, list):
        return [_replaced(each, rest, names) for each in node]
    if isinstance(node, dict) and step in node:
        return node | {step: _replaced(node[step], rest, names)}
    return node
