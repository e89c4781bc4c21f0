"""What a race is told to have been: its record, its cost, its error, what the policies learn. Pure functions.

Called by ``race``. What a cancelled loser will be billed is not known: it counts as much as the winner,
an upper bound where the server notices that it was given up. A failed request has no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ...messages.records import Attempt as Told
from ...messages.records import Race, Usage
from ...messages.requests import BackendReply
from .plan import Attempt, AttemptOutcome, HedgePlan
from .plan import Race as Observed
from .sent import Sent

__all__ = ["error_text", "extra", "observed", "record"]

_NOTHING = Usage()


def record(
    sent: Sequence[Sent],
    plan: HedgePlan,
    refused: str,
    *,
    control: bool = False,
    winner: Sent | None = None,
    left_open: Sequence[Sent] = (),
    temperature: float = 0.0,
    streamed: bool = False,
) -> Race:
    """The record that goes with the output.

    ``control``: losers run to their end. ``left_open`` were under way when the race was decided, ``streamed``
    when that was on the first token.
    """
    usage, cost = extra(sent, winner)
    duplicates = sum([each.duplicate for each in sent])
    return Race(
        hedged=duplicates > 0,
        winner=None if winner is None else winner.kind,
        backend=None if winner is None else winner.lane.name,
        delay_s=plan.delay_s,
        quantile=plan.quantile,
        reason=plan.reason + (f"; not sent: {refused}" if refused else ""),
        duplicates=duplicates,
        cancelled=0 if control else len(left_open),
        extra_usage=usage,
        extra_cost_usd=cost,
        attempts=tuple([_told(each, sent[0].started, winner, control=control) for each in sent]),
        race_biased=temperature > 0 and winner is not None and not streamed and _was_raced(sent, winner),
        decided_on="first_token" if streamed else "answer",
    )


def _was_raced(sent: Sequence[Sent], winner: Sent) -> bool:
    """Whether another request was still open, or had answered too."""
    return any(each is not winner and (each.loser or each.outcome == "answered") for each in sent)


def _told(each: Sent, began: float, winner: Sent | None, *, control: bool) -> Told:
    """One request as it was when the race was over."""
    ended = max(each.started, winner.ended if each.open and winner is not None else each.ended)
    error = each.told_error() if each.error is not None else None
    outcome: Literal["won", "lost", "cancelled", "failed", "timed_out", "open"]
    if each is winner:
        outcome = "won"
    elif each.open:
        outcome = "open" if control else "cancelled"
    elif each.error is not None and each.outcome == "answered":
        outcome = "failed"
    else:
        outcome = "lost" if each.outcome == "answered" else each.outcome or "cancelled"
    return Told(
        kind=each.kind,
        backend=each.lane.name,
        started_s=each.started - began,
        ended_s=ended - began,
        outcome=outcome,
        error=error,
    )


def extra(sent: Sequence[Sent], winner: Sent | None) -> tuple[Usage, float | None]:
    """Tokens and cost of all requests but the winner."""
    if len(sent) == 1 and sent[0] is winner:
        return _NOTHING, 0.0
    prompt = completion = 0
    cost: float | None = 0.0
    estimated = False
    for each in sent:
        paid: BackendReply | None = each.reply or (winner.reply if winner else None)
        if each is winner or paid is None or each.outcome in ("failed", "timed_out"):
            continue
        prompt += paid.usage.prompt_tokens
        completion += paid.usage.completion_tokens
        estimated |= each.reply is None or paid.usage.estimated
        cost = None if cost is None or paid.cost_usd is None else cost + paid.cost_usd
    return Usage(prompt_tokens=prompt, completion_tokens=completion, estimated=estimated), cost


def error_text(sent: Sequence[Sent]) -> str:
    """One line that names each attempt."""
    failed = [each for each in sent if each.error is not None]
    if len(failed) == 1:
        return failed[0].told_error()
    return "; ".join(f"{_numbered(each)} ({each.kind}): {each.told_error()}" for each in failed)


def _numbered(each: Sent) -> str:
    return f"attempt {each.number}" if each.number else "not sent"


def observed(
    round_: Sequence[Sent],
    plan: HedgePlan,
    winner: Sent | None,
    *,
    control: bool,
    to_first_token: bool = False,
) -> Observed | None:
    """What is learned from a round; None when nothing was sent.

    ``to_first_token``: latencies are those to the first token where there was one. A request that was given
    up after its first token is then as good as answered.
    """
    sent = [each for each in round_ if each.number]
    if not sent:
        return None
    first = sent[0].started
    return Observed(
        attempts=tuple([_attempt(each, first, to_first_token=to_first_token) for each in sent]),
        winner=None if winner is None else sent.index(winner),
        delay_s=plan.delay_s,
        control=control,
    )


def _attempt(sent: Sent, began: float, *, to_first_token: bool) -> Attempt:
    outcome: AttemptOutcome = sent.outcome or "cancelled"
    if outcome == "answered" and sent.error is not None:
        outcome = "failed"
    ended = sent.ended
    if to_first_token and sent.first_token is not None and outcome != "failed":
        outcome, ended = "answered", sent.first_token
    return Attempt(started_s=sent.started - began, latency_s=max(0.0, ended - sent.started), outcome=outcome)
