"""Decodes ``[reliability.hedging]`` and ``[reliability.ensemble]`` into what backend_call needs of them.

Called by the composition, and only when one of them is on.
"""

from __future__ import annotations

from typing import Any

from .actors.asking import SystemSpec
from .actors.hedging.options import TieredOptions
from .actors.hedging.racing_options import HedgeSettings, RacingOptions
from .actors.hedging.registry import OPTIONS
from .composition import Prepared, collect_both, prepare_backend, system_name, system_spec
from .messages.errors import Problem
from .messages.paths import item

__all__ = ["further_tiers", "prepare_reliability"]

HEDGING = "reliability.hedging"
MEMBERS = "reliability.ensemble.members"


def prepare_reliability(prepared: Prepared) -> list[Problem]:
    """Decode both; what is found goes into ``prepared``."""
    problems = []
    for index, ref in enumerate(prepared.experiment.reliability.ensemble.members):
        found, more = prepare_backend(prepared, ref, item(MEMBERS, index))
        problems += more
        if found is not None:
            prepared.members.append(found)
    if prepared.experiment.reliability.hedging.strategy != "off":
        problems += _prepare_hedging(prepared)
    return problems


def _prepare_hedging(prepared: Prepared) -> list[Problem]:
    config = prepared.experiment.reliability.hedging
    racing, policy, problems = collect_both(
        config.options, RacingOptions, OPTIONS[config.strategy], f"{HEDGING}.options"
    )
    if _mode(prepared) == "train":
        problems.append(
            Problem(
                f"{HEDGING}.strategy",
                "mode 'train' asks nothing, and training is never hedged: expected 'off'",
            )
        )
    if problems:
        return problems
    if isinstance(policy, TieredOptions):
        problems += _check_tiers(prepared, policy)
    prepared.hedging = HedgeSettings(config=config, policy=policy, racing=racing)
    return problems


def _check_tiers(prepared: Prepared, options: TieredOptions) -> list[Problem]:
    experiment = prepared.experiment
    where = f"{HEDGING}.options.tiers"
    if experiment.reliability.ensemble.strategy != "none":
        return [
            Problem(
                f"{HEDGING}.strategy",
                "tiered is for a single backend: with an ensemble use execution 'cascade'",
            )
        ]
    if len(options.tiers) < 2:
        return [Problem(where, f"expected at least 2 tiers, got {len(options.tiers)}")]
    model = system_name(experiment.backend)
    names = [tier.name for tier in options.tiers]
    problems = []
    if names[0] != model:
        problems.append(
            Problem(f"{item(where, 0)}.name", f"expected the backend itself, {model!r}, got {names[0]!r}")
        )
    others = [system_name(ref) for ref in (*experiment.baselines, *experiment.reliability.ensemble.members)]
    for index, name in enumerate(names[1:], start=1):
        place = f"{item(where, index)}.name"
        if name not in others:
            told = ", ".join(others) or "there are none"
            problems.append(
                Problem(place, f"expected a baseline or an ensemble member ({told}), got {name!r}")
            )
        elif name in names[:index]:
            problems.append(Problem(place, f"{name!r} is already a tier"))
    return problems


def _mode(prepared: Prepared) -> Any:
    call = next((stage for stage in prepared.enabled() if stage.name == "backend_call"), None)
    return None if call is None else call.options.get("mode", "sample")


def further_tiers(prepared: Prepared) -> tuple[SystemSpec, ...]:
    """The systems of the tiers after the first."""
    hedging = prepared.hedging
    if hedging is None or not isinstance(hedging.policy, TieredOptions):
        return ()
    known = {system_name(found[0]): found for found in (*prepared.members, *prepared.backend_options[1:])}
    return tuple(system_spec(known[tier.name]) for tier in hedging.policy.tiers[1:])
