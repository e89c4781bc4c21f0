"""The error tree of Crucible, drawn once; every layer raises from here.

A base class stands for a decision that the catcher can take::

    CrucibleError
    ├── InputError               fix the input, nothing was spent        (exit code 2)
    │   ├── ExperimentError      the experiment file; carries every problem at once
    │   ├── DatasetError         a row or file of the data set; names file, line and field
    │   ├── OptionError          an option of a stage, backend, data set or adapter
    │   ├── UnknownNameError     no such stage, backend, ...; offers near matches
    │   ├── OutputError          the output folder or file cannot be written
    │   ├── NotFoundError        there is no such run, schedule, file, ...
    │   ├── ConflictError        what is there does not allow it: a used key, a run in another state
    │   └── QuotaError           the queue is full, or the owner's part of it
    ├── TransientError           try again, later                        (retried with back-off)
    │   ├── RateLimitedError     the other side said "slow down"; may carry retry_after_s
    │   ├── OverloadedError      the other side is short of capacity
    │   ├── ConnectionFailedError   no answer arrived
    │   ├── TimedOutError        no answer in time
    │   └── MalformedReplyError  an answer arrived that is cut off or makes no sense
    ├── BackendError             the backend refused for good; give this request up
    │   └── BudgetError          the run has no money left for it; nothing was sent
    ├── StageError               a stage failed; carries stage name     (exit code 1)
    ├── StoreError               the store failed; whether it wrote is unknown
    ├── LeaseLostError           somebody else has the run now: stop, write nothing
    └── RunCancelledError        somebody asked for the end of the run   (exit code 130)

Messages are one line, built from data, and never contain a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "BackendError",
    "BudgetError",
    "ConflictError",
    "ConnectionFailedError",
    "CrucibleError",
    "DatasetError",
    "ExperimentError",
    "InputError",
    "LeaseLostError",
    "MalformedReplyError",
    "NotFoundError",
    "OptionError",
    "OutputError",
    "OverloadedError",
    "Problem",
    "QuotaError",
    "RateLimitedError",
    "RunCancelledError",
    "StageError",
    "StoreError",
    "TimedOutError",
    "TransientError",
    "UnknownNameError",
    "install_extra",
    "near_match",
]


def near_match(name: str, known: Iterable[str], *, closeness: float = 0.6) -> str | None:
    """The known name closest to ``name``, or None when nothing is as close as that (ratio of difflib)."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=closeness)
    return matches[0] if matches else None


def install_extra(name: str) -> str:
    """How to get the packages of an extra."""
    return f"install the extra {name} (in a checkout: pip install '.[{name}]')"


class CrucibleError(Exception):
    """Base of all errors that Crucible raises on purpose."""

    billed = False
    """Whether a server had begun to answer, or had answered a part, and may charge for it."""


class InputError(CrucibleError):
    """What was given cannot be used; the caller must change it."""


class Problem:
    """One thing wrong at one path of a document, for example ``pipeline[3].options.lora_rank``."""

    __slots__ = ("line", "message", "path")

    def __init__(self, path: str, message: str, line: int | None = None) -> None:
        self.path = path
        self.message = message
        self.line = line

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def __repr__(self) -> str:
        return f"Problem({self.path!r}, {self.message!r}, line={self.line})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and (self.path, self.message) == (other.path, other.message)

    def __hash__(self) -> int:
        return hash((self.path, self.message))


class ExperimentError(InputError):
    """An experiment file that does not decode or does not make sense; ``problems`` holds them all."""

    def __init__(self, problems: Sequence[Problem], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        if self.source is None:
            return str(problem)
        place = f"{self.source}:{problem.line}" if problem.line is not None else self.source
        return f"{place}: {problem}"


class DatasetError(InputError):
    """A data file or a row of it that cannot be used; names file, line (from 1) and field."""

    def __init__(
        self, message: str, *, source: str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        self.source, self.line, self.field, self.problem = source, line, field, message
        place = ":".join(str(part) for part in (source, line) if part is not None)
        where = ": ".join(part for part in (place, field) if part)
        super().__init__(f"{where}: {message}" if where else message)


class OptionError(InputError):
    """An option has a wrong type, value or name."""


class UnknownNameError(InputError):
    """A name that no registered part carries."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        hint = near_match(name, self.known)
        text = f"unknown {kind} {name!r}"
        text += f"; did you mean {hint!r}?" if hint else f"; known: {', '.join(self.known) or 'none'}"
        super().__init__(text)


class OutputError(InputError):
    """A place that results should go to cannot be written."""


class NotFoundError(InputError):
    """Nothing there has that name."""


class ConflictError(InputError):
    """The request does not fit what is there."""


class QuotaError(InputError):
    """No room in the queue."""


class TransientError(CrucibleError):
    """A failure that may pass; ``retry_after_s`` is the wait that the other side asked for, if any."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class RateLimitedError(TransientError):
    """Too many requests."""


class OverloadedError(TransientError):
    """The other side is short of capacity."""


class ConnectionFailedError(TransientError):
    """The connection failed or broke."""


class TimedOutError(TransientError):
    """No answer within the time allowed."""


class MalformedReplyError(TransientError):
    """An answer arrived, but it is cut off or not of the form agreed on."""


class BackendError(CrucibleError):
    """The backend refused the request for good: asking again would not help."""


class BudgetError(BackendError):
    """The request was not sent: what it may cost is more than what the run has left."""


class StageError(CrucibleError):
    """A stage of the run failed; ``stage`` names it and ``reason`` says why."""

    def __init__(self, stage: str, reason: str) -> None:
        self.stage, self.reason = stage, reason
        super().__init__(f"stage {stage} failed: {reason}")


class StoreError(CrucibleError):
    """The store failed. What was asked for may have happened or not; asking again is safe."""


class LeaseLostError(CrucibleError):
    """The lease has run out or gone to another daemon; nothing was written."""


class RunCancelledError(CrucibleError):
    """The run was cancelled before its end."""
