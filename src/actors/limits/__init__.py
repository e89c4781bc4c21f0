"""How much may be asked at once, in a minute and for how much money; and how often a request is retried.

``windows``, ``congestion`` and ``money`` decide, as plain objects without a clock or a loop; ``gate`` waits.
``run`` puts together what one run is limited by. Every attempt passes a gate: first requests, retries,
duplicates, tiers and members alike.
"""

from .gate import Gate, Lease
from .retries import Answer, RetryPolicy, ask_with_retries
from .run import RunLimits
from .watcher import NOBODY, Watcher

__all__ = ["NOBODY", "Answer", "Gate", "Lease", "RetryPolicy", "RunLimits", "Watcher", "ask_with_retries"]
