"""How an experiment becomes a run: each stage's options, and how its work is built from its parts.

``prepare`` decodes every option of every part (see ``preflight``); ``build_stages`` makes the plan of each
stage. The built-in stages are in ``stage_types``; a plug-in stage is a ``StageType`` like those.
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
from .actors.ports import Dataset, LearnsFromData, ReplyCache, ReportSink
from .actors.runtime import Actor
from .actors.stage import StageActor, Tally, Wiring
from .messages.base import Message
from .messages.decoding import collect, unknown_key
from .messages.draft import Broken, Draft
from .messages.errors import ExperimentError, Problem
from .messages.experiment import BackendRef, Experiment, LimitsConfig, StageDef
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
    broken: Broken = field(default_factory=Broken)
    """What is not as its author meant it; empty in an experiment that runs."""
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


def prepare(
    experiment: Experiment, *, base: Path | None = None, source: str | None = None, files: bool = True
) -> Prepared:
    """Decode every option of every part; raises ExperimentError with all problems at once.

    ``files`` says whether the data files are looked up.
    """
    from .preflight import examine

    prepared, problems = examine(Draft(experiment), base=base, files=files)
    if problems:
        raise ExperimentError(problems, source)
    return prepared


def is_reliable(experiment: Experiment) -> bool:
    """Whether requests are raced, voted on or limited beyond the defaults."""
    reliability = experiment.reliability
    plain = reliability.hedging.strategy == "off" and reliability.ensemble.strategy == "none"
    return not plain or reliability.limits != LimitsConfig()


def call_mode(prepared: Prepared) -> str | None:
    """The mode of backend_call; None where the file does not tell it rightly."""
    for index, stage in enumerate(prepared.experiment.pipeline):
        if stage.name == "backend_call" and stage.enabled:
            if not prepared.broken.spares(f"{item('pipeline', index)}.options.mode"):
                return None
            return str(stage.options.get("mode", "sample"))
    return "sample"


def enabled_options(prepared: Prepared, name: str) -> Any:
    """The decoded options of a stage that will run; None for any other."""
    found = prepared.stage_options.get(name)
    return found[0] if found and any(stage.name == name for stage in prepared.enabled()) else None


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
