"""Everything that can be said against an experiment before anything is spent, in one go.

Called by ``composition.prepare`` for an experiment that decodes, and by ``loading`` and the API for a draft
of one that does not. Each part is checked as far as it is whole; ``Broken`` keeps what is not, so that no
error is told that only follows from another. Opens no data; whether its files are there is looked up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from . import registry
from .actors.ports import Preflight
from .composition import (
    Prepared,
    PreparedBackend,
    StageType,
    call_mode,
    collect_both,
    enabled_options,
    is_reliable,
)
from .messages.checks import check_experiment, check_secrets
from .messages.decoding import collect
from .messages.draft import Broken, Draft, as_far_as_it_decodes
from .messages.errors import CrucibleError, Problem
from .messages.experiment import BackendRef, Experiment, GuardrailConfig, StageDef
from .messages.paths import child, item
from .messages.training import TrainingConfig
from .metric_names import check_metric_names

__all__ = ["DATA_KEYS", "FOLDERS", "collected", "examine", "missing_file", "prepare_backend"]

RESERVED_OUTPUTS = {("run", "json"), ("trace", "json"), ("scores", "csv")}
DATA_KEYS = frozenset({"path", "claims", "corpus", "wiki"})
"""Options of the loaders that name what they read."""
FOLDERS = frozenset({"wiki", "folder"})


def examine(draft: Draft, *, base: Path | None = None, files: bool = True) -> tuple[Prepared, list[Problem]]:
    """What the options decode to, and every problem; only without problems may the first be run.

    ``files`` says whether the data files are looked up: not where they are on another machine.
    """
    experiment = draft.experiment
    prepared = Prepared(experiment=experiment, base=base or Path.cwd(), broken=Broken(draft.broken))
    problems = list(draft.problems)

    def check(part: Callable[..., list[Problem]], *arguments: Any) -> None:
        before = prepared.broken.copy()  # what the part itself finds broken is to be told
        problems.extend(before.without_follow_ups(part(*arguments)))

    kinds: dict[int, StageType] = {}
    check(_find_stages, prepared, kinds)
    check(check_experiment, experiment, prepared.broken)
    prepared.broken.add(problem.path for problem in check_secrets(experiment))
    check(_unavailable, prepared)
    check(_reserved_outputs, experiment)
    for index, kind in kinds.items():
        check(_prepare_stage, prepared, experiment.pipeline[index], kind, item("pipeline", index))
    if enabled_options(prepared, "dialectic") is not None:
        from .reliability.dialectic import check_dialectic

        check(check_dialectic, prepared)
    check(_prepare_dataset, prepared)
    if files:
        check(_missing_files, prepared)
    check(_prepare_backends, prepared)
    check(check_metric_names, prepared)
    if is_reliable(experiment):
        from .reliability import prepare_reliability

        check(prepare_reliability, prepared)
    return prepared, problems


def collected(
    prepared: Prepared, options: dict[str, Any], type_: type[msgspec.Struct], path: str
) -> tuple[Any, list[Problem]]:
    """Options as far as they decode, and their problems, whose places are noted as broken."""
    made, problems = collect(options, type_, path)
    return (made if not problems else _salvaged(prepared, options, type_, problems, path)), problems


def _salvaged(
    prepared: Prepared,
    options: dict[str, Any],
    type_: type[msgspec.Struct],
    problems: list[Problem],
    path: str,
) -> Any:
    made, broken = None, tuple(problem.path for problem in problems)
    with contextlib.suppress(TypeError, ValueError):  # a rule of the Struct itself: nothing can be made of it
        made, broken = as_far_as_it_decodes(options, type_, problems, path)
    prepared.broken.add(broken)
    return made


def _collected_both(
    prepared: Prepared,
    options: dict[str, Any],
    own_type: type[msgspec.Struct],
    other_type: type[msgspec.Struct],
    path: str,
    listed: str | None = None,
) -> tuple[Any, Any, list[Problem]]:
    own, other, problems = collect_both(options, own_type, other_type, path, listed)
    if problems:
        own = _salvaged(prepared, options, own_type, problems, path)
        other = _salvaged(prepared, options, other_type, problems, path)
    return own, other, problems


def _find_stages(prepared: Prepared, kinds: dict[int, StageType]) -> list[Problem]:
    """The kind of each stage, by its place in the pipeline."""
    problems = []
    for index, stage in enumerate(prepared.experiment.pipeline):
        path = f"{item('pipeline', index)}.name"
        if prepared.broken.covers(path):
            continue
        try:
            kinds[index] = registry.load("stage", stage.name)
        except CrucibleError as error:
            problems.append(Problem(path, str(error)))
    prepared.broken.add(problem.path for problem in problems)
    return problems


def _unavailable(prepared: Prepared) -> list[Problem]:
    """Stages that something needs. While one has no right name, none can be said to be missing."""
    experiment = prepared.experiment
    places = [item("pipeline", index) for index in range(len(experiment.pipeline))]
    if not prepared.broken.spares(*(f"{place}.{key}" for place in places for key in ("name", "enabled"))):
        return []
    if not prepared.enabled():
        return []  # which is told
    reliability = experiment.reliability
    problems = []
    enabled = {stage.name for stage in experiment.pipeline if stage.enabled}
    if "data_load" not in enabled:
        problems.append(Problem("pipeline", "expected an enabled stage data_load"))
    if "bench" in enabled and "backend_call" not in enabled:
        problems.append(Problem("pipeline", "bench compares outputs: expected an enabled stage backend_call"))
    if reliability.guardrails != GuardrailConfig() and "guardrails" not in enabled:
        text = "has no effect without the stage: expected an enabled stage guardrails"
        problems.append(Problem("reliability.guardrails", text))
    if reliability.fairness.enabled and "fairness" not in enabled:
        text = "has no effect without the stage: expected an enabled stage fairness"
        problems.append(Problem("reliability.fairness.enabled", text))
    return problems


def _reserved_outputs(experiment: Experiment) -> list[Problem]:
    return [
        Problem(
            f"{item('outputs', index)}.name",
            f"{output.name}.{ending} is written by every run: choose another",
        )
        for index, output in enumerate(experiment.outputs)
        for ending in output.formats
        if (output.name, ending) in RESERVED_OUTPUTS
    ]


def _prepare_stage(prepared: Prepared, stage: StageDef, kind: StageType, path: str) -> list[Problem]:
    own_type = kind.options()
    if kind.adapter is None:
        options = stage.options
        if stage.name == "guardrails":
            options, problems = _guard_defaults(prepared, own_type)
            if problems:
                return problems
            options |= stage.options
        elif stage.name == "fairness":
            defaults = prepared.experiment.reliability.fairness.options
            _, problems = collected(prepared, defaults, own_type, "reliability.fairness.options")
            if problems:
                return problems
            options = defaults | options
        own, problems = collected(prepared, options, own_type, f"{path}.options")
        prepared.stage_options[stage.name] = (own, None)
        return problems
    adapter_kind, key = kind.adapter
    own_choice = stage.options.get("adapter")
    chosen = own_choice or getattr(prepared.experiment, key)
    if not isinstance(chosen, str):
        _, problems = collected(prepared, {"adapter": chosen}, own_type, f"{path}.options")
        return problems
    if not own_choice and prepared.broken.covers(key):
        return []  # its options are unknown
    try:
        adapter = registry.load(adapter_kind, chosen)
    except CrucibleError as error:
        named = f"{path}.options.adapter" if own_choice else key
        prepared.broken.add([named])
        return [Problem(named, str(error))]
    own, theirs, problems = _collected_both(
        prepared, stage.options, own_type, adapter.Options, f"{path}.options"
    )
    prepared.stage_options[stage.name] = (own, (adapter, theirs))
    return problems


def _guard_defaults(prepared: Prepared, type_: type[msgspec.Struct]) -> tuple[dict[str, Any], list[Problem]]:
    """What ``[reliability.guardrails]`` sets for the stage; the stage's own options come on top of it."""
    from .adapters.guardrails.options import THRESHOLDS

    config = prepared.experiment.reliability.guardrails
    _, problems = collected(prepared, config.options, type_, "reliability.guardrails.options")
    strictest = min(config.profiles, key=THRESHOLDS.__getitem__)
    return {"profile": strictest, **config.options}, problems


def _prepare_dataset(prepared: Prepared) -> list[Problem]:
    ref = prepared.experiment.dataset
    if ref is None:
        return [Problem("dataset", "expected a table [dataset], key is missing")]
    if prepared.broken.covers("dataset.provider"):
        return []  # its options are unknown
    try:
        loader = registry.load("dataset provider", ref.provider)
    except CrucibleError as error:
        prepared.broken.add(["dataset.provider"])
        return [Problem("dataset.provider", str(error))]
    prepared.dataset_options, problems = collected(prepared, ref.options, loader.Options, "dataset.options")
    return problems


def _missing_files(prepared: Prepared) -> list[Problem]:
    """Of the loaders of Crucible; a plug-in's ``path`` may be anything."""
    ref = prepared.experiment.dataset
    if ref is None or not registry.is_built_in("dataset provider", ref.provider):
        return []
    return [
        Problem(child("dataset.options", key), told)
        for key, value in ref.options.items()
        if key in DATA_KEYS and isinstance(value, str) and value
        for told in missing_file(value, prepared.base, folder=key in FOLDERS)
    ]


def missing_file(name: str, base: Path, *, folder: bool = False) -> Iterator[str]:
    """Why a data file cannot be there, if so. Relative names count from ``base``, then from here."""
    try:
        found = next((path for path in (base / name, Path(name)) if path.exists()), None)
    except (OSError, ValueError):  # too long, or a NUL in it
        yield "is no usable path"
        return
    if found is None:
        looked = " and ".join(dict.fromkeys((str(base), str(Path.cwd()))))
        yield "no such file" + ("" if Path(name).is_absolute() else f" (looked in {looked})")
    elif found.is_dir() and not folder:
        yield "is a folder; expected a file"


def _prepare_backends(prepared: Prepared) -> list[Problem]:
    """The model and the baselines."""
    experiment = prepared.experiment
    refs = [("backend", experiment.backend)]
    refs += [(item("baselines", index), ref) for index, ref in enumerate(experiment.baselines)]
    problems = []
    for path, ref in refs:
        found, more = prepare_backend(prepared, ref, path)
        problems += more
        if found is not None:
            prepared.backend_options.append(found)
    return problems


def prepare_backend(
    prepared: Prepared, ref: BackendRef, path: str
) -> tuple[PreparedBackend | None, list[Problem]]:
    """Decode the options of a model, baseline or member."""
    if prepared.broken.covers(f"{path}.id"):
        return None, []
    try:
        backend = registry.load("backend", ref.id)
    except CrucibleError as error:
        prepared.broken.add([f"{path}.id"])
        return None, [Problem(f"{path}.id", str(error))]
    training, options, problems = _collected_both(
        prepared,
        ref.options,
        TrainingConfig,
        backend.Options,
        f"{path}.options",
        f"crucible backends {ref.id}",
    )
    trains = call_mode(prepared) not in ("sample", None)
    wants_training = trains and (path == "backend" or ref.train)
    made = backend()
    if wants_training and not made.capabilities.trainable:
        problems.append(Problem(f"{path}.id", f"backend {ref.id!r} cannot be trained: use mode 'sample'"))
    if isinstance(made, Preflight) and options is not None and _is_opened(prepared, ref, path, trains=trains):
        found = made.missing(options)
        more = [
            Problem(f"{path}.options.{each.path}" if each.path else f"{path}.id", each.message)
            for each in found
        ]
        problems += prepared.broken.without_follow_ups(more)
    prepared.broken.add(problem.path for problem in problems)
    return (ref, options, training), problems


def _is_opened(prepared: Prepared, ref: BackendRef, path: str, *, trains: bool) -> bool:
    """Whether the run opens this backend: not the model that only lends its name to an ensemble of others."""
    if not any(stage.name == "backend_call" for stage in prepared.enabled()):
        return False
    ensemble = prepared.experiment.reliability.ensemble
    unsure = path == "backend" and not prepared.broken.spares("reliability.ensemble")
    lends_its_name = path == "backend" and ensemble.strategy != "none" and not trains
    return not (unsure or lends_its_name) or any(member.id == ref.id for member in ensemble.members)
