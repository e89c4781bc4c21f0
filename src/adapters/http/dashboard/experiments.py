"""What the page needs to know of a run's experiment."""

from __future__ import annotations

from ....actors.daemon.decisions import compared_metrics
from ....messages.errors import InputError
from ....messages.experiment import Experiment
from ....messages.experiment_file import decode_experiment_json
from ..services import Services

__all__ = ["compared", "read_experiment", "systems_of"]


async def read_experiment(services: Services, run_id: str) -> Experiment | None:
    """The experiment of a run; None when this version cannot read it."""
    try:
        return decode_experiment_json(await services.store.spec(run_id))
    except InputError:
        return None


def compared(experiment: Experiment | None) -> list[str]:
    """Metrics that the bench stage was told to compare."""
    return [] if experiment is None else compared_metrics(experiment)


def systems_of(experiment: Experiment) -> list[str]:
    """The model and its baselines, by the names that their answers have."""
    return [each.name or each.id for each in (experiment.backend, *experiment.baselines)]
