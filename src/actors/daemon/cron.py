"""When a cron expression is due next, in UTC. Called by the scheduler and by whoever takes a schedule in.

The expressions are those of Debian's cron, as the library cronsim reads them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ...messages.errors import InputError

__all__ = ["next_time"]


def next_time(expression: str, after: float) -> float:
    """The first time after ``after``, both in seconds since the epoch. Raises InputError."""
    from cronsim import CronSim, CronSimError

    try:
        return next(CronSim(expression, datetime.fromtimestamp(after, UTC))).timestamp()
    except CronSimError as error:
        raise InputError(f"cron: {expression!r}: {error}; expected five fields such as '0 3 * * *'") from None
    except StopIteration:
        raise InputError(f"cron: {expression!r}: is never due") from None
