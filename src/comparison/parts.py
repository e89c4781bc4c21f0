"""The systems that are compared: one of each run, opened and named. Used by this package only."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..adapters.reports.cautions import system_cautions
from ..adapters.runs import FinishedRun, find_run, open_run
from ..composition import system_name
from ..messages.errors import InputError, UnknownNameError

__all__ = ["Part", "cautions_of", "names_of", "open_part"]

LONGEST_NAME = 200


class Part:
    """One system of one run."""

    def __init__(self, run: FinishedRun, system: str | None, label: str | None) -> None:
        self.run = run
        self.label = label
        experiment = run.result.experiment
        self.system = system or system_name(experiment.backend)
        self.backend = next(
            (ref for ref in (experiment.backend, *experiment.baselines) if system_name(ref) == self.system),
            experiment.backend,
        )
        known = dict.fromkeys(name for id_ in run.ids[:1] for name in run.sample(id_).outputs)
        if self.system not in known:
            raise InputError(f"{run.folder}: {UnknownNameError('system', self.system, list(known))}")


def open_part(text: str, runs: Path, opened: contextlib.ExitStack) -> Part:
    """Open ``[NAME=]RUN[:SYSTEM]``; raises InputError."""
    label, system, folder = None, None, text
    # Paths and systems may have "=" in them: it ends a name only where the text names no run without one.
    if "=" in folder and not _exists(folder, runs) and not _exists(folder.rpartition(":")[0], runs):
        label, _, folder = folder.partition("=")
        label = label.strip()
        if not label or not label.isprintable() or len(label) > LONGEST_NAME:
            raise InputError(
                f"compare: expected NAME=RUN with a name of 1 to {LONGEST_NAME} printable characters, "
                f"got {text[:LONGEST_NAME]!r}"
            )
    if ":" in folder and not _exists(folder, runs):
        folder, _, system = folder.rpartition(":")
    run = opened.enter_context(contextlib.closing(open_run(find_run(folder, under=runs))))
    return Part(run, system, label)


def _exists(name: str, runs: Path) -> bool:
    try:
        return name != "" and (Path(name).exists() or (runs / name).exists())
    except OSError:  # the name is too long
        return False


def names_of(parts: Sequence[Part]) -> list[str]:
    """The names that were given, for the others the shortest that tell the systems apart."""
    choices = (
        [part.label or part.system for part in parts],
        [part.label or f"{part.system} of {part.run.result.experiment.id}" for part in parts],
        [part.label or f"{part.system} of {part.run.result.run_id}" for part in parts],
    )
    for names in choices:
        if len(set(names)) == len(names):
            return names
    twice = next(name for name, times in Counter(choices[-1]).items() if times > 1)
    raise InputError(f"compare: {twice} is given twice")


def cautions_of(part: Part) -> list[str]:
    """What spoils the figures of its run, where it concerns this system."""
    result = part.run.result
    is_model = part.system == system_name(result.experiment.backend)
    return system_cautions(result.experiment, result.stages, part.system, is_model=is_model)
