"""``crucible export``: a finished run in the format of another tool."""

from __future__ import annotations

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
    output: Path | None = None,
    runs: Path = Path("runs"),
) -> int:
    """Write a finished run in the format of another tool.

    Args:
        run: Folder of a run, or its id.
        format_: inspect is an evaluation log of Inspect, for inspect view and its data frames.
        system: Whose answers; default: the model's.
        output: File to write instead of stdout, or folder that gets one.
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
        target = output / file_name(found, chosen) if output.is_dir() else output
        write_whole(target, b"".join(inspect_log(found, chosen)))
        print(target, file=sys.stderr)
    finally:
        found.close()
    return 0
