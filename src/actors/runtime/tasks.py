"""Background tasks: work beside an actor's handlers that lives and dies with its incarnation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

from .cell import Cell, State
from .errors import ActorMisuse
from .lifecycle import crash_outside

__all__ = ["create_task"]


def create_task(cell: Cell, work: Coroutine[Any, Any, Any], name: str | None) -> asyncio.Task[Any]:
    """Start a task that belongs to the present incarnation."""
    if cell.closed or cell.state is State.RESTARTING:
        work.close()
        raise ActorMisuse(cell.path, "is stopping or restarting and cannot start a task")
    task = asyncio.get_running_loop().create_task(
        work, name=f"{cell.path}:{name or getattr(work, '__qualname__', 'task')}", context=Context()
    )
    tasks = cell.extras.tasks
    tasks.add(task)

    def done(task: asyncio.Task[Any]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            crash_outside(cell, error)

    task.add_done_callback(done)
    return task
