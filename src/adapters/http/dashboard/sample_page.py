"""The sample browser: a page of samples by filter, and one sample with its answers beside the reference."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import msgspec

from ....messages.errors import NotFoundError
from ....messages.records import Output
from ...cns.flags import FlagThresholds
from ...cns.parser import read_answer
from ...reports.samples import SampleLine
from ...runs.label_files import page_labels
from ...runs.labelling import flag_sample
from ...runs.pages import SamplePage, SamplesWanted
from ..services import Services
from .diffing import Piece, word_diff
from .drawing import ClaimGraph, claim_graph
from .experiments import compared, read_experiment

__all__ = ["answer_view", "one_context", "samples_context", "shared_start"]

PAGE = 25
LONG_START = 40
_DECODER = msgspec.json.Decoder(SamplePage)
MOST_TEXT = 100_000
"""Longer answers are shown cut; the file has them whole."""


@dataclass(frozen=True)
class AnswerView:
    """One system's answer to a sample."""

    system: str
    output: Output
    text: str
    cut: bool
    diff: tuple[Piece, ...]
    graph: ClaimGraph | None
    problems: tuple[str, ...]
    """What the claim grammar says of it."""
    scores: tuple[tuple[str, float | None, str], ...]
    flags: tuple[str, ...]
    """Why somebody should look at it."""

    @property
    def same(self) -> bool:
        """Whether there is a reference that it does not differ from."""
        return bool(self.diff) and all(piece.kind == "same" for piece in self.diff)


def answer_view(line: SampleLine, system: str) -> AnswerView:
    """An answer, its difference from the reference, its claims drawn, its scores with their methods."""
    output = line.outputs[system]
    text = output.text[:MOST_TEXT]
    strict, lenient = read_answer(text)
    graph = claim_graph(
        [(claim.id, claim.text) for claim in lenient.claims],
        [(relation.source, relation.label, relation.target) for relation in lenient.relations],
    )
    reference = line.reference
    methods = line.methods.get(system, {})
    flag = flag_sample(line, system, FlagThresholds())
    return AnswerView(
        system=system,
        output=output,
        text=text,
        cut=len(output.text) > MOST_TEXT,
        diff=() if reference is None or output.error else tuple(word_diff(text, reference[:MOST_TEXT])),
        graph=graph,
        problems=tuple(f"line {each.line}: {each.message}" for each in strict.diagnostics) if graph else (),
        scores=tuple(
            (name, value, methods.get(name, "")) for name, value in line.scores.get(system, {}).items()
        ),
        flags=() if flag is None else tuple(issue.message for issue in flag.issues),
    )


def shared_start(texts: Sequence[str]) -> int:
    """How many characters all texts begin with, if a list has no room for them: whole lines, else words."""
    if len(set(texts)) < 2:
        return 0
    first, last = min(texts), max(texts)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    for end in ("\n", " "):
        shared = first.rfind(end, 0, same) + 1
        if shared >= LONG_START:
            return shared
    return 0


async def samples_context(
    services: Services, run_id: str, wanted: SamplesWanted, *, start: int
) -> dict[str, Any]:
    """A page of samples, with the scores that were asked for or compared. Raises NotFoundError."""
    run = await services.store.run(run_id)
    try:
        page = await _page(services, run_id, wanted, start=start, limit=PAGE)
    except NotFoundError as error:
        return {
            "run": run,
            "page": None,
            "reason": str(error),
            "wanted": wanted,
            "systems": [],
            "metrics": [],
        }
    systems = list(dict.fromkeys(name for line in page.samples for name in line.outputs))
    metrics = list(
        dict.fromkeys(metric for line in page.samples for scores in line.scores.values() for metric in scores)
    )
    shown = [name for name in compared(await read_experiment(services, run_id)) if name in metrics]
    return {
        "run": run,
        "page": page,
        "lines": list(zip(page.places, page.samples, strict=True)),
        "wanted": wanted,
        "systems": systems,
        "metrics": metrics,
        "shared": shared_start([line.input for line in page.samples]),
        "shown_metrics": [wanted.metric] if wanted.metric in metrics else shown[:2] or metrics[:2],
        "reason": "",
    }


async def one_context(services: Services, run_id: str, place: int) -> dict[str, Any]:
    """One sample by its place. Raises NotFoundError."""
    run = await services.store.run(run_id)
    page = await _page(services, run_id, SamplesWanted(), start=place, limit=1)
    if not page.samples:
        raise NotFoundError(f"run {run_id} has {page.total} samples, none at place {place}")
    [line] = page.samples
    answers = await asyncio.to_thread(lambda: [answer_view(line, system) for system in line.outputs])
    wanted = compared(await read_experiment(services, run_id))
    given = await asyncio.to_thread(page_labels, services.runs_folder / run_id)
    return {
        "run": run,
        "line": line,
        "finished": page.finished,
        "labels": [each for each in given if each.example == line.id],
        "place": place,
        "total": page.total,
        "answers": answers,
        "compared": wanted,
        "flagged": [verdict for verdict in line.verdicts if verdict.flagged],
    }


async def _page(
    services: Services, run_id: str, wanted: SamplesWanted, *, start: int, limit: int
) -> SamplePage:
    def read() -> SamplePage:
        folder = services.runs_folder / run_id
        raw = services.samples.page(folder, wanted, start=start, limit=limit)
        return _DECODER.decode(raw)

    return await asyncio.to_thread(read)
