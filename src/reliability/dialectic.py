"""Does a dialectic make sense beside the rest of the experiment, and which of its agents ask the backend?

Called by the composition, and only when the stage ``dialectic`` is enabled.
"""

from __future__ import annotations

from .. import registry
from ..composition import Prepared, call_mode, enabled_options, system_name
from ..messages.dialectic import AgentName
from ..messages.errors import CrucibleError, Problem
from ..messages.experiment import Experiment
from ..messages.paths import item

__all__ = ["arguing_models", "check_dialectic"]

AGENTS: tuple[AgentName, ...] = ("proposer", "antagonist", "synthesizer")


def arguing_models(prepared: Prepared) -> frozenset[AgentName]:
    """The agents that ask the backend."""
    own, able = enabled_options(prepared, "dialectic"), _follows_instructions(prepared.experiment)
    wanted = ("model", "auto") if able else ("model",)
    return frozenset(agent for agent in AGENTS if getattr(own, agent) in wanted)


def check_dialectic(prepared: Prepared) -> list[Problem]:
    """What goes with arguing over the answers, and what does not."""
    own, experiment = enabled_options(prepared, "dialectic"), prepared.experiment
    index = next(n for n, s in enumerate(experiment.pipeline) if s.name == "dialectic" and s.enabled)
    path = item("pipeline", index)
    if not any(stage.name == "backend_call" for stage in prepared.enabled()):
        told = "argues over the answers of the model: expected an enabled stage backend_call before it"
        return [Problem(f"{path}.name", f"dialectic {told}")]
    problems = []
    if call_mode(prepared) == "train":
        told = "mode 'train' asks nothing: expected mode 'train_then_sample'"
        problems.append(Problem(f"{path}.name", told))
    if experiment.reliability.ensemble.strategy != "none":
        told = "an ensemble and a dialectic would both answer for the model: expected 'none'"
        problems.append(Problem("reliability.ensemble.strategy", told))
    if own.thesis_as in {system_name(ref) for ref in (experiment.backend, *experiment.baselines)}:
        told = f"{own.thesis_as!r} is already the name of another system"
        problems.append(Problem(f"{path}.options.thesis_as", told))
    try:
        able = _follows_instructions(experiment)
    except CrucibleError:  # an unknown backend is told of where it is named
        return problems
    wrong = (
        [] if able else [agent for agent in AGENTS if agent != "proposer" and getattr(own, agent) == "model"]
    )
    told = f"backend {experiment.backend.id!r} follows no instructions: expected 'auto' or 'heuristic'"
    return [*problems, *(Problem(f"{path}.options.{agent}", told) for agent in wrong)]


def _follows_instructions(experiment: Experiment) -> bool:
    able: bool = registry.load("backend", experiment.backend.id)().capabilities.follows_instructions
    return able
