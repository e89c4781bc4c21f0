"""The built-in stages: their options, and how the work of each is built.

The only place that knows both the stages and the adapters. Reached by name through the registry, when an
experiment asks for a stage; what is heavy is imported then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from .actors.runtime import Actor
from .actors.stage import SourceActor, Tally, Wiring, Work
from .composition import NoOptions, Services, StageType, enabled_options, is_reliable, system_spec
from .messages.base import Message
from .messages.errors import OptionError
from .messages.experiment import Experiment
from .messages.flow import StageResult

if TYPE_CHECKING:
    from .actors.systems import SystemSpec

__all__ = [
    "BACKEND_CALL",
    "BENCH",
    "DATA_CHECKS",
    "DATA_LOAD",
    "DIALECTIC",
    "FAIRNESS",
    "FILTER",
    "GUARDRAILS",
    "METRICS",
    "PREFERRED",
    "REPORT",
    "SURROGATES",
    "TDA",
    "VALIDATE",
]


def _statistics() -> Any:
    from .adapters.statistics import PairedStatistics

    return PairedStatistics()


def _lazy(module: str, name: str) -> Callable[[], Any]:
    from importlib import import_module

    return lambda: getattr(import_module(module, __package__), name)


class AdapterChoice(Message, frozen=True):
    """Options of a stage whose work an adapter does; all other keys are the adapter's own."""

    adapter: Annotated[
        str | None, Meta(description="Adapter; default: the experiment's analysis adapter of this stage.")
    ] = None


class TdaStageOptions(AdapterChoice, frozen=True):
    """Options of analysis_tda_validation; all other keys are the adapter's own."""

    min_points: Annotated[
        int, Meta(ge=1, le=1000, description="Fewest claims for a diagram of their own.")
    ] = 3
    max_points: Annotated[
        int, Meta(ge=3, le=5000, description="Claims of the whole set; of more, a uniform sample is taken.")
    ] = 400
    max_points_per_example: Annotated[
        int, Meta(ge=3, le=1000, description="Claims of one output; of more, the first are taken.")
    ] = 100
    whole_set: Annotated[bool, Meta(description="One more diagram over the claims of all examples.")] = True


class ValidateWork:
    """Everything was checked before the run began; this stage states it in the report."""

    restartable = True

    async def process(self, samples: Sequence[Any]) -> Sequence[Any]:
        """All samples, untouched."""
        return samples

    async def finish(self, _upstream: Sequence[StageResult]) -> StageResult:
        """Passed: a run whose preflight fails does not begin."""
        return StageResult(stage="validate", status="completed", metrics={"status": "passed"})


def _build_data_load(services: Services, own: Any, _adapter: Any) -> Any:
    from .actors.stages.data_load import DataLoad

    return DataLoad(services.dataset, own)


def _build_data_checks(services: Services, own: Any, _adapter: Any) -> Work:
    from .actors.stages.data_checks import DataChecks
    from .adapters.expectations import ExpectationSuite

    return DataChecks(
        ExpectationSuite(own),
        max_violations=own.max_violations,
        fail_fast=own.fail_fast,
        quarantine=services.quarantine,
    )


def _guard_options() -> type[msgspec.Struct]:
    from .adapters.guardrails.stage_options import GuardrailsOptions

    return GuardrailsOptions


def _build_guardrails(_services: Services, own: Any, _adapter: Any) -> Work:
    from .actors.stages.guardrails import Guardrails
    from .adapters.guardrails import RuleGuard

    return Guardrails(RuleGuard(own), fail_on_violation=own.fail_on_violation, drop_flagged=own.drop_flagged)


def _output_guard(services: Services) -> Any:
    options = services.prepared.stage_options.get("guardrails")
    if options is None or not any(stage.name == "guardrails" for stage in services.prepared.enabled()):
        return None
    own = options[0]
    if not own.scan_outputs:
        return None
    from .actors.stages.guardrails import OutputGuard
    from .adapters.guardrails import RuleGuard

    redacts = own.redact != "off" and own.redact_outputs
    return OutputGuard(RuleGuard(own), fail_on_violation=own.fail_on_violation, redacts=redacts)


def _build_backend_call(services: Services, own: Any, _adapter: Any) -> Any:
    from .actors.stages.backend_call import BackendSettings

    prepared = services.prepared
    specs = [system_spec(found) for found in prepared.backend_options]
    dataset = services.experiment.dataset
    tiers: tuple[SystemSpec, ...] = ()
    members: tuple[SystemSpec, ...] = ()
    if is_reliable(services.experiment):
        from .reliability import further_tiers, members_of

        tiers, members = further_tiers(prepared), members_of(prepared)
    return BackendSettings(
        model=specs[0],
        baselines=tuple(specs[1:]),
        options=own,
        evaluate=dataset.split if dataset is not None else "all",
        experiment_id=services.experiment.id,
        seed=services.experiment.seed,
        workdir=services.workdir,
        guard=_output_guard(services),
        limits=services.experiment.reliability.limits,
        cache=services.cache,
        durable=services.durable,
        hedging=prepared.hedging,
        tiers=tiers,
        ensemble=prepared.ensemble,
        members=members,
        dialectic=_dialectic_settings(services),
    )


def _dialectic_settings(services: Services) -> Any:
    """How the model's answers are argued over; None without the stage."""
    own = enabled_options(services.prepared, "dialectic")
    if own is None:
        return None
    from .actors.dialectic.settings import DialecticSettings
    from .adapters.analysis.cns_dialectic import make_arguments
    from .adapters.cns.critics import WEIGHTS
    from .reliability.dialectic import arguing_models

    nli = None
    if own.entailment == "nli":
        from .adapters.entailment.nli import NliEntailment

        try:
            nli = NliEntailment(own.entailment_model)
        except OptionError as error:
            raise OptionError(f"pipeline.dialectic.options.{error}") from None
    return DialecticSettings(
        options=own,
        arguments=make_arguments(weights=WEIGHTS[own.critics], most=own.max_challenges, nli=nli),
        models=arguing_models(services.prepared),
    )


def _build_dialectic(services: Services, own: Any, _adapter: Any) -> Work:
    from .actors.stages.dialectic import DialecticCount

    experiment = services.experiment
    return DialecticCount(
        _statistics(), experiment.reliability.stats, max_rounds=own.max_rounds, seed=experiment.seed
    )


def _backend_call_actor(wiring: Wiring, work: Any, tally: Tally) -> Actor:
    from .actors.stages.backend_call import BackendCall

    return BackendCall(wiring, work, tally)


def _build_surrogates(services: Services, _own: Any, adapter: Any) -> Work:
    from .actors.stages.analysis_surrogate_validation import SurrogateValidation

    experiment = services.experiment
    return SurrogateValidation(adapter, _statistics(), experiment.reliability.stats, seed=experiment.seed)


def _build_tda(services: Services, own: Any, adapter: Any) -> Work:
    from .actors.stages.analysis_tda_validation import TdaValidation

    return TdaValidation(
        adapter,
        _statistics(),
        services.experiment.reliability.stats,
        min_points=own.min_points,
        max_points=own.max_points,
        max_points_per_example=own.max_points_per_example,
        whole_set=own.whole_set,
        seed=services.experiment.seed,
    )


def _build_filter(services: Services, own: Any, _adapter: Any) -> Work:
    from .actors.stages.analysis_filter import AnalysisFilter

    return AnalysisFilter(own, model=services.model)


def _build_metrics(services: Services, _own: Any, adapter: Any) -> Work:
    from .actors.stages.analysis_metrics import MetricsAnalysis

    experiment = services.experiment
    return MetricsAnalysis(adapter, _statistics(), experiment.reliability.stats, seed=experiment.seed)


def _scales(services: Services) -> tuple[Mapping[str, str], frozenset[str]]:
    """Directions of the analysed metrics, and those that may lie outside [0, 1]."""
    metrics = services.prepared.stage_options.get("analysis_metrics")
    if metrics is None:
        return {}, frozenset()
    adapter = metrics[1][0]
    return adapter.directions, adapter.unbounded


def _build_bench(services: Services, own: Any, _adapter: Any) -> Work:
    from .actors.stages.bench import Bench

    experiment = services.experiment
    directions, unbounded = _scales(services)
    return Bench(
        _statistics(),
        experiment.reliability.stats,
        own,
        model=services.model,
        baselines=services.baselines,
        seed=experiment.seed,
        directions=directions,
        unbounded=unbounded,
    )


def _build_fairness(services: Services, own: Any, _adapter: Any) -> Work:
    from .actors.stages.fairness import Fairness
    from .adapters.statistics.group_gaps import group_gaps

    reliability = services.experiment.reliability
    return Fairness(
        group_gaps,
        reliability.fairness,
        own,
        model=services.model,
        level=reliability.stats.confidence_level,
    )


PREFERRED = ("sentence_f1", "citation_f1", "token_f1")
"""Scores that rank the samples of a report where bench is told no metrics."""


def compared(experiment: Experiment) -> tuple[str, ...]:
    """Metrics that bench is told to compare, in their order."""
    told = (stage.options.get("metrics", ()) for stage in experiment.pipeline if stage.name == "bench")
    return tuple(next(told, ()))


def _build_report(services: Services, own: Any, _adapter: Any) -> Work:
    from .actors.stages.report import Report
    from .actors.stages.report_picks import DisagreementPicker, ExcerptPicker, SlowestPicker

    directions, _ = _scales(services)
    pickers = (
        ExcerptPicker(own, services.model, (*compared(services.experiment), *PREFERRED), directions),
        SlowestPicker(own.slowest),
        DisagreementPicker(own.disagreements),
    )
    return Report(services.sink, pickers, services.compose_report)


_STAGES = ".actors.stages."

VALIDATE = StageType(
    name="validate",
    summary="States that the experiment passed its preflight.",
    options=lambda: NoOptions,
    build=lambda _services, _own, _adapter: ValidateWork(),
)
DATA_LOAD = StageType(
    name="data_load",
    summary="Reads the data set in batches and sends them down the pipeline.",
    options=_lazy(_STAGES + "data_load", "DataLoadOptions"),
    build=_build_data_load,
    actor=SourceActor,
)
DATA_CHECKS = StageType(
    name="data_checks",
    summary="Checks every row, sets bad rows aside, profiles the data.",
    options=_lazy(".adapters.expectations", "DataCheckOptions"),
    build=_build_data_checks,
)
GUARDRAILS = StageType(
    name="guardrails",
    summary="Scans inputs and outputs for prompt injection, jailbreaks and personal data.",
    options=_guard_options,
    build=_build_guardrails,
)
BACKEND_CALL = StageType(
    name="backend_call",
    summary="Trains the model, asks it and the baselines, joins answers to examples by id.",
    options=_lazy(_STAGES + "backend_call", "BackendCallOptions"),
    build=_build_backend_call,
    actor=_backend_call_actor,
)
DIALECTIC = StageType(
    name="dialectic",
    summary="Has the model's answers argued over, round by round, and counts what came of it.",
    options=_lazy(".actors.dialectic.settings", "DialecticOptions"),
    build=_build_dialectic,
)
SURROGATES = StageType(
    name="analysis_surrogate_validation",
    summary="β₁ and fragility of the claim graph of each output.",
    options=lambda: AdapterChoice,
    build=_build_surrogates,
    adapter=("surrogate adapter", "analysis_surrogate_adapter"),
)
TDA = StageType(
    name="analysis_tda_validation",
    summary="Persistent homology of claim embeddings, per output and for the whole set.",
    options=lambda: TdaStageOptions,
    build=_build_tda,
    adapter=("tda adapter", "analysis_tda_adapter"),
)
FILTER = StageType(
    name="analysis_filter",
    summary="Removes or flags samples whose surrogates are out of bounds.",
    options=_lazy(_STAGES + "analysis_filter", "AnalysisFilterOptions"),
    build=_build_filter,
)
METRICS = StageType(
    name="analysis_metrics",
    summary="Scores every output of every system against its example.",
    options=lambda: AdapterChoice,
    build=_build_metrics,
    adapter=("metrics adapter", "analysis_adapter"),
)
FAIRNESS = StageType(
    name="fairness",
    summary="Compares how answers turn out for the groups of the data.",
    options=_lazy(_STAGES + "fairness", "FairnessOptions"),
    build=_build_fairness,
)
BENCH = StageType(
    name="bench",
    summary="Compares the model with its baselines on the same examples.",
    options=_lazy(_STAGES + "bench", "BenchOptions"),
    build=_build_bench,
)
REPORT = StageType(
    name="report",
    summary="Writes samples.jsonl and the reports.",
    options=_lazy(_STAGES + "report", "ReportOptions"),
    build=_build_report,
)
