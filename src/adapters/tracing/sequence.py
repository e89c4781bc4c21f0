"""The slowest questions of a run as a Mermaid sequence diagram: who was asked when, and who answered.

A question is a vote with all its requests, or a request where nothing votes. Reads the trace three times and
keeps the spans of ``QUESTIONS`` questions only.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...messages.trace import Span
from .mermaid_text import inert_label
from .query import Query, example_of, stage_of
from .stored import StoredTrace
from .wording import time_text, titled

__all__ = ["QUESTIONS", "sequence"]

QUESTIONS = 10
MAX_SPANS = 400


class _Moment(NamedTuple):
    at_s: float
    order: int
    line: str


def sequence(trace: StoredTrace, query: Query, questions: int = QUESTIONS) -> str:
    """The diagram; the questions are the slowest of the spans that are meant."""
    votes = _slowest(query.select(trace.spans()), "vote", questions)
    asked = votes or _slowest(query.select(trace.spans()), "request", questions)
    below = _children(trace, {span.id for span in asked})
    further = _children(trace, {span.id for span in below if span.kind == "request"})
    known: dict[str, str] = {}
    body = list[str]()
    for question in sorted(asked, key=lambda span: span.start_s):
        parts = [span for span in below if span.parent_id == question.id]
        requests = [question] if question.kind == "request" else parts
        body.append(f"    Note over {_actor(stage_of(question), known)}: {_title(question)}")
        moments = list[_Moment]()
        for request in requests:
            calls = [span for span in (*parts, *further) if span.parent_id == request.id] or [request]
            for call in calls:
                moments += _moments(question, request, call, known)
        body += [moment.line for moment in sorted(moments)]
        for decision in question.decisions:
            told = f"{inert_label(decision.kind)} - {inert_label(decision.chosen)}"
            why = f" - {inert_label(decision.why)}" if decision.why else ""
            body.append(f"    Note right of {_actor(stage_of(question), known)}: {told}{why}")
    if not body:
        body.append(f"    Note over {_actor('run', known)}: no request or vote is meant")
    names = [f"    participant {actor} as {inert_label(name)}" for name, actor in known.items()]
    return "\n".join(["sequenceDiagram", *names, *body]) + "\n"


def _slowest(spans: Iterable[Span], kind: str, count: int) -> list[Span]:
    meant = (span for span in spans if span.kind == kind)
    return heapq.nlargest(count, meant, key=lambda span: span.end_s - span.start_s)


def _children(trace: StoredTrace, parents: set[int]) -> list[Span]:
    found = list[Span]()
    if parents:
        for span in trace.spans():
            if span.parent_id in parents:
                found.append(span)
                if len(found) == MAX_SPANS:
                    break
    return found


def _moments(question: Span, request: Span, call: Span, known: dict[str, str]) -> Iterator[_Moment]:
    stage, system = _actor(stage_of(question), known), _actor(request.name, known)
    what = call.name if call is not request else f"request {example_of(request)}"
    began = time_text(call.start_s - question.start_s)
    took = time_text(call.end_s - call.start_s)
    yield _Moment(call.start_s, call.id, f"    {stage}->>{system}: {inert_label(what)} at {began}")
    if call.status == "cancelled":
        yield _Moment(call.end_s, call.id, f"    {stage}-x{system}: cancelled after {took}")
    elif call.status == "error":
        error = inert_label(str(call.attributes.get("error.type", "error")))
        yield _Moment(call.end_s, call.id, f"    {system}--x{stage}: {error} after {took}")
    else:
        yield _Moment(call.end_s, call.id, f"    {system}-->>{stage}: {call.status} after {took}")


def _title(question: Span) -> str:
    took = time_text(question.end_s - question.start_s)
    named = f"{titled(question.kind, question.name)} {example_of(question)}"
    return f"{inert_label(named)} at {question.start_s:.3f} s - {took}"


def _actor(name: str, known: dict[str, str]) -> str:
    return known.setdefault(name or "run", f"p{len(known)}")
