"""``crucible label``: doubtful answers of a run for people to judge, their labels back, and the flags."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from ...adapters.runs.finished import FinishedRun
    from ...adapters.runs.label_files import Agreement

__all__ = ["export", "flags", "take_in"]

Flag = Parameter(negative="")
QUEUE = "queue.jsonl"
"""Name of a queue in the folder of its run."""


def export(
    run: str,
    /,
    *,
    output: Path | None = None,
    size: int = 50,
    order: Literal["doubt", "flags", "random"] = "doubt",
    metric: str | None = None,
    threshold: float = 0.5,
    system: Annotated[list[str] | None, Flag] = None,
    seed: int = 0,
    runs: Path = Path("runs"),
) -> int:
    """Write answers to be labelled by people, the most doubtful first.

    Args:
        run: Folder or id of a finished run.
        output: JSON Lines file to write; default: queue.jsonl in the folder of the run. Fill in label:
            accept, reject or unsure.
        size: Most answers.
        order: doubt: scores closest to the threshold first. flags: gravest flags first. random: a seeded
            draw, the only order whose agreement speaks for the whole run.
        metric: The machine accepts what scores at least the threshold on this. Default: what has no flag.
        threshold: Of the metric.
        system: Only answers of this system; may be repeated.
        seed: Of the draw, and of the order of equals.
        runs: Folder in which ids of runs are looked for.
    """
    from ...messages.errors import InputError
    from ..cns.flags import FlagThresholds
    from ..runs.label_files import export_queue
    from ..runs.labelling import queue, rule_of

    if size < 1:
        raise InputError(f"--size: expected at least 1, got {size}")
    rule = rule_of(metric, threshold, FlagThresholds())
    opened = _open(run, runs)
    try:
        _known(opened, system or (), metric)
        samples = (opened.sample(id_) for id_ in opened.ids)
        chosen = queue(samples, rule, size=size, order=order, systems=system or (), seed=seed)
        output = opened.folder / QUEUE if output is None else output
        print(f"{output}: {export_queue(opened, chosen, rule, output)} answers to label")
    finally:
        opened.close()
    return 0


def take_in(
    run: str, labels: Path | None = None, /, *, json: Annotated[bool, Flag] = False, runs: Path = Path("runs")
) -> int:
    """Take labels in, keep them with the run, and say how far people and machine agree.

    Args:
        run: Folder or id of the run that the queue is from.
        labels: The queue with labels filled in; default: queue.jsonl in the folder of the run.
        json: Print one JSON object.
        runs: Folder in which ids of runs are looked for.
    """
    import msgspec

    from ..runs.label_files import agreement, import_labels, read_labels

    opened = _open(run, runs)
    try:
        labels = opened.folder / QUEUE if labels is None else labels
        is_untouched = not read_labels(opened, labels)
        found = agreement(import_labels(opened, labels))
    finally:
        opened.close()
    if is_untouched:
        told = 'set "label" to "accept", "reject" or "unsure" in its lines, and "labeller" to your name'
        print(f"crucible: {labels}: nothing is labelled yet: {told}", file=sys.stderr)
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    elif found.labels:
        _print(found)
    return 0


def flags(
    run: str,
    /,
    *,
    output: Path | None = None,
    system: Annotated[list[str] | None, Flag] = None,
    chirality: float = 0.55,
    high_chirality: float = 0.65,
    overlap: float = 0.20,
    entailment: float = 0.50,
    contradiction: float = 0.40,
    runs: Path = Path("runs"),
) -> int:
    """Say which answers of a run are suspicious, and why.

    Args:
        run: Folder or id of a finished run with claim metrics.
        output: JSON Lines file of the flags, one answer a line.
        system: Only answers of this system; may be repeated.
        chirality: From here both sides of an answer stand far apart.
        high_chirality: From here that is grave, with enough overlap.
        overlap: Share of the reference's documents that is enough.
        entailment: Below this the evidence is weak.
        contradiction: From here a hypothesis may contradict that of the reference.
        runs: Folder in which ids of runs are looked for.
    """
    from ...messages.decoding import decode_struct
    from ..cns.flags import FlagThresholds, flag_summary
    from ..reports.files import write_whole
    from ..reports.text import encode_json
    from ..runs.labelling import flag_sample

    given = {
        "chirality": chirality,
        "high_chirality": high_chirality,
        "overlap": overlap,
        "entailment": entailment,
        "contradiction": contradiction,
    }
    limits = decode_struct(given, FlagThresholds)
    opened = _open(run, runs)
    found, answers = [], 0
    try:
        _known(opened, system or (), None)
        for id_ in opened.ids:
            sample = opened.sample(id_)
            for name in sample.outputs:
                if not system or name in system:
                    answers += 1
                    flag = flag_sample(sample, name, limits)
                    found += [flag] if flag is not None else []
    finally:
        opened.close()
    if output is not None:
        write_whole(output, b"".join(encode_json(flag) + b"\n" for flag in found))
    print(json_text.dumps(flag_summary(found, answers), indent=1))
    return 0


def _open(run: str, runs: Path) -> FinishedRun:
    from ..runs.finished import find_run, open_run

    return open_run(find_run(run, under=runs))


def _known(run: FinishedRun, systems: list[str] | tuple[()], metric: str | None) -> None:
    """Refuse a system or a metric that the run's first sample does not have."""
    from ...messages.errors import InputError, near_match

    first = run.sample(run.ids[0])
    for name in systems:
        if name not in first.outputs:
            raise InputError(f"--system: {name!r} is not in this run, which has {', '.join(first.outputs)}")
    scored = dict.fromkeys(score for scores in first.scores.values() for score in scores)
    if metric is not None and metric not in scored:
        near = near_match(metric, scored)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"--metric: {metric!r} was not scored in this run{hint}")


def _print(found: Agreement) -> None:
    print(
        f"labels {found.labels}, of them unsure {found.unsure}; compared with the machine: {found.compared}"
    )
    if found.without_verdict:
        print(f"  without a verdict of the machine: {found.without_verdict}")
    for cell, count in found.table.items():
        person, machine = cell.split("/")
        print(f"  person {person}, machine {machine}: {count}")
    kappa = found.kappa
    if found.agreed is not None:
        print(f"agreed: {found.agreed:.1%}")
    if kappa.value is None:
        print(f"Cohen's kappa: not defined: {kappa.reason}")
    else:
        held = kappa.interval
        between = f" (95 % {held.low:.2f} to {held.high:.2f}, {held.method})" if held else f" ({kappa.notes})"
        print(f"Cohen's kappa: {kappa.value:.2f}{between}")
    alpha = found.between_people
    if alpha is not None:
        held = alpha.interval
        between = f" (95 % {held.low:.2f} to {held.high:.2f}, {held.method})" if held else f" ({alpha.notes})"
        shown = f"{alpha.value:.2f}{between}" if alpha.value is not None else f"not defined: {alpha.reason}"
        print(f"between people, Krippendorff's alpha: {shown} over {alpha.n} answers")
    print("a queue by doubt or flags holds the hard answers: its agreement is lower than that of the run")
