"""From the body of a request to an experiment that may be queued: parsed, bounded, allowed, and checked.

The body is the experiment itself, as JSON or TOML, so that the line of a problem is the line of the file that
was sent. All that belongs to the queue (priority, owner, ...) stands beside it, in the query.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException

from ...messages.draft import Broken, Draft, decode_draft
from ...messages.errors import ExperimentError, InputError, Problem
from ...messages.experiment import Experiment
from ...messages.experiment_file import Document, Syntax, encode_experiment, parse_document
from ...messages.settings import Settings
from ...preflight import examine
from .allowed import default_base, forbidden

__all__ = ["Submission", "label_of", "labels_of", "read_submission"]

SYNTAXES: dict[str, Syntax] = {"application/json": "json", "application/toml": "toml", "text/toml": "toml"}


class Submission(msgspec.Struct, frozen=True):
    """An experiment that may be queued."""

    experiment: Experiment
    spec: bytes
    spec_hash: str
    base: str


async def read_submission(
    request: Request[Any, Any, Any], settings: Settings, base: str | None
) -> Submission:
    """The experiment in the body; raises ExperimentError with every problem at once.

    Everything here but the reading is done in a thread: a body may take long to parse, and preflight checks
    look at files.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    syntax = SYNTAXES.get(media_type)
    if syntax is None:
        told = media_type or "none"
        raise HTTPException(
            status_code=415, detail=f"expected Content-Type application/json or application/toml, got {told}"
        )
    body = await request.body()
    return await asyncio.to_thread(_checked, body, syntax, settings, base)


def _checked(body: bytes, syntax: Syntax, settings: Settings, base: str | None) -> Submission:
    document = parse_document(
        body, source="experiment", syntax=syntax, max_depth=settings.limits.max_spec_depth
    )
    stages = document.data.get("pipeline")
    if isinstance(stages, list) and len(stages) > settings.limits.max_stages:
        text = f"has {len(stages)} stages: limits.max_stages allows {settings.limits.max_stages}"
        raise ExperimentError(document.located([Problem("pipeline", text)]))
    draft = decode_draft(document.data)
    folder = default_base(settings.api) if base is None else _folder(base)
    _examine(draft, folder, settings, document, base_given=base is not None)
    spec = encode_experiment(draft.experiment)
    return Submission(draft.experiment, spec, sha256(spec).hexdigest(), str(folder))


def _examine(draft: Draft, base: Path, settings: Settings, document: Document, *, base_given: bool) -> None:
    """Raise everything that can be said against the experiment without opening its data."""
    refused = forbidden(draft.experiment, base, settings.api, base_given=base_given)
    refused = Broken(draft.broken).without_follow_ups(refused)
    found = list(draft.problems)
    if not any(problem.path.startswith("reliability.ensemble.") for problem in refused):
        _, found = examine(draft, base=base, files=False)  # it would import a function by its name
    if refused or found:
        raise ExperimentError(document.located(list(dict.fromkeys([*refused, *found]))))


def _folder(text: str) -> Path:
    folder = Path(text)
    try:
        if folder.is_absolute() and folder.is_dir():
            return folder
    except (OSError, ValueError):
        pass
    told = "the daemon's user sees no such folder" if text.startswith("/") else "is no absolute path"
    raise InputError(f"base: {told}: {text[:200]!r}: expected a folder on the daemon's machine")


def labels_of(pairs: list[str] | None) -> dict[str, str]:
    """``name:value`` of each label; InputError for another form."""
    labels = {}
    for pair in pairs or []:
        name, colon, value = pair.partition(":")
        if not (name and colon) or len(pair) > 400 or not pair.isprintable():
            raise InputError("label: expected NAME:VALUE in printable characters, 400 at most")
        labels[name] = value
    if len(labels) > 32:
        raise InputError("label: expected at most 32 labels")
    return labels


def label_of(pair: str | None) -> tuple[str, str] | None:
    """Name and value of one label; None without one. InputError for another form."""
    return next(iter(labels_of([pair] if pair else None).items()), None)
