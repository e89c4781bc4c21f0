"""The errors of the actor runtime, one class per decision a caller can take.

ActorError                  anything this runtime raises on purpose
├── MailboxFull             tell_nowait found no room: wait with tell(), shed, or slow down
├── AskError                an ask will not be answered
│   ├── AskTimeout          the deadline passed: retry or give up
│   ├── ActorStopped        the actor is stopping or gone: ask another one
│   ├── ActorCrashed        its handler raised (the cause is `__cause__`): the request may be the culprit
│   └── UnhandledMessage    no handler for this type: a programming mistake
├── RestartsExhausted       a supervisor gave up on a child; escalates
├── ActorExited             a permanent actor ended by itself; its supervisor restarts it
├── HandlerCancelled        something inside a handler raised CancelledError that nobody had asked for
├── Unkillable              a handler or hook ignored repeated cancellation while its actor was stopped
└── ActorMisuse             the runtime was used against its rules: a programming mistake
"""

# ruff: noqa: N818 -- named after the situation, like asyncio.QueueFull

from __future__ import annotations

__all__ = [
    "ActorCrashed",
    "ActorError",
    "ActorExited",
    "ActorMisuse",
    "ActorStopped",
    "AskError",
    "AskTimeout",
    "HandlerCancelled",
    "MailboxFull",
    "RestartsExhausted",
    "UnhandledMessage",
    "Unkillable",
]


class ActorError(Exception):
    """Base of every error the runtime raises; `path` names the actor concerned."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"actor {path}: {text}")
        self.path = path


class ActorMisuse(ActorError):
    """A rule of the runtime was broken, such as a second child of one name. Fix the code."""


class MailboxFull(ActorError):
    """`tell_nowait` found the mailbox at its bound."""

    def __init__(self, path: str, capacity: int) -> None:
        super().__init__(path, f"the mailbox is full ({capacity} messages)")
        self.capacity = capacity


class AskError(ActorError):
    """An ask will not be answered."""


class AskTimeout(AskError, TimeoutError):
    """The deadline of an ask passed; the work it caused was cancelled or dropped."""

    def __init__(self, path: str, request: object, timeout_s: float) -> None:
        super().__init__(path, f"no answer to {type(request).__name__} within {timeout_s:g} s")
        self.timeout_s = timeout_s


class ActorStopped(AskError):
    """The actor asked is stopping or has stopped."""

    def __init__(self, path: str, request: object) -> None:
        super().__init__(path, f"has stopped and will not answer {type(request).__name__}")


class ActorCrashed(AskError):
    """The handler of the request raised; the original exception is `__cause__`."""

    def __init__(self, path: str, doing: str, cause: BaseException) -> None:
        super().__init__(path, f"crashed {doing}: {type(cause).__name__}: {cause}")
        self.__cause__ = cause


class UnhandledMessage(AskError):
    """The actor asked has no handler for the request's type."""

    def __init__(self, path: str, request: object) -> None:
        super().__init__(path, f"has no handler for {type(request).__name__}")


class RestartsExhausted(ActorError):
    """More restarts than the intensity allows; the last failure is `__cause__`."""

    def __init__(self, path: str, max_restarts: int, period_s: float, cause: BaseException) -> None:
        super().__init__(
            path,
            f"failed more than {max_restarts} times in {period_s:g} s; "
            f"the last time with {type(cause).__name__}: {cause}",
        )
        self.__cause__ = cause


class ActorExited(ActorError):
    """A permanent actor stopped by itself, which its supervisor treats like a failure."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "ended although it is permanent")


class HandlerCancelled(ActorError):
    """A handler ended with CancelledError though neither its asker nor the runtime cancelled it."""

    def __init__(self, path: str, doing: str) -> None:
        super().__init__(path, f"a CancelledError nobody asked for escaped {doing}")


class Unkillable(ActorError):
    """Repeated cancellation did not end the named piece of work of a stopping actor."""

    def __init__(self, path: str, work: str, cancellations: int) -> None:
        super().__init__(path, f"{work} ignored {cancellations} cancellations and was abandoned")
        self.work = work
