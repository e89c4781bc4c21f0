"""``crucible train``: a training job from a file of objects or of prompts and completions."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from .pipes import quiet_pipe
from .train_data import Shares, answers_are_claims, dataset_of

if TYPE_CHECKING:
    from ...messages.experiment import Experiment

__all__ = ["train"]


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
    input_key: str | None = None,
    output_key: str | None = None,
    split: Shares = (0.8, 0.1, 0.1),
    group_by: str | None = None,
    epochs: int = 3,
    batch_size: int = 8,
    learning_rate: float = 2e-4,
    seed: int = 0,
    metric: Annotated[list[str] | None, Parameter(negative="")] = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    experiment: Annotated[bool, Parameter(negative="")] = False,
    out: Path = Path("runs"),
    json: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="")] = False,
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
        input_key: Key or column that has the prompt of a row; default: prompt.
        output_key: Key or column that has its completion; default: completion.
        split: Shares of train, validation and test.
        group_by: Rows that share a value of this key stay in one split; of objects: source or a metadata key.
        epochs: Passes over the training rows.
        batch_size: Rows per optimiser step.
        learning_rate: Peak learning rate.
        seed: Seed of the split, of the order and of the model.
        metric: Metric compared with the baselines; may be repeated. Default of claims: sentence_f1,
            relation_accuracy, citation_f1, schema_compliance; of other answers: all that have a better side.
        set_: Override a value of the experiment, as for run; may be repeated.
        experiment: Print the experiment as JSON instead of running it.
        out: Folder that gets a folder for this run.
        json: Print one JSON object and nothing else on stdout.
        quiet: No progress.
        verbose: Print every score, not only those that were compared.
    """
    from ...messages.experiment import BackendRef
    from ...training import build_experiment

    made: dict[str, Any] = {"format": format_, "include_evidence": evidence}
    given = {"input_key": input_key, "output_key": output_key}
    keys = {name: key for name, key in given.items() if key is not None}
    build = partial(
        build_experiment,
        dataset_of(file, split, group_by, seed, keys, made),
        id_=_id(file),
        target=target,
        backend=backend,
        base_model=_base_model(base_model, backend),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        baselines=tuple(BackendRef(id=name) for name in baseline or ()),
        metrics=metric or (),
    )
    with _told_by_option(set_ or []):
        job = _changed(build(), set_ or [])
        if answers_are_claims(job) is False:
            job = _changed(build(claims=False), set_ or [])
        if experiment:
            return _print(job)
        return _run(job, file.parent, out, json=json, quiet=quiet, verbose=verbose)


def _id(file: Path) -> str:
    """The experiment is named after the file: letters, digits, ``.``, ``-`` and ``_`` of its name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.name.partition(".")[0]).strip("._-")
    return name[:LONGEST_ID] or "training"


def _base_model(given: str | None, backend: str) -> str:
    from ...messages.errors import InputError
    from ...training.experiment import BASE_MODEL, LORA

    if given is not None and backend not in (*LORA, "tinkex"):
        raise InputError(f"--base-model: is for the backends {' and '.join(LORA)}, not for {backend!r}")
    return given or BASE_MODEL


LONGEST_ID = 60
OPTIONS = {
    "seed": "--seed",
    "dataset.options.input_key": "--input-key",
    "dataset.options.output_key": "--output-key",
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


def _run(job: Experiment, base: Path, out: Path, *, json: bool, quiet: bool, verbose: bool) -> int:
    from .run import exit_code, run_watched
    from .summary import print_json, print_summary

    result, folder = asyncio.run(run_watched(job, base, out, view="none" if quiet else "auto"))
    with quiet_pipe(sys.stdout):
        if json:
            print_json(result)
        elif result.status == "completed":
            print_summary(result, folder, verbose=verbose)
    return exit_code(result)
