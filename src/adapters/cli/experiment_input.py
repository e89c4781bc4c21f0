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
def open_experiment(
    file: Path, overrides: Sequence[str], *, here: bool = True, files: bool = True
) -> Iterator[Experiment]:
    """The experiment; problems raised inside the block get the file's name and their lines.

    ``here``: it will run on this machine. ``files``: its data files are looked up.
    """
    from ...loading import decode
    from ...messages.experiment_file import read_document

    document = read_document(file, overrides)
    experiment = decode(document, base=file.parent if here else None, files=files)
    try:
        yield experiment
    except ExperimentError as error:
        raise ExperimentError(document.located(error.problems), document.source) from None
