"""What several requests for one answer took together: tokens, money, retries.

Called by ensembles and dialectics, whose answers are made from those of others.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..messages.records import Cached, Output, Usage

__all__ = ["behind", "from_cache", "paid", "retries"]


def retries(output: Output) -> int:
    """Requests beyond the first, duplicates aside."""
    duplicates = output.race.duplicates if output.race is not None else 0
    return max(0, output.attempts - 1 - duplicates)


def from_cache(outputs: Sequence[Output]) -> Cached | None:
    """What the answers from the cache had taken; None when all were asked."""
    found = [output.cached for output in outputs if output.cached is not None]
    if not found:
        return None
    costs = [each.cost_usd for each in found if each.cost_usd is not None]
    return Cached(
        usage=Usage(
            prompt_tokens=sum(each.usage.prompt_tokens for each in found),
            completion_tokens=sum(each.usage.completion_tokens for each in found),
            estimated=any(each.usage.estimated for each in found),
        ),
        cost_usd=sum(costs) if len(costs) == len(found) else None,
        latency_s=max(each.latency_s for each in found),
    )


def paid(outputs: Sequence[Output]) -> tuple[Usage, float | None]:
    """Tokens and cost of all that answered, their races included; None when a price is unknown."""
    prompt = completion = 0
    cost: float | None = 0.0
    estimated = False
    for output in outputs:
        for usage in (output.usage, output.race.extra_usage if output.race else Usage()):
            prompt += usage.prompt_tokens
            completion += usage.completion_tokens
            estimated |= usage.estimated
        if output.error is None:
            extra = output.race.extra_cost_usd if output.race else 0.0
            known = cost is not None and output.cost_usd is not None and extra is not None
            cost = (cost or 0.0) + (output.cost_usd or 0.0) + (extra or 0.0) if known else None
    return Usage(prompt_tokens=prompt, completion_tokens=completion, estimated=estimated), cost


def behind(output: Output) -> tuple[Output, ...]:
    """The answers that an output was made from: of the members, or of the agents; none when it is its own."""
    if output.ballots is not None:
        return output.ballots.members
    found = output.dialectic
    if found is None:
        return ()
    steps = (*found.steps, *(step for each in found.rounds for step in each.steps))
    return tuple(step.output for step in steps if step.output is not None)
