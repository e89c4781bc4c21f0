"""Labels that people give to answers on the page, kept as the queue that ``crucible label import`` reads.

They stand in ``page-labels.jsonl`` in the folder of a finished run, one line for each answer and person,
under the rule that ``crucible label export`` uses without options. Importing them, and saying how far people
and machine agree, is left to the command.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import JSONBody, PathParameter

from ...messages.base import Message
from ...messages.errors import ConflictError, NotFoundError
from ..cns.flags import FlagThresholds
from ..runs.label_files import page_labels, put_label
from ..runs.labelling import Label, LabelItem, rule_of
from ..runs.pages import SamplePage, SamplesWanted
from .openapi import answers
from .parameters import RunId
from .services import Served, Services

__all__ = ["HANDLERS", "LabelRequest"]

Place = Annotated[int, PathParameter(ge=0, le=2**53, description="Place of the sample, from 0.")]
_DECODER = msgspec.json.Decoder(SamplePage)


class LabelRequest(Message, frozen=True):
    """What somebody thinks of an answer; ``label`` null takes back what they thought before."""

    system: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    label: Label | None
    labeller: Annotated[str, msgspec.Meta(max_length=200)] = ""
    note: Annotated[str, msgspec.Meta(max_length=2000)] = ""


@post(
    "/runs/{run_id:str}/samples/{place:int}/labels",
    status_code=200,
    responses=answers({}, 404, 409, 413, 422),
    operation_id="label_answer",
)
async def label(
    services: Served, run_id: RunId, place: Place, data: JSONBody[LabelRequest]
) -> list[LabelItem]:
    """Label an answer of a finished run; the labels of its sample after that."""
    await services.store.run(run_id)
    async with services.labelling:
        return await asyncio.to_thread(_label, services, run_id, place, data)


def _label(services: Services, run_id: str, place: int, asked: LabelRequest) -> list[LabelItem]:
    folder = services.runs_folder / run_id
    page = _DECODER.decode(services.samples.page(folder, SamplesWanted(), start=place, limit=1))
    if not page.finished:
        raise ConflictError(f"run {run_id}: has not ended: its answers may still change")
    if not page.samples:
        raise NotFoundError(f"run {run_id} has {page.total} samples, none at place {place}")
    [sample] = page.samples
    if asked.system not in sample.outputs:
        had = ", ".join(map(repr, sample.outputs))
        raise NotFoundError(f"sample {sample.id!r}: expected a system of {had}, got {asked.system!r}")
    item = LabelItem(
        example=sample.id,
        system=asked.system,
        rule=rule_of(None, 0.5, FlagThresholds()),
        input=sample.input,
        output=sample.outputs[asked.system].text,
        reference=sample.reference,
        label=asked.label,
        labeller=" ".join(asked.labeller.split()),
        note=asked.note,
    )
    return [each for each in put_label(folder, item) if each.example == sample.id]


@get("/runs/{run_id:str}/labels", responses=answers({}, 404), operation_id="list_labels")
async def labels(services: Served, run_id: RunId) -> list[LabelItem]:
    """Labels that were given on the page."""
    await services.store.run(run_id)
    return await asyncio.to_thread(page_labels, services.runs_folder / run_id)


HANDLERS = [label, labels]
