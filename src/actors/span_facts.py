"""What spans say of requests, races and votes. Pure functions.

Called where the spans are made. A call of a model carries OpenTelemetry's attributes for generative AI
("Semantic conventions for generative client AI spans"; ``gen_ai.provider.name`` since version 1.37): the span
of the attempt where a request has attempts, the span of the request where it is the only one. So tokens added
up over all spans are the tokens of all answers. The conventions have no name for cost: it is ``cost_usd``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..messages.records import Ballots, Output, Race, SamplingParams
from ..messages.requests import BackendReply
from ..messages.trace import Decision
from .ports import Sampler

__all__ = [
    "call_attributes",
    "duplicate_decisions",
    "error_attributes",
    "race_decisions",
    "reply_attributes",
    "vote_attributes",
    "vote_decisions",
]

KEY_LENGTH = 200


def call_attributes(sampler: Sampler, backend: str, params: SamplingParams) -> dict[str, Any]:
    """What is asked of whom; the sampler's own ``telemetry`` wins."""
    asked: dict[str, Any] = {
        "gen_ai.operation.name": "text_completion",
        "gen_ai.provider.name": backend,
        "gen_ai.request.max_tokens": params.max_tokens,
        "gen_ai.request.temperature": params.temperature,
    }
    if params.top_p != 1.0:
        asked["gen_ai.request.top_p"] = params.top_p
    if params.stop:
        asked["gen_ai.request.stop_sequences"] = params.stop
    own: Mapping[str, Any] = getattr(sampler, "telemetry", {})
    return {**asked, **own}


def reply_attributes(reply: BackendReply) -> dict[str, Any]:
    """What was answered."""
    usage = reply.usage
    told: dict[str, Any] = {
        "gen_ai.response.finish_reasons": [each.finish_reason for each in reply.completions],
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }
    if usage.estimated:
        told["usage_estimated"] = True
    if reply.model is not None:
        told["gen_ai.response.model"] = reply.model
    if reply.cost_usd is not None:
        told["cost_usd"] = reply.cost_usd
    if reply.first_token_s is not None:
        told["first_token_s"] = reply.first_token_s
    return told


def error_attributes(error: str) -> dict[str, Any]:
    """Of an error told as ``Type: reason``."""
    return {"error": error, "error.type": error.partition(":")[0]}


def race_decisions(race: Race, sent: Sequence[str], start_s: float, end_s: float) -> tuple[Decision, ...]:
    """When a duplicate was to be sent, and who won; ``sent`` names all requests of the race in order."""
    waits = race.delay_s is None
    planned = Decision(
        kind="hedge",
        chosen="no duplicate" if waits else "duplicate when late",
        alternatives=() if waits else ("no duplicate",),
        why=race.reason if waits else f"late is after {race.delay_s:.3g} s, {race.reason}",
        confidence=race.quantile,
        at_s=start_s,
    )
    if len(sent) < 2:
        return (planned,)
    winner = "none" if race.winner is None else f"{race.winner} {race.backend}"
    losers = list(sent)
    if winner in losers:
        losers.remove(winner)
    why = "no acceptable answer" if race.winner is None else "first acceptable answer"
    cancelled = f"; {race.cancelled} cancelled" if race.cancelled else ""
    won = Decision(
        kind="race", chosen=winner, alternatives=tuple(losers), why=f"{why}{cancelled}", at_s=end_s
    )
    return planned, won


def duplicate_decisions(title: str, why: str, start_s: float) -> tuple[Decision, ...]:
    """That a duplicate was sent beside a request that was still open, and what it was paid from."""
    return (Decision(kind="duplicate", chosen=title, alternatives=("wait",), why=why, at_s=start_s),)


def vote_attributes(output: Output) -> dict[str, Any]:
    """How an ensemble came to its output."""
    record = output.ballots
    if record is None:
        return {"example": output.example_id}
    return {
        "example": output.example_id,
        "strategy": record.strategy,
        "status": record.status,
        "reason": record.reason,
        "winner": record.winner_member,
        "consensus": record.consensus,
        "confidence": output.confidence,
        "votes": {each.system: each.error or each.text[:KEY_LENGTH] for each in record.members},
        "scores": {key[:KEY_LENGTH]: score for key, score in record.scores.items()},
        "abstained": record.abstained,
        "cancelled": list(record.cancelled),
        "not_asked": list(record.not_asked),
        "stopped": record.stopped,
        "cost_usd": output.cost_usd,
    }


def vote_decisions(record: Ballots, end_s: float) -> tuple[Decision, ...]:
    """The answer that won, and why no more members were waited for."""
    decided = record.status == "decided"
    one_of_many = record.key in record.scores  # else the answer is put together from the claims that won
    others = [key for key in record.scores if key != record.key] if one_of_many or not decided else []
    voted = Decision(
        kind="vote",
        chosen=(record.key or record.winner_member or "")[:KEY_LENGTH]
        if decided
        else record.status.replace("_", " "),
        alternatives=tuple(other[:KEY_LENGTH] for other in others),
        why=record.reason,
        confidence=min(1.0, record.consensus) if decided else None,
        at_s=end_s,
    )
    if record.stopped is None:
        return (voted,)
    stopped = Decision(
        kind="early_stop",
        chosen="stop",
        alternatives=tuple(f"wait for {name}" for name in (*record.cancelled, *record.not_asked)),
        why=record.stopped,
        confidence=1.0 - record.error_bound,
        at_s=end_s,
    )
    return stopped, voted
