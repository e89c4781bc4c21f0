"""The hedging of an experiment: the options of its strategy and of the race, and the systems of tiers."""

from __future__ import annotations

from ..actors.hedging.options import TieredOptions
from ..actors.hedging.racing_options import HedgeSettings, RacingOptions
from ..actors.hedging.registry import OPTIONS
from ..actors.systems import SystemSpec
from ..composition import Prepared, call_mode, collect_both, system_name, system_spec
from ..messages.checks import is_named
from ..messages.errors import Problem
from ..messages.paths import item

__all__ = ["further_tiers", "prepare_hedging"]

HEDGING = "reliability.hedging"


def prepare_hedging(prepared: Prepared) -> list[Problem]:
    """Decode and check; the settings go into ``prepared``."""
    config = prepared.experiment.reliability.hedging
    racing, policy, problems = collect_both(
        config.options, RacingOptions, OPTIONS[config.strategy], f"{HEDGING}.options"
    )
    if call_mode(prepared) == "train":
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
    refs = [*experiment.baselines, *experiment.reliability.ensemble.members]
    places = [item("baselines", index) for index in range(len(experiment.baselines))]
    if not all(is_named(place, prepared.broken) for place in ("backend", "reliability.ensemble", *places)):
        return []
    others = [system_name(ref) for ref in refs]
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


def further_tiers(prepared: Prepared) -> tuple[SystemSpec, ...]:
    """The systems of the tiers after the first."""
    hedging = prepared.hedging
    if hedging is None or not isinstance(hedging.policy, TieredOptions):
        return ()
    known = {system_name(found[0]): found for found in (*prepared.members, *prepared.backend_options[1:])}
    return tuple(system_spec(known[tier.name]) for tier in hedging.policy.tiers[1:])
