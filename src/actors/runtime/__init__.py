"""A small actor runtime on asyncio: supervision in the manner of OTP, typed messages, bounded mailboxes.

It knows nothing of experiments and imports nothing else of this package. docs/runtime.md explains how to
write an actor and why the runtime is built the way it is.
"""

from .actor import Actor
from .clock import Clock, SystemClock, TimerHandle, VirtualClock
from .context import ActorContext
from .dead_letters import DeadLetters
from .errors import (
    ActorCrashed,
    ActorError,
    ActorExited,
    ActorMisuse,
    ActorStopped,
    AskError,
    AskTimeout,
    HandlerCancelled,
    MailboxFull,
    RestartsExhausted,
    UnhandledMessage,
    Unkillable,
)
from .handlers import handler
from .ref import ActorRef
from .requests import Asks, Request
from .signals import ChildFailed, DeadLetter, Directive, Failure, Terminated
from .statistics import ActorSnapshot, ActorStatistics
from .supervision import Backoff, Decider, RestartIntensity, RestartType, Strategy, SupervisionPolicy
from .system import ActorSystem

__all__ = [
    "Actor",
    "ActorContext",
    "ActorCrashed",
    "ActorError",
    "ActorExited",
    "ActorMisuse",
    "ActorRef",
    "ActorSnapshot",
    "ActorStatistics",
    "ActorStopped",
    "ActorSystem",
    "AskError",
    "AskTimeout",
    "Asks",
    "Backoff",
    "ChildFailed",
    "Clock",
    "DeadLetter",
    "DeadLetters",
    "Decider",
    "Directive",
    "Failure",
    "HandlerCancelled",
    "MailboxFull",
    "Request",
    "RestartIntensity",
    "RestartType",
    "RestartsExhausted",
    "Strategy",
    "SupervisionPolicy",
    "SystemClock",
    "Terminated",
    "TimerHandle",
    "UnhandledMessage",
    "Unkillable",
    "VirtualClock",
    "handler",
]
