"""Whether the backends of an experiment can do with the prompts of its data set, before anything is spent.

Called by ``planning`` when it opens a data set. Only backends that say what they need in a prompt (the
contract ``Particular``) are looked at, and only what is certain is refused: that not one row has it. A run in
which some rows have it begins, and ``max_failed`` decides.
"""

from __future__ import annotations

from collections.abc import Callable

from . import registry
from .actors.ports import Dataset, Particular
from .actors.stages.backend_settings import BackendCallOptions
from .actors.waiting_rows import is_asked
from .composition import Prepared, enabled_options
from .messages.errors import Problem
from .messages.records import Example

__all__ = ["unfit_backends"]

_AT_ONCE = 256
"""Rows read before the first is looked at."""


def unfit_backends(prepared: Prepared, dataset: Dataset) -> list[Problem]:
    """The backends that need something in a prompt which none of the rows has that they learn from or answer.

    Reads up to the first row that has it. A backend that gets no row is not looked at.
    """
    asking: BackendCallOptions | None = enabled_options(prepared, "backend_call")
    if asking is None:
        return []
    lends_its_name = prepared.experiment.reliability.ensemble.strategy != "none"
    problems = []
    for number, (ref, _, _) in enumerate(prepared.backend_options):
        made = registry.load("backend", ref.id)()
        if not isinstance(made, Particular):
            continue
        path = f"baselines[{number - 1}].id" if number else "backend.id"
        learns = asking.mode != "sample" and (number == 0 or ref.train)
        answers = asking.mode != "train" and asking.max_failed < 1 and (number > 0 or not lends_its_name)
        if learns and _none_fits(made, dataset, _learned(asking)):
            told = f"{ref.id} learns only from prompts with {made.needs}, and no training row has one"
            problems.append(Problem(path, f"{told}: use a backend that takes any prompt, local or tinker"))
        elif answers and _none_fits(made, dataset, _answered(prepared)):
            told = f"{ref.id} answers only prompts with {made.needs}, and no row has one"
            problems.append(Problem(path, f"{told}: use another backend"))
    return problems


def _learned(asking: BackendCallOptions) -> Callable[[Example], bool]:
    splits = ("train", "all") if asking.mode == "train" else ("train",)
    return lambda row: row.reference is not None and row.split in splits


def _answered(prepared: Prepared) -> Callable[[Example], bool]:
    evaluate = prepared.experiment.dataset.split if prepared.experiment.dataset else "all"
    return lambda row: is_asked(row, evaluate)


def _none_fits(backend: Particular, dataset: Dataset, wanted: Callable[[Example], bool]) -> bool:
    """Whether there is a row that is wanted, and none that the backend takes."""
    some = False
    for start in range(0, len(dataset), _AT_ONCE):
        for row in filter(wanted, dataset.read(start, min(start + _AT_ONCE, len(dataset)))):
            if backend.takes(row.input):
                return False
            some = True
    return some
