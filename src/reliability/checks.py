"""Does an ensemble make sense? How its parts fit together, beyond what each of them allows.

That there are at least two members is checked with the experiment file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..actors.voting.settings import EnsembleOptions
from ..composition import system_name
from ..messages.checks import is_named
from ..messages.draft import Broken
from ..messages.errors import Problem
from ..messages.experiment import Experiment
from ..messages.paths import item

__all__ = ["WHERE", "check_ensemble"]

WHERE = "reliability.ensemble"


def check_ensemble(
    experiment: Experiment, mode: Any, options: EnsembleOptions, broken: Broken
) -> list[Problem]:
    """Every problem; ``mode`` is that of backend_call."""
    counted = not broken.covers(f"{WHERE}.members")
    problems = [
        *_check_names(experiment, broken),
        *_check_weights(experiment, counted=counted),
        *_check_strategy(experiment, options, counted=counted),
    ]
    if mode == "train":
        told = "mode 'train' asks nothing: expected mode 'train_then_sample'"
        problems.append(Problem(f"{WHERE}.strategy", told))
    return problems


def _check_names(experiment: Experiment, broken: Broken) -> Iterator[Problem]:
    baselines = {item("baselines", i): system_name(ref) for i, ref in enumerate(experiment.baselines)}
    taken = {name: place for place, name in baselines.items() if is_named(place, broken)}
    for index, ref in enumerate(experiment.reliability.ensemble.members):
        place, name = item(f"{WHERE}.members", index), system_name(ref)
        if not is_named(place, broken):
            continue
        if name in taken:
            told = f"{name!r} is already the name of {taken[name]}; give this member its own name"
            yield Problem(f"{place}.{'id' if ref.name is None else 'name'}", told)
        taken.setdefault(name, place)


def _check_weights(experiment: Experiment, *, counted: bool) -> Iterator[Problem]:
    config, where = experiment.reliability.ensemble, f"{WHERE}.weights"
    if config.weights is None:
        if config.strategy == "weighted" and config.normalizer == "claims":
            yield Problem(where, "missing; claims have no right answer to learn weights from")
    elif config.strategy != "weighted":
        yield Problem(where, f"strategy {config.strategy!r} has no weights: expected strategy 'weighted'")
    elif counted and len(config.weights) != len(config.members):
        told = f"expected one for each of the {len(config.members)} members, got {len(config.weights)}"
        yield Problem(where, told)
    elif not any(config.weights):
        yield Problem(where, "expected at least one above 0")


def _check_strategy(experiment: Experiment, options: EnsembleOptions, *, counted: bool) -> Iterator[Problem]:
    config = experiment.reliability.ensemble
    if config.strategy == "custom" and options.function is None:
        yield Problem(f"{WHERE}.options.function", "missing; strategy 'custom' needs package.module:function")
    if config.strategy != "custom" and options.function is not None:
        told = f"strategy {config.strategy!r} takes none: expected strategy 'custom'"
        yield Problem(f"{WHERE}.options.function", told)
    if config.strategy == "dawid_skene" and config.execution != "parallel":
        told = "dawid_skene decides all questions together: expected 'parallel'"
        yield Problem(f"{WHERE}.execution", told)
    if config.normalizer == "claims" and config.strategy not in ("majority", "weighted"):
        told = f"claims are voted by majority or weight: expected another normalizer for {config.strategy!r}"
        yield Problem(f"{WHERE}.normalizer", told)
    if counted and config.quorum is not None and config.quorum > len(config.members):
        told = f"expected at most the {len(config.members)} members, got {config.quorum}"
        yield Problem(f"{WHERE}.quorum", told)
