"""Reading an experiment file for a command, with the line of every problem found later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...messages.errors import ExperimentError

if TYPE_CHECKING:
    from ...messages.experiment import Experiment

__all__ = ["open_experiment"]


@contextlib.contextmanager
def open_experiment(file: Path, overrides: Sequence[str]) -> Iterator[Experiment]:
    """The experiment; problems raised inside the block get the file's name and their lines."""
    from ...messages.experiment_file import decode_document, read_document

    document = read_document(file, overrides)
    experiment = decode_document(document)
    try:
        yield experiment
    except ExperimentError as error:
        raise ExperimentError(document.located(error.problems), document.source) from None
