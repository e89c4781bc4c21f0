"""From what came of a request to the output of its row. Pure functions, called by the asker."""

from __future__ import annotations

from ..messages.records import Example, Output, Race
from .limits import Answer
from .systems import SystemSpec

__all__ = ["answer_output", "was_not_asked"]


def was_not_asked(output: Output) -> bool:
    """Whether there was no money for it, or for a member of it."""
    members = output.ballots.members if output.ballots is not None else ()
    return any(each.finish_reason == "not_asked" for each in (output, *members))


def answer_output(spec: SystemSpec, example: Example, answer: Answer, race: Race | None = None) -> Output:
    """The output; ``race`` when the request was raced."""
    if answer.reply is None or not answer.reply.completions:
        return Output(
            example_id=example.id,
            system=spec.name,
            backend=spec.backend_id,
            finish_reason="not_asked" if "BudgetError: " in (answer.error or "") else "error",
            attempts=answer.attempts,
            latency_s=answer.latency_s,
            error=answer.error or "BackendError: the reply holds no completion",
            race=race,
        )
    first = answer.reply.completions[0]
    return Output(
        example_id=example.id,
        system=spec.name,
        backend=spec.backend_id,
        text=first.text,
        finish_reason=first.finish_reason,
        confidence=first.confidence,
        attempts=answer.attempts,
        latency_s=answer.latency_s,
        first_token_s=answer.reply.first_token_s,
        usage=answer.reply.usage,
        cost_usd=answer.reply.cost_usd,
        race=race,
    )
