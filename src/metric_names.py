"""Which metrics will an experiment have, and are those there that it names?

Called by the preflight. What cannot be known beforehand is not judged: the scores of a metrics adapter that
does not name them (``ports.NamesScores``), and those that a stage of a plug-in may add.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import registry
from .actors.answer_scoring import NEEDS, OWN
from .actors.ports import NamesScores
from .actors.stages.fairness import FairnessOptions
from .composition import Prepared, enabled_options
from .messages.errors import Problem, near_match
from .messages.paths import item

__all__ = ["check_metric_names"]

NAMING = {"bench": ("metrics", "watch"), "fairness": ("outcome",), "report": ("rank_by",)}
"""Options that name metrics, by stage."""
ANSWER_SCORES = (*OWN, *NEEDS)
"""What bench and fairness score themselves; whether the rows allow all of it is seen in the run."""


def check_metric_names(prepared: Prepared) -> list[Problem]:
    """Every metric that is named and will not be there, or not be of use there."""
    unknown = [
        _unknown(path, name, known)
        for stage in NAMING
        if (known := _known(prepared, stage)) is not None
        for path, name in _named(prepared, stage)
        if name not in known
    ]
    unbounded = _unbounded(prepared)
    told = "may lie outside [0, 1]; expected metrics that do not"
    watched = [(path, name) for path, name in _named(prepared, "bench") if ".watch" in path]
    return [*unknown, *(Problem(path, f"{name} {told}") for path, name in watched if name in unbounded)]


def _unknown(path: str, name: str, known: tuple[str, ...]) -> Problem:
    hint = near_match(name, known)
    told = f"did you mean {hint!r}?" if hint else f"this experiment has {', '.join(sorted(known)) or 'none'}"
    return Problem(path, f"no such metric: {name!r}; {told}")


def _named(prepared: Prepared, stage: str) -> Iterator[tuple[str, str]]:
    """Path and name of each metric that an enabled stage names; an option that is broken names none."""
    own = enabled_options(prepared, stage)
    if own is None or (stage == "fairness" and not _scores_decide(prepared, own)):
        return
    index = next(at for at, each in enumerate(prepared.experiment.pipeline) if each.name == stage)
    for option in NAMING[stage]:
        path, value = f"{item('pipeline', index)}.options.{option}", getattr(own, option)
        if isinstance(value, str):
            yield path, value
        elif value is not None:
            yield from ((item(path, at), name) for at, name in enumerate(value))


def _scores_decide(prepared: Prepared, own: FairnessOptions) -> bool:
    return prepared.experiment.reliability.fairness.enabled and own.positive is None


def _known(prepared: Prepared, stage: str) -> tuple[str, ...] | None:
    """The metrics that samples have when they reach the stage; None: nobody can tell."""
    names = [each.name for each in prepared.enabled()]
    places = (item("pipeline", at) for at in range(len(prepared.experiment.pipeline)))
    named = prepared.broken.spares(*(f"{place}.{key}" for place in places for key in ("name", "enabled")))
    if not named or not all(registry.is_built_in("stage", name) for name in names):
        return None
    before = names[: names.index(stage)] if stage in names else []
    own = ANSWER_SCORES if stage != "report" or "bench" in before else ()
    analysed = _analysed(prepared) if "analysis_metrics" in before else ()
    return None if analysed is None else (*own, *analysed)


def _unbounded(prepared: Prepared) -> frozenset[str]:
    found = prepared.stage_options.get("analysis_metrics")
    return frozenset() if found is None else frozenset(found[1][0].unbounded)


def _analysed(prepared: Prepared) -> tuple[str, ...] | None:
    """The scores of the metrics adapter, if it tells them."""
    found = prepared.stage_options.get("analysis_metrics")
    if found is None or found[1][1] is None:
        return None
    adapter, options = found[1]
    return tuple(adapter.score_names(options)) if isinstance(adapter, NamesScores) else None
