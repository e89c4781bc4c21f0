"""Decodes ``[reliability.hedging]`` and ``[reliability.ensemble]`` into what backend_call needs of them.

Called by the composition, and only when one of them is on or something is limited.
"""

from __future__ import annotations

from ..composition import Prepared
from ..messages.errors import Problem
from .ensemble import members_of, prepare_ensemble, prepare_members
from .hedging import further_tiers, prepare_hedging
from .limits import check_limits

__all__ = ["further_tiers", "members_of", "prepare_reliability"]


def prepare_reliability(prepared: Prepared) -> list[Problem]:
    """Decode both and check the limits; what is found goes into ``prepared``."""
    reliability = prepared.experiment.reliability
    problems = prepare_members(prepared)
    if reliability.hedging.strategy != "off":
        problems += prepare_hedging(prepared)
    if reliability.ensemble.strategy != "none":
        problems += prepare_ensemble(prepared)
    whole = prepared.broken.spares("backend", "baselines", "pipeline", "reliability")
    return problems if problems or not whole else check_limits(prepared)
