"""The way in for an experiment file: what is wrong in it is told all at once, with file, line and path.

``load_experiment`` is the public one; the commands use ``decode``. A file that decodes is handed on as it is,
and ``run`` or ``submit`` checks the rest; of one that does not, all that can be said is said here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .messages.checks import check_experiment
from .messages.draft import Broken, decode_draft
from .messages.errors import ExperimentError
from .messages.experiment import Experiment
from .messages.experiment_file import Document, read_document

__all__ = ["decode", "load_experiment"]


def load_experiment(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a TOML or JSON file; raises ExperimentError naming file, line and path."""
    file = Path(path)
    return decode(read_document(file, overrides), base=file.parent)


def decode(document: Document, *, base: Path | None, files: bool = True) -> Experiment:
    """The experiment of a parsed file; of one that does not decode, every problem of any kind.

    ``base`` is where its relative paths count from, None when it is for another machine, whose files and
    plug-ins are not known here; ``files`` says whether data files are looked up.
    """
    draft = decode_draft(document.data)
    if not draft.problems:
        return draft.experiment
    if base is None:
        problems = [*draft.problems, *check_experiment(draft.experiment, Broken(draft.broken))]
    else:
        from .preflight import examine

        _, problems = examine(draft, base=base, files=files)
    raise ExperimentError(document.located(problems), document.source)
