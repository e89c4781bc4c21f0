"""Queues of answers as JSON Lines, the labels that come back, and how far people and machine agree.

Called by ``crucible label``. Labels that were read are kept in ``labels.jsonl`` in the run's folder; a
label of the same person for the same answer takes the place of the earlier one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ...messages.base import Message
from ...messages.errors import DatasetError, InputError
from ..reports.files import write_whole
from ..reports.text import encode_json
from ..statistics.agreement import cohens_kappa, krippendorff_alpha
from ..statistics.answers import Figure
from .finished import FinishedRun
from .labelling import Label, LabelItem, Rule, Verdict, judged

__all__ = [
    "Agreement",
    "Labelled",
    "agreement",
    "export_queue",
    "import_labels",
    "page_labels",
    "put_label",
    "read_labels",
]

KEPT = "labels.jsonl"
FROM_PAGE = "page-labels.jsonl"
"""Lines of a queue that people filled in on the daemon's page."""


class Labelled(Message, frozen=True):
    """A label beside the verdict of the machine, None where that is not defined."""

    example: str
    system: str
    label: Label
    labeller: str
    machine: Verdict | None
    rule: Rule
    note: str = ""


class Agreement(Message, frozen=True):
    """People against the machine. ``table`` counts (label of a person, verdict of the machine)."""

    labels: int
    unsure: int
    without_verdict: int
    compared: int
    agreed: float | None
    kappa: Figure
    table: dict[str, int]
    between_people: Figure | None = None
    """Krippendorff's alpha over answers that several people labelled; None with one person."""


def export_queue(run: FinishedRun, chosen: Sequence[tuple[str, str]], rule: Rule, path: Path) -> int:
    """Write the lines of a queue; how many. Refuses to overwrite a file."""
    if path.exists():
        raise InputError(f"{path}: already exists; labels may be in it, so it is not overwritten")
    lines = []
    for example, system in chosen:
        sample = run.sample(example)
        item = LabelItem(
            example=example,
            system=system,
            rule=rule,
            input=sample.input,
            output=sample.outputs[system].text,
            reference=sample.reference,
        )
        lines.append(encode_json(item) + b"\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, b"".join(lines))
    return len(lines)


def read_labels(run: FinishedRun, path: Path) -> list[Labelled]:
    """The labels of a queue that people filled in; lines without a label are left out.

    Raises DatasetError, with the line, for what is no line of a queue of this run, and for two labels of
    one person for one answer.
    """
    known, found = set(run.ids), []
    seen: dict[tuple[str, str, str], int] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        item = _item(line, path, number)
        if item.example not in known:
            raise _fault(path, number, "example", f"the run has no example {item.example!r}")
        sample = run.sample(item.example)
        if item.system not in sample.outputs:
            had = ", ".join(map(repr, sample.outputs))
            raise _fault(path, number, "system", f"expected one of {had}, got {item.system!r}")
        if item.label is None:
            continue
        first = seen.setdefault((item.example, item.system, item.labeller), number)
        if first != number:
            raise _fault(path, number, "label", f"line {first} already has a label for this answer")
        found.append(
            Labelled(
                example=item.example,
                system=item.system,
                label=item.label,
                labeller=item.labeller,
                machine=judged(sample, item.system, item.rule),
                rule=item.rule,
                note=item.note,
            )
        )
    return found


def import_labels(run: FinishedRun, path: Path) -> list[Labelled]:
    """Read labels, keep them with those that the run's folder has already, and give all of them."""
    kept = {}
    store = run.folder / KEPT
    new = read_labels(run, path)
    if store.exists():
        for number, line in enumerate(_lines(store), start=1):
            try:
                label = msgspec.json.decode(line, type=Labelled)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise _fault(store, number, None, f"is not a label: {error}") from None
            kept[label.example, label.system, label.labeller] = label
    kept |= {(label.example, label.system, label.labeller): label for label in new}
    write_whole(store, b"".join(encode_json(label) + b"\n" for label in kept.values()))
    return list(kept.values())


def page_labels(folder: Path) -> list[LabelItem]:
    """Labels that were given on the daemon's page, the earliest first."""
    path = folder / FROM_PAGE
    if not path.exists():
        return []
    return [_item(line, path, number) for number, line in enumerate(_lines(path), start=1)]


def put_label(folder: Path, item: LabelItem) -> list[LabelItem]:
    """Add a label, in the place of the same person's for the same answer; without one, take that back."""
    mine = (item.example, item.system, item.labeller)
    kept = [each for each in page_labels(folder) if (each.example, each.system, each.labeller) != mine]
    if item.label is not None:
        kept.append(item)
    write_whole(folder / FROM_PAGE, b"".join(encode_json(each) + b"\n" for each in kept))
    return kept


def agreement(labels: Sequence[Labelled]) -> Agreement:
    """Kappa of people against the machine over the answers that both judged; unsure is no judgement."""
    sure = [label for label in labels if label.label != "unsure"]
    both = [(label.label, label.machine) for label in sure if label.machine is not None]
    order: tuple[Verdict, ...] = ("accept", "reject")
    return Agreement(
        labels=len(labels),
        unsure=len(labels) - len(sure),
        without_verdict=len(sure) - len(both),
        compared=len(both),
        agreed=sum(one == other for one, other in both) / len(both) if both else None,
        kappa=cohens_kappa([one for one, _ in both], [other for _, other in both], categories=order),
        table={f"{one}/{other}": n for (one, other), n in sorted(Counter(both).items())},
        between_people=_between_people(sure),
    )


def _between_people(labels: Sequence[Labelled]) -> Figure | None:
    people = sorted({label.labeller for label in labels})
    if len(people) < 2:
        return None
    given = {(label.labeller, label.example, label.system): label.label for label in labels}
    answers = sorted({(label.example, label.system) for label in labels})
    return krippendorff_alpha([[given.get((one, *answer)) for answer in answers] for one in people])


def _lines(path: Path) -> Iterable[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _item(line: bytes, path: Path, number: int) -> LabelItem:
    try:
        return msgspec.json.decode(line, type=LabelItem)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _fault(path, number, None, f"is not a line of a queue: {error}") from None


def _fault(path: Path, line: int, field: str | None, message: str) -> DatasetError:
    return DatasetError(message, source=str(path), line=line, field=field)
