"""A trace as one HTML file that needs nothing else: tree, time bars, search, filters.

Spans are embedded as data that the page's own script turns into text nodes, never into markup; a content
security policy allows that script and style by their hashes and nothing more, so no text of a run can do
anything. The page draws only the rows in view. Written as the spans are read; ``MAX_SPANS`` at most, and the
page says how many are left out.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec

from ....messages.trace import Span
from ..query import Query, stage_of
from ..stored import StoredTrace

__all__ = ["MAX_SPANS", "viewer"]

MAX_SPANS = 200_000
CHUNK = 1_000
ALWAYS = ("run", "stage")

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; \
style-src 'sha256-{css_hash}'; script-src 'sha256-{js_hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Trace</title>
<style>{css}</style>
</head>
{body}
<script type="application/json" id="spans">[
"""

TAIL = b"""
]</script>
<script type="application/json" id="facts">%s</script>
<script>%s</script>
</html>
"""


def viewer(trace: StoredTrace, query: Query, *, max_spans: int = MAX_SPANS) -> Iterator[bytes]:
    """The page in pieces: the spans that are meant, and always the run and its stages."""
    css, js, body = (_asset(name) for name in ("viewer.css", "viewer.js", "viewer.html"))
    head = HEAD.format(css_hash=_hash(css), js_hash=_hash(js), css=css, body=body)
    strings: dict[str, int] = {}
    shown = total = 0
    piece: list[bytes] = [head.encode()]
    for span in trace.spans():
        wanted = span.kind in ALWAYS or query.matches(span)
        total += wanted
        if wanted and (shown < max_spans or span.kind in ALWAYS):
            piece.append((b",\n" if shown else b"") + _json(_row(span, strings)))
            shown += 1
            if len(piece) == CHUNK:
                yield b"".join(piece)
                piece = []
    facts = {
        "strings": list(strings),
        "total": total,
        "cutOff": trace.cut_off,
        "conditions": query.conditions,
    }
    yield b"".join(piece) + TAIL % (_json(facts), js.encode())


def _row(span: Span, strings: dict[str, int]) -> list[Any]:
    """A span as a list; words that come again and again are numbers."""
    words = (span.name, span.kind, stage_of(span), span.lane, span.status)
    numbers = [strings.setdefault(word, len(strings)) for word in words]
    times = [round(1e6 * span.start_s), round(1e6 * (span.end_s - span.start_s))]
    row: list[Any] = [span.id, span.parent_id, *times, *numbers, span.attributes]
    return [*row, span.decisions] if span.decisions else row


def _json(content: Any) -> bytes:
    """JSON that cannot end the script element that it stands in."""
    return msgspec.json.encode(content).replace(b"<", b"\\u003c")


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
