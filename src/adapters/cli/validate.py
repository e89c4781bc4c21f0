"""``crucible validate``: everything a run would check before it spends anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["validate"]


def validate(
    file: Path | None = None,
    /,
    *,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    schema: Annotated[bool, Parameter(negative="")] = False,
    data: bool = True,
) -> int:
    """Check an experiment file, its options and its data set; every problem is listed.

    Args:
        file: Experiment file, TOML or JSON.
        set_: Override a value, as for run; may be repeated.
        schema: Print the JSON Schema of the experiment file instead.
        data: Also open and scan the data set.
    """
    if schema:
        return _print_schema()
    if file is None:
        from ...messages.errors import InputError

        raise InputError("validate: expected an experiment file, or --schema")
    from ...composition import prepare
    from ...planning import open_dataset
    from .experiment_input import open_experiment

    with open_experiment(file, set_ or [], files=data) as experiment:
        prepared = prepare(experiment, base=file.parent, files=data)
    line = f"{file}: ok, {counted(len(prepared.enabled()), 'stage')}"
    if data:
        dataset = open_dataset(prepared)
        facts = dataset.facts
        splits = ", ".join(f"{name} {count}" for name, count in facts.splits.items())
        line += f", {counted(facts.rows, 'row')} ({splits})"
        dataset.close()
    print(line)
    return 0


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _print_schema() -> int:
    import msgspec

    from ...messages.option_help import experiment_schema

    text = msgspec.json.format(msgspec.json.encode(experiment_schema()), indent=2).decode()
    sys.stdout.write(text + "\n")
    return 0
