"""Traces to read: one that is sound, and names that would like to be syntax."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crucible.adapters.tracing import PerfettoExporter, StoredTrace
from crucible.messages.trace import Decision, Span

HOSTILE = (
    "end",
    "title x",
    "a:done, x, 0\n    click y",
    '"]; click n1 "javascript:alert(1)',
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "%%{init: {}}%% #quot; ;",
    "a-->b ->> c",
    "\x1b[31m\u202ereversed\u200b",
    "`${alert(1)}`\u2028",
    "",
)


def span(number: int, kind: Any = "request", name: str = "model", **changes: Any) -> Span:
    """A span of 0.1 s in backend_call, below the stage with id 2."""
    fields: dict[str, Any] = {
        "id": number, "name": name, "kind": kind, "start_s": 0.1 * number, "end_s": 0.1 * number + 0.1,
        "parent_id": 2, "lane": "backend_call/0", "attributes": {"example": f"e{number}"},
    }  # fmt: skip
    return Span(**(fields | changes))


def raced() -> list[Span]:
    """A run with a stage, a plain request and one that is raced; in the order they are written."""
    hedged = Decision(
        kind="hedge", chosen="duplicate when late", alternatives=("no duplicate",),
        why="late is after 0.02 s", confidence=0.95, at_s=0.4,
    )  # fmt: skip
    won = Decision(
        kind="race", chosen="hedge model", alternatives=("first model",), why="first acceptable answer"
    )
    call = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m"}
    late = {"error": "TimedOutError: no answer", "error.type": "TimedOutError"}
    used = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, "cost_usd": 0.5}
    return [
        span(1, "run", "race me", parent_id=None, lane="run", status="open", start_s=0.0, end_s=0.0,
             attributes={"run": "r", "started_at": "2026-01-02T03:04:05+00:00"}),
        span(2, "stage", "backend_call", parent_id=1, lane="backend_call", status="open", start_s=0.2,
             end_s=0.2),
        span(3, attributes={"example": "e3", **call, **used}),
        span(6, "hedge", "hedge model", parent_id=4, lane="backend_call/0 hedge", start_s=0.42, end_s=0.48,
             attributes={"example": "e4", **call, **used}),
        span(4, start_s=0.4, end_s=0.481, decisions=(hedged, won)),
        span(5, "attempt", "first model", parent_id=4, start_s=0.4, end_s=0.9, status="cancelled",
             attributes={"example": "e4", "loser": True, **call}),
        span(7, start_s=0.5, end_s=0.6, status="error", attributes={"example": "e7", **late}),
        span(2, "stage", "backend_call", parent_id=1, lane="backend_call", start_s=0.2, end_s=1.0,
             attributes={}),
        span(1, "run", "race me", parent_id=None, lane="run", start_s=0.0, end_s=1.2,
             attributes={"run": "r", "started_at": "2026-01-02T03:04:05+00:00"}),
    ]  # fmt: skip


def hostile() -> list[Span]:
    """As ``raced``, with foreign text wherever there is text."""
    parts = [each for each in raced() if each.kind in ("run", "stage") and each.status != "open"]
    for number, text in enumerate(HOSTILE, start=10):
        told = Decision(kind=text, chosen=text, alternatives=(text,), why=text, subject=text)
        attributes = {"example": text, "error": text, "error.type": text, text: [text, {text: text}]}
        parts.insert(0, span(number, name=text, start_s=0.3, end_s=0.4, lane=text, attributes=attributes,
                             decisions=(told,), status="error"))  # fmt: skip
        parts.insert(0, span(number + 50, "attempt", text, parent_id=number, start_s=0.3, end_s=0.4,
                             attributes=attributes, status="error"))  # fmt: skip
    return parts


def stored(folder: Path, spans: Sequence[Span], name: str = "trace.json") -> StoredTrace:
    """A run folder with these spans."""
    folder.mkdir(parents=True, exist_ok=True)
    exporter = PerfettoExporter(folder / name)
    exporter.export(spans)
    exporter.close()
    return StoredTrace(folder / name)
