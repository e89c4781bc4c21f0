"""What becomes of an actor that starts, crashes or is restarted. Decisions come from `supervision`.

The common case, an idle actor without hooks, children or tasks, is settled at once by plain functions; a
restart that has to wait runs in a task the system owns. Ending is `stopping`'s work.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from .cell import Cell, State
from .errors import ActorCrashed, ActorExited, ActorMisuse, RestartsExhausted
from .mailbox import Ask, Marker
from .signals import ChildFailed, Directive, Failure
from .stopping import DEFAULT_GRACE_S, drop_incarnation, real_time, request_stop, wind_down
from .supervision import admit_restart, affected, choose

if TYPE_CHECKING:
    from .system import ActorSystem

__all__ = ["crash", "crash_outside", "dispose", "exit_by_itself", "instantiate", "resume", "settle"]

_STARTING, _RUNNING, _RESTARTING = State.STARTING, State.RUNNING, State.RESTARTING

logger = logging.getLogger(__name__)


# Incarnations


def instantiate(cell: Cell) -> None:
    """Make a new incarnation. May raise whatever the factory raises."""
    actor = Context().run(cell.factory)
    cell.actor = actor
    behaviour = cell.behaviour = actor._behaviour
    actor._cell = cell
    if behaviour.has_on_start or (
        behaviour.has_on_restart and cell._extras is not None and cell._extras.restart_reason is not None
    ):
        cell.state = _STARTING
        cell.started = False
    else:
        cell.state = _RUNNING
        cell.started = True


def resume(cell: Cell, by: asyncio.Task[Any] | None = None) -> None:
    """Put a live cell on the run-queue if it has something to do, else let it be idle.

    `by`: the worker of the run-queue whose activation of the cell ends here, if one's does.
    """
    if cell.worker is not None or cell.scheduled:
        return
    if cell.mailbox or cell.state is _STARTING:
        if cell.mailbox is None:
            cell.mailbox = deque()
        cell.queue.schedule(cell, by)
    else:
        cell.mailbox = None


def settle(cell: Cell, by: asyncio.Task[Any] | None = None) -> None:
    """An activation, by a worker of the run-queue or inline, has ended."""
    cell.worker = None
    cell.current = None
    if cell.state is _RUNNING or cell.state is _STARTING:
        resume(cell, by)
        return
    released = cell.extras.released
    if released is not None and not released.done():
        released.set_result(None)


# Crashing


def crash(cell: Cell, error: BaseException, by: asyncio.Task[Any] | None) -> None:
    """Decide and act about an actor whose activation ends by this exception. `by`: see `resume`."""
    state = cell.state
    if state is not _RUNNING and state is not _STARTING:
        dispose(cell)
        settle(cell, by)
        return
    item = cell.current
    ask = item if type(item) is Ask else None
    message = item if ask is None else ask.message
    doing = ""
    if ask is not None or logger.isEnabledFor(logging.WARNING):
        doing = cell.doing()
        _log(cell, doing, error)
    cell.worker = None
    directive, verdict = _decide(cell, error, message)
    if not cell.redeliver or not _redelivered(cell, item, directive):
        cell.discard(item, "crashed", ActorCrashed(cell.path, doing, error) if ask is not None else None)
    cell.current = None
    _act(cell, error, message, directive, verdict, by)


def crash_outside(cell: Cell, error: BaseException) -> None:
    """Decide and act about an actor that failed beside its handlers, one of which may be suspended."""
    state = cell.state
    if state is _RUNNING or state is _STARTING:
        _log(cell, "beside its handlers", error)
        directive, verdict = _decide(cell, error, None)
        _act(cell, error, None, directive, verdict, None)


def _log(cell: Cell, doing: str, error: BaseException) -> None:
    logger.warning("actor %s crashed %s: %s: %s", cell.path, doing, type(error).__name__, error)


def dispose(cell: Cell) -> None:
    """The current message's handler ended while its actor was stopped or restarted from outside."""
    item, cell.current = cell.current, None
    reason = cell._extras.restart_reason if cell._extras is not None else None
    if cell.state is not _RESTARTING or reason is None:
        cell.discard(item, "cancelled")
    elif not cell.redeliver or not _redelivered(cell, item, "restart"):
        cell.discard(item, "crashed", ActorCrashed(cell.path, "meanwhile", reason))


def _redelivered(cell: Cell, item: object, directive: Directive) -> bool:
    """Put the message of a crash back, as often as restarts are allowed; return whether that was done."""
    if item is None:
        return False
    extras = cell.extras
    if directive == "restart" and not (type(item) is Ask and item.future.done()):
        before = extras.redelivered
        times = before[1] + 1 if before is not None and before[0] is item else 1
        if times <= cell.policy.intensity.max_restarts:
            extras.redelivered = (item, times)
            assert cell.mailbox is not None
            cell.mailbox.appendleft(item)
            return True
    extras.redelivered = None
    return False


def _decide(cell: Cell, error: BaseException, message: object) -> tuple[Directive, BaseException]:
    """Count a failure, hold the messages, and decide.

    Returns:
        The directive, and the error to stop or escalate with.
    """
    extras = cell.extras
    extras.restart_reason = error
    extras.failed += 1
    cell.state = _RESTARTING
    if cell.mailbox is None:
        cell.mailbox = deque()
    parent = cell.parent
    assert parent is not None
    policy = cell.policy
    try:
        directive = choose(policy, cell.restart, error)
        if parent.actor is not None and parent.behaviour.has_on_child_failure:
            directive = parent.actor.on_child_failure(ChildFailed(cell.ref, error, message, directive))
        if directive not in ("restart", "stop", "escalate"):
            raise ActorMisuse(parent.path, f"decided {directive!r} about a failed child")
    except Exception as mistake:  # noqa: BLE001  # a broken decision is the parent's failure
        return "escalate", mistake
    if directive == "restart":
        history = extras.history
        if history is None:
            history = extras.history = parent.extras.histories.setdefault(policy, deque())
        intensity = policy.intensity
        if not admit_restart(intensity, history, cell.system.clock.now()):
            history.clear()
            return "escalate", RestartsExhausted(cell.path, intensity.max_restarts, intensity.period_s, error)
    return directive, error


def _act(
    cell: Cell,
    reason: BaseException,
    message: object,
    directive: Directive,
    error: BaseException,
    by: asyncio.Task[Any] | None,
) -> None:
    """Tell the parent of the failure if it has a handler for that, and carry out the directive.

    Args:
        cell: the failed one.
        reason: what it failed with.
        message: what it was handling.
        directive: what to do.
        error: what to stop or escalate with.
        by: see `resume`.
    """
    parent = cell.parent
    assert parent is not None
    if parent.actor is not None and parent.behaviour.handles_child_failed:
        parent.signal(ChildFailed(cell.ref, reason, message, directive))
    if directive == "restart":
        policy = cell.policy
        members = None if policy.strategy == "one_for_one" else _scope(cell)
        if (members is None or len(members) == 1) and policy.backoff is None and cell.plain:
            drop_incarnation(cell)  # the common case
            _begin_again(cell, by)
        else:
            _replace(cell, members or [cell], error)
    elif directive == "stop" or parent.closed:
        request_stop(cell, real_time() + DEFAULT_GRACE_S, error)
    elif parent.parent is not None:
        crash_outside(parent, error)
    else:
        cell.system.report(Failure(cell.ref, error))
        scope = _scope(cell)
        for member in reversed(scope):
            request_stop(member, real_time() + DEFAULT_GRACE_S, error)


def _scope(cell: Cell) -> list[Cell]:
    """Return the cells a failure of this one concerns, in the order of spawning."""
    parent = cell.parent
    assert parent is not None
    if cell.policy.strategy == "one_for_one":
        return [cell]
    group = [
        child
        for child in (parent.children or {}).values()
        if child.policy == cell.policy and not child.closed
    ]
    chosen = affected(cell.policy.strategy, list(range(len(group))), group.index(cell))
    return [group[position] for position in chosen]


# Restarting


def _replace(failed: Cell, members: list[Cell], error: BaseException) -> None:
    """End the incarnations of `members`, last first; start new ones, first first, after the backoff."""
    delay_s = _backoff(failed)
    token = object()
    for member in members:
        if member.state is not _RESTARTING:
            member.state = _RESTARTING
            if member.mailbox is None:
                member.mailbox = deque()
            elif member.worker is not None:
                member.mailbox.appendleft(Marker())
        member.extras.restart_reason = error
        member.extras.replacement = token
    if all(member.plain for member in members):
        for member in members:
            drop_incarnation(member)
        _later(failed.system, delay_s, lambda: _reincarnate(members, token))
    else:
        failed.system.own(_wind_down_group(failed, members, delay_s, token))


async def _wind_down_group(failed: Cell, members: list[Cell], delay_s: float, token: object) -> None:
    """The waiting part of a restart."""
    for member in reversed(members):
        grace_s = 0.0 if member is failed else DEFAULT_GRACE_S
        await wind_down(member, real_time() + grace_s)
    _later(failed.system, delay_s, lambda: _reincarnate(members, token))


def _later(system: ActorSystem, delay_s: float, action: Callable[[], None]) -> None:
    """Run an action after a backoff; at once if there is none."""
    if delay_s > 0:
        system.delay(delay_s, action)
    else:
        action()


def _backoff(cell: Cell) -> float:
    """Return how long to wait before this restart, in seconds, and count the attempt."""
    backoff = cell.policy.backoff
    if backoff is None:
        return 0.0
    extras = cell.extras
    now = cell.system.clock.now()
    if now - extras.last_failure_at >= backoff.reset_after_s:
        extras.attempts = 0
    extras.last_failure_at = now
    if extras.generator is None:
        extras.generator = random.Random(f"{backoff.seed}:{cell.path}")
    delay_s = backoff.delay_s(extras.attempts, extras.generator)
    extras.attempts += 1
    return delay_s


def _reincarnate(members: Iterable[Cell], token: object) -> None:
    """Start new incarnations of those not stopped or replaced meanwhile; temporary ones end."""
    for cell in members:
        if cell.state is not _RESTARTING or cell.extras.replacement is not token:
            continue
        cell.extras.replacement = None
        if cell.restart == "temporary":
            request_stop(cell, real_time(), cell.extras.restart_reason)
        else:
            _begin_again(cell)


def _begin_again(cell: Cell, by: asyncio.Task[Any] | None = None) -> None:
    """Start a new incarnation. `by`: see `resume`."""
    extras = cell.extras
    extras.restarts += 1
    mailbox = cell.mailbox
    if mailbox and (type(mailbox[0]) is Marker or cell.redeliver):
        _drop_markers(cell, mailbox)
    try:
        instantiate(cell)
    except Exception as error:  # noqa: BLE001  # the supervisor decides about any of them
        # Not called from here: with many allowed restarts, failing factories would recurse.
        failure = error
        cell.system.call_soon(lambda: _failed_to_start(cell, failure))
    else:
        if cell.state is _RUNNING:  # no hook will ask; its traceback holds on to the instance before
            extras.restart_reason = None
        resume(cell, by)


def _drop_markers(cell: Cell, mailbox: deque[Any]) -> None:
    """Take out what announced the signals of the incarnation before. A handler left behind still needs it."""
    if cell.worker is None:
        items = [item for item in mailbox if type(item) is not Marker]
        mailbox.clear()
        mailbox.extend(items)


def _failed_to_start(cell: Cell, error: BaseException) -> None:
    """The factory raised on a restart: one more failure of the same child."""
    if cell.state is _RESTARTING:
        cell.state = _STARTING
        crash_outside(cell, error)


def exit_by_itself(cell: Cell) -> None:
    """The actor asked to stop and its current message is done.

    Raises:
        ActorExited: it is permanent.
    """
    if cell.restart == "permanent":
        cell.current = None
        raise ActorExited(cell.path)
    request_stop(cell, real_time() + DEFAULT_GRACE_S, None)
