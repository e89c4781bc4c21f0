"""``crucible train``: a training job from a file of objects or of prompts and completions."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from .pipes import quiet_pipe

if TYPE_CHECKING:
    from ...messages.claims import Sno
    from ...messages.experiment import DatasetRef, Experiment
    from ...training import PreparedDataset

__all__ = ["train"]

Shares = tuple[float, float, float]


def train(
    file: Path,
    /,
    *,
    target: Literal["proposer", "antagonist", "synthesizer"] = "synthesizer",
    backend: str = "extractive",
    base_model: str | None = None,
    baseline: Annotated[list[str] | None, Parameter(negative="")] = None,
    format_: Annotated[Literal["dialectical", "qa", "nli"], Parameter(name="--format")] = "dialectical",
    evidence: bool = True,
    split: Shares = (0.8, 0.1, 0.1),
    group_by: str | None = None,
    epochs: int = 3,
    batch_size: int = 8,
    learning_rate: float = 2e-4,
    seed: int = 0,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    experiment: Annotated[bool, Parameter(negative="")] = False,
    out: Path = Path("runs"),
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Train a model on a file, measure it on the rows held back, and say what came of it.

    Args:
        file: Rows with prompt and completion, JSON Lines or CSV; or claims with their evidence, JSON Lines.
        target: What the model is trained to be; it decides which modules local LoRA adapts.
        backend: extractive, local, tinker or a plug-in.
        base_model: Model to fine-tune, as local and tinker name it; other backends bring their own.
        baseline: Backend asked the same rows, for example lead; may be repeated.
        format_: What is asked about each object; rows have their own prompts.
        evidence: Put the evidence of an object into its prompt.
        split: Shares of train, validation and test.
        group_by: Rows that share a value of this key stay in one split; of objects: source or a metadata key.
        epochs: Passes over the training rows.
        batch_size: Rows per optimiser step.
        learning_rate: Peak learning rate.
        seed: Seed of the split, of the order and of the model.
        set_: Override a value of the experiment, as for run; may be repeated.
        experiment: Print the experiment as JSON instead of running it.
        out: Folder that gets a folder for this run.
        json: Print one JSON object and nothing else on stdout.
        quiet: No progress.
    """
    from ...messages.experiment import BackendRef
    from ...training import build_experiment

    made: dict[str, Any] = {"format": format_, "include_evidence": evidence}
    job = build_experiment(
        _dataset(file, split, group_by, seed, made),
        target=target,
        backend=backend,
        base_model=_base_model(base_model, backend),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        baselines=tuple(BackendRef(id=name) for name in baseline or ()),
    )
    with _told_by_option(set_ or []):
        job = _changed(job, set_ or [])
        if experiment:
            return _print(job)
        return _run(job, file.parent, out, json=json, quiet=quiet)


def _base_model(given: str | None, backend: str) -> str:
    from ...messages.errors import InputError
    from ...training.experiment import BASE_MODEL, LORA

    if given is not None and backend not in (*LORA, "tinkex"):
        raise InputError(f"--base-model: is for the backends {' and '.join(LORA)}, not for {backend!r}")
    return given or BASE_MODEL


OPTIONS = {
    "seed": "--seed",
    "backend.id": "--backend",
    "backend.options.base_model": "--base-model",
    "backend.options.epochs": "--epochs",
    "backend.options.batch_size": "--batch-size",
    "backend.options.learning_rate": "--learning-rate",
}
"""Where a value of the experiment comes from."""
_BASELINE = re.compile(r"baselines\[\d+\]\.id")


@contextlib.contextmanager
def _told_by_option(overrides: list[str]) -> Iterator[None]:
    """Problems with the experiment are told by the option that they come from."""
    from ...messages.errors import ExperimentError, Problem

    changed = {text.partition("=")[0].strip() for text in overrides}

    def told(problem: Problem) -> Problem:
        option = "--baseline" if _BASELINE.fullmatch(problem.path) else OPTIONS.get(problem.path)
        if problem.path in changed:
            option = f"--set {problem.path}"
        return problem if option is None else Problem(option, problem.message)

    try:
        yield
    except ExperimentError as error:
        raise ExperimentError([told(problem) for problem in error.problems]) from None


def _changed(job: Experiment, overrides: list[str]) -> Experiment:
    """The experiment with the values of ``--set``; raises ExperimentError with every problem."""
    import msgspec

    from ...messages.aliases import apply_aliases
    from ...messages.decoding import collect
    from ...messages.errors import ExperimentError
    from ...messages.experiment import Experiment
    from ...messages.overrides import apply_overrides

    data, _, problems = apply_overrides(_lists(msgspec.to_builtins(job)), overrides)
    if not problems:
        found, problems = collect(apply_aliases(data), Experiment)
        if found is not None:
            return found
    raise ExperimentError(problems)


def _lists(data: Any) -> Any:
    """The same with lists in the place of tuples, as a file has them: overrides reach into those."""
    if isinstance(data, dict):
        return {key: _lists(value) for key, value in data.items()}
    return [_lists(value) for value in data] if isinstance(data, (list, tuple)) else data


def _print(job: Experiment) -> int:
    """Print it, once backends and their options are what they should be; keys and libraries may miss."""
    from ... import registry
    from ...composition import collect_both
    from ...messages.errors import CrucibleError, ExperimentError, Problem
    from ...messages.experiment_file import encode_experiment
    from ...messages.training import TrainingConfig

    problems: list[Problem] = []
    refs = [("backend", job.backend)]
    refs += [(f"baselines[{number}]", ref) for number, ref in enumerate(job.baselines)]
    for path, ref in refs:
        try:
            known = registry.load("backend", ref.id)
        except CrucibleError as error:
            problems.append(Problem(f"{path}.id", str(error)))
        else:
            problems += collect_both(ref.options, TrainingConfig, known.Options, f"{path}.options")[2]
    if problems:
        raise ExperimentError(problems)
    with quiet_pipe(sys.stdout):
        sys.stdout.write(encode_experiment(job).decode() + "\n")
    return 0


def _run(job: Experiment, base: Path, out: Path, *, json: bool, quiet: bool) -> int:
    from .run import exit_code, run_watched
    from .summary import print_json, print_summary

    result, folder = asyncio.run(run_watched(job, base, out, view="none" if quiet else "auto"))
    with quiet_pipe(sys.stdout):
        if json:
            print_json(result)
        elif result.status == "completed":
            print_summary(result, folder)
    return exit_code(result)


def _dataset(
    file: Path, split: Shares, group_by: str | None, seed: int, options: dict[str, Any]
) -> PreparedDataset | DatasetRef:
    """Objects are prepared here; rows are read by the loader when the job runs."""
    from ...messages.experiment import DatasetRef
    from ...training.dataset import prepare_dataset, split_sizes

    split_sizes(1, split)  # refuses shares that are none
    snos = _objects(file)
    if snos is not None:
        return prepare_dataset(snos, split=split, seed=seed, group_by=_group(group_by), **options)
    names = ("train", "validation", "test")
    dealt: dict[str, Any] = dict(zip(names, split, strict=True))
    if group_by is not None:
        dealt["group_by"] = group_by
    provider = "csv" if file.name.removesuffix(".gz").endswith((".csv", ".tsv")) else "jsonl"
    return DatasetRef(
        name=file.stem, provider=provider, options={"path": str(file.resolve()), "split": dealt}
    )


def _group(key: str | None) -> Callable[[Sno], Iterable[str]] | None:
    if key is None:
        return None
    if key == "source":
        return lambda sno: [item.source for item in sno.evidence]
    return lambda sno: [str(sno.metadata[key])] if key in sno.metadata else []


def _objects(file: Path) -> list[Sno] | None:
    """The objects of a file; None when its first line is a row of another kind. Raises DatasetError."""
    import msgspec

    from ...messages.claims import Sno
    from ...messages.decoding import collect
    from ...messages.errors import DatasetError

    found: list[Sno] = []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = msgspec.json.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    if not found:
                        return None  # the loader says what is wrong with it
                    raise DatasetError(f"is not JSON: {error}", source=str(file), line=number) from None
                if not found and not (isinstance(row, dict) and "claim" in row and "prompt" not in row):
                    return None
                sno, problems = collect(row, Sno)
                if sno is None:
                    first = problems[0]
                    raise DatasetError(first.message, source=str(file), line=number, field=first.path)
                found.append(sno)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", source=str(file)) from None
    return found or None
