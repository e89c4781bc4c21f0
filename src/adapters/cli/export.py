"""``crucible export``: a finished run in the format of another tool."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

__all__ = ["export"]

Format: TypeAlias = Literal["inspect"]


def export(
    run: str,
    /,
    *,
    format_: Annotated[Format, Parameter(name="--format")] = "inspect",
    system: str | None = None,
    output: str | None = None,
    runs: Path = Path("runs"),
) -> int:
    """Write a finished run in the format of another tool.

    Args:
        run: Folder of a run, or its id.
        format_: inspect is an evaluation log of Inspect, for inspect view and its data frames.
        system: Whose answers; default: the model's.
        output: File to write instead of stdout, or folder that gets one. A name that ends in / or has no
            suffix is a folder, and is made.
        runs: Folder that ids of runs are looked up in.
    """
    from ...messages.errors import UnknownNameError
    from ..reports.files import write_whole
    from ..reports.inspect_log import file_name, inspect_log, systems_of
    from ..runs import find_run, open_run

    del format_  # the only one
    found = open_run(find_run(run, under=runs))
    try:
        names = systems_of(found)
        chosen = names[0] if system is None else system
        if chosen not in names:
            raise UnknownNameError("system", chosen, names)
        if output is None:
            sys.stdout.buffer.writelines(inspect_log(found, chosen))
            return 0
        target = _target(output, file_name(found, chosen))
        write_whole(target, b"".join(inspect_log(found, chosen)))
        print(target)
    finally:
        found.close()
    return 0


def _target(output: str, name: str) -> Path:
    """The file to write; a folder that is meant is there afterwards."""
    from ...messages.errors import OutputError

    path = Path(output)
    is_folder = path.is_dir() or output.endswith(("/", os.sep)) or not (path.suffix or path.exists())
    try:
        (path if is_folder else path.parent).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--output {output}: the folder cannot be made: {error.strerror}") from None
    return path / name if is_folder else path
