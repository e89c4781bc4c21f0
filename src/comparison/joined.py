"""Samples of several runs, joined by id: which rows and which metrics can be compared at all.

Runs on different data, or on different rows of it, are refused unless told to. A row counts as the same when
its id, its input and its reference are; a metric, when every run has it by one and the same method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from ..actors.answer_scoring import OWN
from ..adapters.runs import FinishedRun
from ..messages.errors import InputError, UnknownNameError
from ..messages.findings import OutputScores
from ..messages.flow import Sample
from ..messages.records import Example
from .options import Comparing
from .parts import Part

__all__ = ["Joined"]

Value = TypeVar("Value")


class Joined:
    """The rows that all parts have, in the order of the first. Reads all samples once, blocking."""

    def __init__(self, parts: Sequence[Part], names: Sequence[str], options: Comparing) -> None:
        self._parts = parts
        self._names = names
        self._options = options
        self.notes: list[str] = []
        """What was left out, in words."""
        methods: list[dict[str, set[str]]] = [{} for _ in parts]
        self.ids = [id_ for id_ in self._shared() if self._scan(id_, methods)]
        self._say_what_is_left_out()
        self._metrics = self._common(methods)

    def samples(self, start: int, count: int) -> list[Sample]:
        """Joined samples; the systems bear the names of the comparison."""
        return [self._sample(id_) for id_ in self.ids[start : start + count]]

    def _shared(self) -> list[str]:
        first, *others = (part.run for part in self._parts)
        ids = first.ids
        for other in others:
            theirs = set(other.ids)
            same = first.sha256 == other.sha256 and theirs == set(first.ids)
            if not same and not self._options.different_data:
                raise InputError(_different(first, other))
            ids = [id_ for id_ in ids if id_ in theirs]
        self._same_id = len(ids)
        return ids

    def _scan(self, id_: str, methods: Sequence[dict[str, set[str]]]) -> bool:
        """Whether the row is the same in all runs; if so its methods are noted."""
        lines = [part.run.sample(id_) for part in self._parts]
        if len({(line.input, line.reference, line.alternatives) for line in lines}) > 1:
            return False
        for part, line, found in zip(self._parts, lines, methods, strict=True):
            for metric, method in line.methods.get(part.system, {}).items():
                found.setdefault(metric, set()).add(method)
        return True

    def _say_what_is_left_out(self) -> None:
        other_text = self._same_id - len(self.ids)
        if other_text:
            text = f"{other_text} rows have the same id and another text in the runs"
            if not self._options.different_data:
                raise InputError(f"compare: {text}; --different-data leaves them out")
            self.notes.append(f"{text}; they are left out")
        if not self.ids:
            raise InputError("compare: the runs have no row in common")
        for part, name in zip(self._parts, self._names, strict=True):
            if len(part.run.ids) > len(self.ids):
                self.notes.append(f"{name}: {len(self.ids)} of the {len(part.run.ids)} rows of its run")

    def _common(self, methods: Sequence[dict[str, set[str]]]) -> frozenset[str]:
        common = set(methods[0]).intersection(*methods[1:])
        for metric in self._options.metrics:
            if metric not in common and metric not in OWN:
                raise InputError(f"compare: {UnknownNameError('metric of all runs', metric, sorted(common))}")
        ways = {metric: set[str]().union(*(found[metric] for found in methods)) for metric in common}
        mixed = sorted(metric for metric, found in ways.items() if len(found) > 1)
        for metric in mixed:
            text = f"{metric} cannot be compared: it was scored by {' and by '.join(sorted(ways[metric]))}"
            if metric in self._options.metrics:
                raise InputError(f"compare: {text}")
            self.notes.append(text)
        comparable = common.difference(mixed, OWN)
        return frozenset(
            comparable.intersection(self._options.metrics) if self._options.metrics else comparable
        )

    def _sample(self, id_: str) -> Sample:
        lines = [part.run.sample(id_) for part in self._parts]
        outputs, scores = [], []
        for line, part, name in zip(lines, self._parts, self._names, strict=True):
            output = line.outputs.get(part.system)
            if output is None:
                continue
            outputs.append(msgspec.structs.replace(output, system=name))
            scores.append(
                OutputScores(
                    system=name,
                    scores=self._kept(line.scores.get(part.system, {})),
                    methods=self._kept(line.methods.get(part.system, {})),
                )
            )
        first = lines[0]
        example = Example(
            id=id_,
            input=first.input,
            reference=first.reference,
            alternatives=first.alternatives,
            group=first.group,
            source=first.source,
            line=first.line,
        )
        return Sample(example=example, outputs=tuple(outputs), scores=tuple(scores))

    def _kept(self, values: dict[str, Value]) -> dict[str, Value]:
        return {metric: value for metric, value in values.items() if metric in self._metrics}


def _different(first: FinishedRun, other: FinishedRun) -> str:
    if first.sha256 != other.sha256:
        why = f"have different data ({first.sha256[:12] or 'unknown'} and {other.sha256[:12] or 'unknown'})"
    else:
        shared = len(set(first.ids) & set(other.ids))
        why = f"asked different rows ({len(first.ids)} and {len(other.ids)}, {shared} of them the same)"
    return (
        f"compare: {first.result.run_id} and {other.result.run_id} {why}; "
        "--different-data compares the rows that both have"
    )
