"""What tells the runs of a list apart: the model of each, and the values in which experiments differ.

Called by the page's list of runs. A spec is read and decoded once and remembered by its hash, as a bounded
number of short texts. Only runs of the list are held against each other: a value is told when the runs of the
same experiment id that are shown do not all have it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from ...actors.store import Store
from ...messages.errors import NotFoundError
from ...messages.queue import QueuedRun

__all__ = ["Difference", "Facts", "SpecShelf", "differences", "facts_of"]

MOST_VALUES = 200
MOST_CHARS = 60
MODEL_KEYS = ("base_model", "model", "model_path", "gguf_file")
SAID_ELSEWHERE = frozenset(
    {"id", "description", "backend.id", "backend.name", *(f"backend.options.{key}" for key in MODEL_KEYS)}
)
DEFAULT, PRESENT, ABSENT = "default", "yes", "no"


class Facts(NamedTuple):
    """Of an experiment."""

    backend: str
    model: str
    """The name that its answers have."""
    base_model: str
    """The weights or the served model, "" if the options name none."""
    values: Mapping[str, str]
    """By path; stages, baselines and members by their names."""


class Difference(NamedTuple):
    """A value that the other runs of the experiment do not all have."""

    label: str
    value: str
    path: str


def facts_of(spec: bytes) -> Facts:
    """Of an experiment as it is queued; empty ones for what is none."""
    try:
        data = msgspec.json.decode(spec, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Facts("", "", "", {})
    backend = data.get("backend")
    backend = backend if isinstance(backend, dict) else {}
    options = backend.get("options")
    options = options if isinstance(options, dict) else {}
    base = next((options[key] for key in MODEL_KEYS if isinstance(options.get(key), str)), "")
    name = str(backend.get("name") or backend.get("id") or "")
    values = (pair for pair in _values(data, "") if pair[0] not in SAID_ELSEWHERE)
    return Facts(
        str(backend.get("id", "")), name[:MOST_CHARS], base[-MOST_CHARS:], dict(islice(values, MOST_VALUES))
    )


def _values(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _values(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list) and any(isinstance(each, dict) for each in node):
        for number, each in enumerate(node):
            name = each.get("name") or each.get("id") if isinstance(each, dict) else None
            here = f"{path}.{name}" if isinstance(name, str) else f"{path}.{number}"
            if isinstance(name, str):
                yield here, PRESENT
                each = {key: value for key, value in each.items() if key != "name"}  # noqa: PLW2901
            yield from _values(each, here)
    elif isinstance(node, list):
        yield path, _text(", ".join(_scalar(each) for each in node))
    else:
        yield path, _text(_scalar(node))


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _text(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"


def differences(runs: Sequence[QueuedRun], facts: Mapping[str, Facts]) -> dict[str, list[Difference]]:
    """By run id: the values that tell it from the other runs of its experiment in this list.

    A value that most of them have is told of none of those that have it.
    """
    groups: dict[str, list[QueuedRun]] = {}
    for run in runs:
        if run.spec_hash in facts:
            groups.setdefault(run.experiment_id, []).append(run)
    return {run_id: told for group in groups.values() for run_id, told in _apart(group, facts).items()}


def _apart(group: Sequence[QueuedRun], facts: Mapping[str, Facts]) -> dict[str, list[Difference]]:
    """Of the runs of one experiment."""
    known = [facts[run.spec_hash] for run in group]
    paths = list(_differing([each.values for each in known]))
    labels = _labels(paths)
    usual = {path: _most([each.values.get(path) for each in known]) for path in paths}
    backend = _most([each.backend for each in known])
    found = {}
    for run, mine in zip(group, known, strict=True):
        told = []
        for path in paths:
            value = mine.values.get(path)
            of_another_backend = value is None and path.startswith("backend.") and backend != (mine.backend,)
            if usual[path] != (value,) and not of_another_backend:
                absent = ABSENT if _is_part(path, [each.values for each in known]) else DEFAULT
                told.append(Difference(labels[path], absent if value is None else value, path))
        found[run.id] = told
    return found


def _most(values: Sequence[str | None]) -> tuple[str | None, ...]:
    """What more than half of them are, alone in a tuple; an empty one if there is no such value."""
    [(value, count)] = Counter(values).most_common(1)
    return (value,) if 2 * count > len(values) else ()


def _differing(known: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Paths whose values are not the same everywhere; of a part that not all have, the part alone."""
    specs = list(known)
    apart: list[str] = []
    for path in dict.fromkeys(path for values in specs for path in values):
        if len({values.get(path) for values in specs}) < 2:
            continue
        if any(path.startswith(f"{part}.") for part in apart):
            continue
        if _is_part(path, specs):
            apart.append(path)
        yield path


def _is_part(path: str, known: Iterable[Mapping[str, str]]) -> bool:
    return {values.get(path) for values in known} == {PRESENT, None}


def _labels(paths: Sequence[str]) -> dict[str, str]:
    """Short names: the last part of the path, or all that matters of it where that would be ambiguous."""
    lasts = Counter(path.rpartition(".")[2] for path in paths)
    short = {}
    for path in paths:
        last = path.rpartition(".")[2]
        parts = [part for part in path.split(".") if part not in ("pipeline", "options")]
        short[path] = last if lasts[last] == 1 else ".".join(parts)
    return short


class SpecShelf:
    """Facts of the specs that were looked at last, by their hashes."""

    def __init__(self, *, keep: int = 500) -> None:
        self._keep = keep
        self._facts: OrderedDict[str, Facts] = OrderedDict()

    async def of(self, store: Store, runs: Sequence[QueuedRun]) -> dict[str, Facts]:
        """By spec hash. A run that was forgotten meanwhile is left out."""
        unknown: dict[str, bytes] = {}
        for run in runs:
            if run.spec_hash not in self._facts and run.spec_hash not in unknown:
                try:
                    unknown[run.spec_hash] = await store.spec(run.id)
                except NotFoundError:
                    continue
        if unknown:
            self._facts |= await asyncio.to_thread(
                lambda: {name: facts_of(spec) for name, spec in unknown.items()}
            )
        found = {run.spec_hash: self._facts[run.spec_hash] for run in runs if run.spec_hash in self._facts}
        for name in found:
            self._facts.move_to_end(name)
        while len(self._facts) > self._keep:
            self._facts.popitem(last=False)
        return found
