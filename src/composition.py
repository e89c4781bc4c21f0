"""How an experiment becomes a run: each stage's options, and how its work is built from its parts.

``prepare`` decodes every option of every part and gathers all problems; ``build_stages`` makes the plan of
each stage. The built-in stages are in ``stage_types``; a plug-in stage is a ``StageType`` like those.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from . import registry
from .actors.corpus import Corpus
from .actors.durability import Durability
from .actors.experiment import DISABLED, StagePlan
from .actors.ports import Dataset, LearnsFromData, Preflight, ReplyCache, ReportSink
from .actors.runtime import Actor
from .actors.stage import StageActor, Tally, Wiring
from .messages.base import Message
from .messages.checks import check_experiment
from .messages.decoding import collect, unknown_key
from .messages.errors import CrucibleError, ExperimentError, Problem
from .messages.experiment import BackendRef, Experiment, GuardrailConfig, LimitsConfig, StageDef
from .messages.findings import Issue
from .messages.flow import StageResult
from .messages.paths import child, item
from .messages.report import Picks, RunReport
from .messages.training import TrainingConfig

if TYPE_CHECKING:
    from .actors.hedging.racing_options import HedgeSettings
    from .actors.systems import SystemSpec
    from .actors.voting.settings import EnsembleSettings, MemberOptions

__all__ = ["Prepared", "PreparedBackend", "Services", "StageType", "prepare", "system_name"]


PreparedBackend = tuple[BackendRef, Any, TrainingConfig]
"""A backend with its decoded options: its own and those of its training."""


@dataclass(slots=True, kw_only=True)
class Prepared:
    """An experiment of which every option has been decoded."""

    experiment: Experiment
    stage_options: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Decoded option Structs of each enabled stage: its own, then its adapter's."""
    dataset_options: Any = None
    backend_options: list[PreparedBackend] = field(default_factory=list)
    """The model first, then the baselines."""
    members: list[PreparedBackend] = field(default_factory=list)
    """Of the ensemble; known when hedging, the ensemble or a limit is on."""
    member_params: list[MemberOptions] = field(default_factory=list)
    hedging: HedgeSettings | None = None
    ensemble: EnsembleSettings | None = None
    base: Path = field(default_factory=Path.cwd)
    use_cache: bool = True
    """Whether the cache that the experiment names is used."""

    def enabled(self) -> list[StageDef]:
        """The stages that will run."""
        return [stage for stage in self.experiment.pipeline if stage.enabled]


@dataclass(slots=True, kw_only=True)
class Services:
    """What stages are built from, besides their options."""

    prepared: Prepared
    dataset: Dataset
    workdir: Path
    sink: ReportSink
    compose_report: Callable[[Sequence[StageResult], Picks], RunReport]
    cache: ReplyCache | None = None
    quarantine: Callable[[Sequence[Issue]], None] = lambda _issues: None
    durable: Durability | None = None
    """Of a run of the durable queue."""

    @property
    def experiment(self) -> Experiment:
        """The experiment."""
        return self.prepared.experiment

    @property
    def model(self) -> str:
        """Name of the model in the results."""
        return system_name(self.experiment.backend)

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of the baselines in the results."""
        argued = enabled_options(self.prepared, "dialectic")
        thesis = () if argued is None or argued.thesis_as is None else (argued.thesis_as,)
        return (*thesis, *(system_name(ref) for ref in self.experiment.baselines))


class NoOptions(Message, frozen=True):
    """This stage has no options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageType:
    """A kind of stage, built in or from a plug-in."""

    name: str
    summary: str
    options: Callable[[], type[msgspec.Struct]]
    """Its options; imported only when asked for."""
    build: Callable[[Services, Any, Any], Any]
    """Services, own options, adapter's options -> the Work (or the source's work)."""
    adapter: tuple[registry.Kind, str] | None = None
    """Kind of its adapter and the key of the experiment that names it."""
    actor: Callable[[Wiring, Any, Tally], Actor] = StageActor


def system_name(ref: BackendRef) -> str:
    """What a model or baseline is called in the results."""
    return ref.name or ref.id


def call_options(experiment: Experiment) -> dict[str, Any]:
    """The options of backend_call as they stand in the file; none when it does not run."""
    stages = (stage for stage in experiment.pipeline if stage.name == "backend_call" and stage.enabled)
    return next((stage.options for stage in stages), {})


# Options

RESERVED_OUTPUTS = {("run", "json"), ("trace", "json"), ("scores", "csv")}


def collect_both(
    options: dict[str, Any],
    own: type[msgspec.Struct],
    other: type[msgspec.Struct],
    path: str,
    listed: str | None = None,
) -> tuple[Any, Any, list[Problem]]:
    """Decode options of two parts in one table.

    A key of neither is answered with the keys of both, or with where they are ``listed``.
    """
    mine, theirs = ([f.encode_name for f in msgspec.structs.fields(each)] for each in (own, other))
    known = [*mine, *theirs]
    unknown = [
        Problem(child(path, key), unknown_key(key, known, listed)) for key in options if key not in known
    ]
    first, problems = collect({key: options[key] for key in mine if key in options}, own, path)
    second, more = collect({key: options[key] for key in theirs if key in options}, other, path)
    return first, second, [*unknown, *problems, *more]


def prepare(experiment: Experiment, *, base: Path | None = None, source: str | None = None) -> Prepared:
    """Decode every option of every part; raises ExperimentError with all problems at once."""
    prepared = Prepared(experiment=experiment, base=base or Path.cwd())
    problems = list(check_experiment(experiment))
    problems += _unavailable(experiment)
    problems += _reserved_outputs(experiment)
    for index, stage in enumerate(experiment.pipeline):
        problems += _prepare_stage(prepared, stage, f"pipeline[{index}]")
    if enabled_options(prepared, "dialectic") is not None:
        from .reliability.dialectic import check_dialectic

        problems += check_dialectic(prepared)
    problems += _prepare_dataset(prepared)
    refs = [("backend", experiment.backend)]
    refs += [(f"baselines[{i}]", ref) for i, ref in enumerate(experiment.baselines)]
    for path, ref in refs:
        found, more = prepare_backend(prepared, ref, path)
        problems += more
        if found is not None:
            prepared.backend_options.append(found)
    if not problems and is_reliable(experiment):
        from .reliability import prepare_reliability

        problems += prepare_reliability(prepared)
    if problems:
        raise ExperimentError(problems, source)
    return prepared


def is_reliable(experiment: Experiment) -> bool:
    """Whether requests are raced, voted on or limited beyond the defaults."""
    reliability = experiment.reliability
    plain = reliability.hedging.strategy == "off" and reliability.ensemble.strategy == "none"
    return not plain or reliability.limits != LimitsConfig()


def _unavailable(experiment: Experiment) -> list[Problem]:
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


def _prepare_stage(prepared: Prepared, stage: StageDef, path: str) -> list[Problem]:
    try:
        kind: StageType = registry.load("stage", stage.name)
    except CrucibleError as error:
        return [Problem(f"{path}.name", str(error))]
    own_type = kind.options()
    if kind.adapter is None:
        options = stage.options
        if stage.name == "guardrails":
            options, problems = _guard_defaults(prepared.experiment.reliability.guardrails, own_type)
            if problems:
                return problems
            options |= stage.options
        elif stage.name == "fairness":
            defaults = prepared.experiment.reliability.fairness.options
            _, problems = collect(defaults, own_type, "reliability.fairness.options")
            if problems:
                return problems
            options = defaults | options
        own, problems = collect(options, own_type, f"{path}.options")
        prepared.stage_options[stage.name] = (own, None)
        return problems
    adapter_kind, key = kind.adapter
    own_choice = stage.options.get("adapter")
    chosen = own_choice or getattr(prepared.experiment, key)
    try:
        adapter = registry.load(adapter_kind, chosen)
    except CrucibleError as error:
        return [Problem(f"{path}.options.adapter" if own_choice else key, str(error))]
    own, theirs, problems = collect_both(stage.options, own_type, adapter.Options, f"{path}.options")
    prepared.stage_options[stage.name] = (own, (adapter, theirs))
    return problems


def _guard_defaults(
    config: GuardrailConfig, type_: type[msgspec.Struct]
) -> tuple[dict[str, Any], list[Problem]]:
    """What ``[reliability.guardrails]`` sets for the stage; the stage's own options come on top of it."""
    from .adapters.guardrails.options import THRESHOLDS

    _, problems = collect(config.options, type_, "reliability.guardrails.options")
    strictest = min(config.profiles, key=THRESHOLDS.__getitem__)
    return {"profile": strictest, **config.options}, problems


def enabled_options(prepared: Prepared, name: str) -> Any:
    """The decoded options of a stage that will run; None for any other."""
    found = prepared.stage_options.get(name)
    return found[0] if found and any(stage.name == name for stage in prepared.enabled()) else None


def _prepare_dataset(prepared: Prepared) -> list[Problem]:
    ref = prepared.experiment.dataset
    if ref is None:
        return [Problem("dataset", "expected a table [dataset], key is missing")]
    try:
        loader = registry.load("dataset provider", ref.provider)
    except CrucibleError as error:
        return [Problem("dataset.provider", str(error))]
    prepared.dataset_options, problems = collect(ref.options, loader.Options, "dataset.options")
    return problems


def prepare_backend(
    prepared: Prepared, ref: BackendRef, path: str
) -> tuple[PreparedBackend | None, list[Problem]]:
    """Decode the options of a model, baseline or member."""
    try:
        backend = registry.load("backend", ref.id)
    except CrucibleError as error:
        return None, [Problem(f"{path}.id", str(error))]
    training, options, problems = collect_both(
        ref.options, TrainingConfig, backend.Options, f"{path}.options", f"crucible backends {ref.id}"
    )
    trains = call_options(prepared.experiment).get("mode", "sample") != "sample"
    wants_training = trains and (path == "backend" or ref.train)
    made = backend()
    if wants_training and not made.capabilities.trainable:
        problems.append(Problem(f"{path}.id", f"backend {ref.id!r} cannot be trained: use mode 'sample'"))
    if isinstance(made, Preflight) and options is not None and _is_opened(prepared, ref, path, trains=trains):
        found = made.missing(options)
        problems += [
            Problem(f"{path}.options.{each.path}" if each.path else f"{path}.id", each.message)
            for each in found
        ]
    return (ref, options, training), problems


def _is_opened(prepared: Prepared, ref: BackendRef, path: str, *, trains: bool) -> bool:
    """Whether the run opens this backend: not the model that only lends its name to an ensemble of others."""
    if not any(stage.name == "backend_call" for stage in prepared.enabled()):
        return False
    ensemble = prepared.experiment.reliability.ensemble
    lends_its_name = path == "backend" and ensemble.strategy != "none" and not trains
    return not lends_its_name or any(member.id == ref.id for member in ensemble.members)


# Stages


def build_stages(services: Services) -> tuple[StagePlan, ...]:
    """The plans of all enabled stages, in order; ``data_load`` is the source."""
    order = [stage.name for stage in services.prepared.enabled()]
    order.sort(key=lambda name: name != "data_load")  # stable: a validate stage before it has run by now
    corpus = Corpus(services.dataset)
    return tuple(_plan(services, registry.load("stage", name), corpus) for name in order)


def _plan(services: Services, kind: StageType, corpus: Corpus) -> StagePlan:
    own, adapter = services.prepared.stage_options[kind.name]
    part = None if adapter is None else adapter[0](adapter[1])
    if isinstance(part, LearnsFromData):
        part.learn(corpus)
    work = kind.build(services, own, part)
    return StagePlan(
        name=kind.name,
        build=lambda wiring, tally: kind.actor(wiring, work, tally),
        restartable=getattr(work, "restartable", False),
    )


def system_spec(found: PreparedBackend) -> SystemSpec:
    """A model, baseline or member as backend_call takes it."""
    from .actors.systems import SystemSpec

    ref, options, training = found
    return SystemSpec(
        name=system_name(ref),
        backend_id=ref.id,
        backend=registry.load("backend", ref.id)(),
        options=options,
        training=training,
        train=ref.train,
    )


def skipped_stages(experiment: Experiment) -> tuple[str, ...]:
    """Names of the stages that are switched off."""
    return tuple(stage.name for stage in experiment.pipeline if not stage.enabled)


def report_stages(experiment: Experiment, results: Sequence[StageResult]) -> tuple[StageResult, ...]:
    """Results and skipped stages together, in pipeline order."""
    skipped = (
        StageResult(stage=name, status="skipped", reason=DISABLED) for name in skipped_stages(experiment)
    )
    order = {stage.name: number for number, stage in enumerate(experiment.pipeline)}
    return tuple(sorted(itertools.chain(results, skipped), key=lambda r: order.get(r.stage, len(order))))
