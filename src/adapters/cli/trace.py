"""``crucible trace``: figures, queries, checks, comparisons and exports of a run's trace."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter

if TYPE_CHECKING:
    from ..tracing.query import Query
    from ..tracing.stored import StoredTrace

__all__ = ["trace"]

Flag = Parameter(negative="")
Format: TypeAlias = Literal["html", "mermaid", "sequence", "timeline", "perfetto", "json", "otlp"]
RUNS = Path("runs")


def trace(
    run: str,
    /,
    *,
    format_: Annotated[Format | None, Parameter(name="--format")] = None,
    where: Annotated[list[str] | None, Flag] = None,
    output: Path | None = None,
    check: Annotated[bool, Flag] = False,
    diff: str | None = None,
    endpoint: str | None = None,
    runs: Path = RUNS,
) -> int:
    """Say what is in the trace of a run, or export it.

    Without an option: figures of all spans. With --where alone: the spans that it means, one a line.

    Args:
        run: Folder of a run, its id, or a trace file.
        format_: html is a page to search and filter; mermaid, sequence and timeline are Mermaid diagrams;
            perfetto is for ui.perfetto.dev; json is a list of spans; otlp sends them to a collector.
        where: Condition that spans must meet, such as kind=hedge,vote, duration>2s, text~time.?out or
            confidence<0.7; may be repeated, then all must hold.
        output: File to write instead of stdout.
        check: Look for parents that are missing, cycles, and parts that lie outside their whole; exit
            code 1 when there are any.
        diff: Another run: what it has that this one has not, what it lacks, what changed.
        endpoint: Address for otlp; default: OTEL_EXPORTER_OTLP_ENDPOINT, or http://localhost:4318.
        runs: Folder that ids of runs are looked up in.
    """
    from ...messages.errors import InputError
    from ..tracing.query import Query
    from ..tracing.stored import find_trace

    asked = [f"--{name}" for name, on in (("check", check), ("diff", diff), ("format", format_)) if on]
    if len(asked) > 1:
        raise InputError(f"trace: expected one of {' and '.join(asked)}")
    if endpoint is not None and format_ != "otlp":
        raise InputError("trace: --endpoint is for --format otlp")
    if output is not None and format_ == "otlp":
        raise InputError("trace: --output is for files, and --format otlp writes none")
    if check and where:
        raise InputError("trace: --check looks at all spans, without --where")
    query, found = Query(where or ()), find_trace(run, runs)
    if format_ == "otlp":
        return _send(found, query, endpoint)
    if format_ is not None:
        from ..tracing.exports import FORMATS

        _write(FORMATS[format_](found, query), output)
        return 0
    if check:
        return _check(found, output)
    other = None if diff is None else find_trace(diff, runs)
    _write_lines(_told(found, query, other), output)
    return 0


def _told(found: StoredTrace, query: Query, other: StoredTrace | None) -> Iterator[str]:
    from ..tracing import text

    if other is not None:
        from ..tracing.diff import diff_traces

        spans = (query.select(each.spans()) for each in (found, other))
        yield from text.diff_lines(diff_traces(*spans))
    elif query.conditions:
        for span in query.select(found.spans()):
            yield from text.span_lines(span)
    else:
        from ..tracing.summary import summarize

        summary = summarize(found.spans())
        yield from text.summary_lines(summary, cut_off=found.cut_off)


def _check(found: StoredTrace, output: Path | None) -> int:
    from ..tracing.relations import check_relations
    from ..tracing.text import relation_lines

    relations = check_relations(found)
    _write_lines(relation_lines(found.path, relations), output)
    return 1 if relations.count else 0


def _send(found: StoredTrace, query: Query, endpoint: str | None) -> int:
    from ..tracing.otlp import send_otlp

    print(f"{send_otlp(found, query, endpoint=endpoint)} spans sent")
    return 0


def _write_lines(lines: Iterable[str], output: Path | None) -> None:
    _write((f"{line}\n".encode(errors="replace") for line in lines), output)


def _write(pieces: Iterable[bytes], output: Path | None) -> None:
    """To stdout, or to a file that has its name only once it is whole."""
    if output is None:
        for piece in pieces:
            sys.stdout.write(piece.decode())
        return
    from ..tracing.whole import WholeFile

    file = WholeFile(output, "text/plain")
    try:
        for piece in pieces:
            file.write(piece)
        file.finish()
    finally:
        file.abandon()
