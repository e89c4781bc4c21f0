"""Ending an incarnation, and ending an actor for good.

An idle actor without stop hook, children or tasks ends at once. What has to wait (for a handler,
children, tasks, the hook) runs in a task the system owns, always bounded in time: grace, then
cancellation, repeated, then the work is reported as unkillable and left behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .cell import Cell, State
from .errors import ActorCrashed, Unkillable
from .mailbox import CLOSED
from .signals import Failure, Terminated

if TYPE_CHECKING:
    from .actor import Actor

__all__ = ["DEFAULT_GRACE_S", "drop_incarnation", "real_time", "request_stop", "stop_at_once", "wind_down"]

DEFAULT_GRACE_S = 0.5
_CANCELLATIONS = 5
_CANCEL_EVERY_S = 0.1

_STOPPING, _STOPPED = State.STOPPING, State.STOPPED

logger = logging.getLogger(__name__)


def stop_at_once(cell: Cell, reason: BaseException | None) -> bool:
    """Stop a cell if nothing has to be waited for; return whether it has stopped, now or before."""
    state = cell.state
    if state is _STOPPED:
        return True
    if state is _STOPPING or not cell.plain:
        return False
    if reason is not None:
        cell.extras.reason = reason
    _finalize(cell)
    return True


def request_stop(cell: Cell, deadline: float, reason: BaseException | None) -> asyncio.Task[None] | None:
    """Begin to stop a cell. Return the task that finishes it; None if that is done already.

    After the current message nothing more is handled: what waits is discarded now.
    """
    if stop_at_once(cell, reason):
        return None
    if cell.state is _STOPPING:
        return cell.extras.stopping
    cell.extras.reason = reason
    cell.state = _STOPPING
    cell.limit = 0
    cell.flush()
    if cell.mailbox is None:
        cell.mailbox = CLOSED
    if cell.worker is not None:
        cell.interrupt()
    task = cell.system.own(_stop(cell, deadline))
    cell.extras.stopping = task
    return task


async def _stop(cell: Cell, deadline: float) -> None:
    await wind_down(cell, deadline)
    _finalize(cell)


def _finalize(cell: Cell) -> None:
    """Close a cell for good and tell those who watch it."""
    drop_incarnation(cell)
    cell.state = _STOPPED
    cell.limit = 0
    if cell.mailbox or cell.senders:
        cell.flush()
    cell.mailbox = CLOSED
    siblings = cell.parent.children if cell.parent is not None else None
    if siblings is not None and siblings.get(cell.name) is cell:
        del siblings[cell.name]
    extras = cell._extras
    if extras is None:
        return
    watchers, extras.watchers = extras.watchers, {}
    for watcher in watchers:
        watcher.extras.watching.pop(cell, None)
        watcher.signal(Terminated(cell.ref, extras.reason))
    extras.stopping = None


def drop_incarnation(cell: Cell) -> None:
    """Forget the instance and all that lives and dies with it."""
    cell.actor = None
    cell.started = False
    extras = cell._extras
    if extras is None:
        return
    extras.exiting = False
    if extras.timers:
        for _, timer in extras.timers.values():
            timer.cancel()
        extras.timers.clear()
    if extras.signals:
        extras.signals.clear()
    if extras.watching:
        for watched in extras.watching:
            watched.extras.watchers.pop(cell, None)
        extras.watching.clear()


async def wind_down(cell: Cell, deadline: float) -> None:
    """End the present incarnation; those who want it at the same time share the work."""
    extras = cell.extras
    if extras.winding is None:
        extras.winding = cell.system.own(_end_incarnation(cell, deadline))
    winding = extras.winding
    try:
        await asyncio.wait({winding})
    finally:
        if winding.done() and extras.winding is winding:
            extras.winding = None


async def _end_incarnation(cell: Cell, deadline: float) -> None:
    extras = cell.extras
    if cell.worker is not None:
        released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        extras.released = released
        await _insist(cell, {released}, deadline, lambda: cell.worker and cell.worker.cancel(), cell.doing())
        extras.released = None
    for child in reversed(list((cell.children or {}).values())):
        stopping = request_stop(child, deadline, None)
        if stopping is not None:
            await asyncio.wait({stopping})
    for task in list(extras.tasks):
        task.cancel()
    for task in list(extras.tasks):
        await _insist(cell, {task}, real_time(), task.cancel, f"background task {task.get_name()}")
    actor = cell.actor
    if cell.started and cell.behaviour.has_on_stop:
        cell.started = False
        hook = cell.system.own(_run_stop_hook(cell, actor))
        hook_deadline = max(deadline, real_time() + DEFAULT_GRACE_S)
        await _insist(cell, {hook}, hook_deadline, hook.cancel, f"{type(actor).__qualname__}.on_stop")
    drop_incarnation(cell)


async def _run_stop_hook(cell: Cell, actor: Actor) -> None:
    """Run on_stop; its failure is reported, as there is nothing left to supervise."""
    try:
        await actor.on_stop()
    except Exception as error:  # noqa: BLE001  # whatever it is, the actor ends
        logger.warning("actor %s failed in on_stop: %s: %s", cell.path, type(error).__name__, error)
        cell.system.report(Failure(cell.ref, ActorCrashed(cell.path, "in on_stop", error)))


async def _insist(
    cell: Cell, pending: set[asyncio.Future[Any]], deadline: float, cancel: Callable[[], object], work: str
) -> None:
    """Wait until the deadline, then cancel, again and again; report work that does not end."""
    timeout = max(0.0, deadline - real_time())
    for _ in range(_CANCELLATIONS):
        if timeout > 0 and (await asyncio.wait(pending, timeout=timeout))[0]:
            return
        cancel()
        timeout = _CANCEL_EVERY_S
    if not (await asyncio.wait(pending, timeout=timeout))[0]:
        error = Unkillable(cell.path, work, _CANCELLATIONS)
        logger.error("%s", error)
        cell.system.report(Failure(cell.ref, error))


def real_time() -> float:
    """Return real time: the grace of stopping does not depend on the system's clock."""
    return asyncio.get_running_loop().time()
