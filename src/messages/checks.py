"""Does an experiment make sense? What can be told without knowing which stages and backends exist.

Pure: the engine's preflight and ``crucible validate`` add what the registry knows. Decoding has already
settled names, types and ranges; here it is about how the parts fit together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from .draft import Broken
from .errors import Problem
from .experiment import BackendRef, Experiment, StageDef
from .paths import child, item
from .secret_keys import is_reference, is_secret_key, secret_expected, shown, url_holds_password

__all__ = ["check_experiment", "check_secrets", "is_named"]

LONGEST_NAME = 200
Stages = list[tuple[int, StageDef]]


def check_experiment(experiment: Experiment, broken: Broken | None = None) -> list[Problem]:
    """Every problem beyond those of decoding; empty when it makes sense.

    Nothing is said of what is ``broken``, nor of anything that hangs on it.
    """
    broken = broken or Broken()
    problems = [
        *_check_unique("pipeline", [stage.name for stage in experiment.pipeline]),
        *_check_order(experiment, broken),
        *_check_names(experiment),
        *_check_systems(experiment, broken),
        *_check_hedging(experiment),
        *_check_ensemble(experiment),
        *_check_fairness(experiment),
        *_check_unique("outputs", [output.name for output in experiment.outputs]),
        *check_secrets(experiment),
    ]
    return broken.without_follow_ups(problems)


def check_secrets(experiment: Experiment) -> list[Problem]:
    """Secrets in plain text; their values appear in no message."""
    return list(_check_secrets(msgspec.to_builtins(experiment), "", secret=False))


def _check_unique(where: str, names: list[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            yield Problem(
                f"{item(where, index)}.name", f"{name!r} is already the name of {item(where, first[name])}"
            )
        first.setdefault(name, index)


def _check_order(experiment: Experiment, broken: Broken) -> Iterator[Problem]:
    """data_load first (after validate), report last, and each analysis after what it reads."""
    told = [index for index in range(len(experiment.pipeline)) if _is_told(index, broken)]
    stages = [(index, experiment.pipeline[index]) for index in told if experiment.pipeline[index].enabled]
    if not stages and len(told) == len(experiment.pipeline):
        yield Problem("pipeline", "all stages are disabled; enable at least one")
    names = [stage.name for _, stage in stages]
    if "data_load" in names and any(name != "validate" for name in names[: names.index("data_load")]):
        yield _misplaced(stages, "data_load", "must be the first stage")
    if "report" in names and names[-1] != "report":
        yield _misplaced(stages, "report", "must be the last stage")
    readers = ("dialectic", "bench", "fairness")
    analyses = [name for name in names if name.startswith("analysis_") or name in readers]
    for name in dict.fromkeys(analyses):
        if _is_before(names, name, "backend_call"):
            yield _misplaced(stages, name, "must come after backend_call, whose outputs it reads")
    if _is_before(names, "fairness", "analysis_metrics"):
        yield _misplaced(stages, "fairness", "must come after analysis_metrics, whose scores it reads")
    if _is_before(names, "bench", "analysis_metrics"):
        yield _misplaced(stages, "bench", "must come after analysis_metrics, whose scores it compares")


def _is_told(index: int, broken: Broken) -> bool:
    """Whether the stage has a name, and says whether it is enabled."""
    place = item("pipeline", index)
    return broken.spares(f"{place}.name", f"{place}.enabled")


def _is_before(names: list[str], name: str, needed: str) -> bool:
    return name in names and needed in names and names.index(name) < names.index(needed)


def _misplaced(stages: Stages, name: str, rule: str) -> Problem:
    index = next(index for index, stage in stages if stage.name == name)
    return Problem(f"{item('pipeline', index)}.name", f"{name} {rule}")


def _check_names(experiment: Experiment) -> Iterator[Problem]:
    """Names stand in lines and tables."""
    members = experiment.reliability.ensemble.members
    named = [("backend", experiment.backend.name)]
    named += [(item("baselines", index), ref.name) for index, ref in enumerate(experiment.baselines)]
    named += [(item("reliability.ensemble.members", i), ref.name) for i, ref in enumerate(members)]
    if experiment.dataset is not None:
        named.append(("dataset", experiment.dataset.name))
    for path, name in named:
        if name is not None and not (name.strip() and name.isprintable() and len(name) <= LONGEST_NAME):
            told = f"expected one line of 1 to {LONGEST_NAME} printable characters, got {shown(name)}"
            yield Problem(f"{path}.name", told)


def _check_systems(experiment: Experiment, broken: Broken) -> Iterator[Problem]:
    """Reports tell systems apart by name, so no two may share one."""
    taken = {_system(experiment.backend): "backend"} if is_named("backend", broken) else {}
    for index, baseline in enumerate(experiment.baselines):
        place, name = item("baselines", index), _system(baseline)
        if not is_named(place, broken):
            continue
        if name in taken:
            yield Problem(
                f"{place}.{'id' if baseline.name is None else 'name'}",
                f"{name!r} is already the name of {taken[name]}; give this baseline its own name",
            )
        taken.setdefault(name, place)


def is_named(place: str, broken: Broken) -> bool:
    """Whether the backend, baseline or member there has the name that its author gave it."""
    return broken.spares(f"{place}.id", f"{place}.name")


def _system(ref: BackendRef) -> str:
    return ref.id if ref.name is None else ref.name


def _check_hedging(experiment: Experiment) -> Iterator[Problem]:
    hedging = experiment.reliability.hedging
    if hedging.strategy == "fixed" and hedging.delay_ms is None:
        yield Problem("reliability.hedging.delay_ms", "missing; strategy 'fixed' needs it")
    if hedging.strategy == "percentile" and hedging.percentile is None:
        yield Problem("reliability.hedging.percentile", "missing; strategy 'percentile' needs it")


def _check_fairness(experiment: Experiment) -> Iterator[Problem]:
    fairness = experiment.reliability.fairness
    if fairness.enabled and fairness.group_by is None:
        yield Problem("reliability.fairness.group_by", "missing; expected the field that holds the group")


def _check_ensemble(experiment: Experiment) -> Iterator[Problem]:
    ensemble = experiment.reliability.ensemble
    if ensemble.strategy != "none" and len(ensemble.members) < 2:
        yield Problem(
            "reliability.ensemble.members",
            f"strategy {ensemble.strategy!r} needs at least 2 members, got {len(ensemble.members)}",
        )


def _check_secrets(node: Any, path: str, *, secret: bool) -> Iterable[Problem]:
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from _check_secrets(inner, child(path, key), secret=secret or is_secret_key(key))
    elif isinstance(node, list | tuple):
        for index, inner in enumerate(node):
            yield from _check_secrets(inner, item(path, index), secret=secret)
    elif isinstance(node, str) and node:
        if secret and not is_reference(node):
            yield Problem(path, secret_expected(node))
        elif url_holds_password(node):
            yield Problem(path, "looks like a URL with a password in it; write env:NAME or file:PATH instead")
