"""The experiment, as data: what a TOML or JSON file decodes into and what a run is built from.

Nothing here runs anything. Options of stages, backends and data sets stay plain mappings here and
are decoded by the part that they belong to, each of which declares its own options Struct.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .base import Message

__all__ = [
    "BackendRef",
    "DatasetRef",
    "EnsembleConfig",
    "Experiment",
    "FairnessConfig",
    "GuardrailConfig",
    "HedgingConfig",
    "OutputSpec",
    "Reliability",
    "StageDef",
    "StatsConfig",
]

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Positive = Annotated[int, Meta(ge=1)]
Options = dict[str, Any]
ReportFormat = Literal["markdown", "html", "json"]


class DatasetRef(Message, frozen=True):
    """Where the examples come from."""

    name: Annotated[Name, Meta(description="A name for the data set, used in reports.")]
    provider: Annotated[str, Meta(description="Loader: jsonl, csv, scifact, memory or a plug-in.")] = "jsonl"
    split: Annotated[str, Meta(description="Which rows are evaluated: train, validation, test or all.")] = (
        "test"
    )
    options: Annotated[Options, Meta(description="Options of the loader (`crucible stages data_load`).")] = (
        field(default_factory=dict)
    )


class BackendRef(Message, frozen=True):
    """A model to train or to ask."""

    id: Annotated[Name, Meta(description="Backend: extractive, lead, mock or a plug-in.")]
    name: Annotated[str | None, Meta(description="Name in reports; default: the id.")] = None
    profile: Annotated[str, Meta(description="Free label, for example lora_finetune.")] = "default"
    options: Annotated[Options, Meta(description="Options of the backend (`crucible backends`).")] = field(
        default_factory=dict
    )


class StageDef(Message, frozen=True):
    """One stage of the pipeline."""

    name: Annotated[Name, Meta(description="Stage name (`crucible stages`).")]
    enabled: Annotated[bool, Meta(description="false skips the stage.")] = True
    options: Annotated[Options, Meta(description="Options of the stage (`crucible stages NAME`).")] = field(
        default_factory=dict
    )


class EnsembleConfig(Message, frozen=True):
    """How several members answer together."""

    strategy: Literal["none", "majority", "weighted", "best_confidence", "unanimous"] = "none"
    members: tuple[BackendRef, ...] = ()
    options: Options = field(default_factory=dict)


class HedgingConfig(Message, frozen=True):
    """When a duplicate request is raced against a slow one."""

    strategy: Literal["off", "fixed", "percentile", "adaptive", "workload_aware", "exponential_backoff"] = (
        "off"
    )
    delay_ms: Annotated[float, Meta(ge=0)] | None = None
    percentile: Annotated[float, Meta(gt=0, lt=100)] | None = None
    max_hedges: Positive = 1
    budget_percent: Annotated[float, Meta(ge=0, le=100)] | None = None
    options: Options = field(default_factory=dict)


class GuardrailConfig(Message, frozen=True):
    """Defaults of the guardrails stage."""

    profiles: tuple[Literal["default", "strict", "moderate", "permissive"], ...] = ("default",)
    options: Options = field(default_factory=dict)


class StatsConfig(Message, frozen=True):
    """What bench computes."""

    tests: Annotated[
        tuple[
            Literal[
                "bootstrap", "permutation", "paired_ttest", "wilcoxon", "ttest", "welch_ttest", "mann_whitney"
            ],
            ...,
        ],
        Meta(description="Tests of the model against each baseline."),
    ] = ("permutation", "bootstrap", "wilcoxon")
    alpha: Annotated[float, Meta(gt=0, lt=1, description="Significance level.")] = 0.05
    confidence_level: Annotated[float, Meta(gt=0, lt=1, description="Level of all intervals.")] = 0.95
    correction: Annotated[
        Literal["none", "bonferroni", "holm", "benjamini_hochberg"],
        Meta(description="Correction over all comparisons of one run."),
    ] = "holm"
    iterations: Annotated[
        int, Meta(ge=100, le=1_000_000, description="Resamples of bootstrap and permutation.")
    ] = 10_000
    options: Options = field(default_factory=dict)


class FairnessConfig(Message, frozen=True):
    """Group metrics; off unless enabled."""

    enabled: bool = False
    group_by: str | None = None
    metrics: tuple[str, ...] = ()
    options: Options = field(default_factory=dict)


class Reliability(Message, frozen=True):
    """Ensemble, hedging, guardrails, statistics and fairness; each off or at its default."""

    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    hedging: HedgingConfig = field(default_factory=HedgingConfig)
    guardrails: GuardrailConfig = field(default_factory=GuardrailConfig)
    stats: StatsConfig = field(default_factory=StatsConfig)
    fairness: FairnessConfig = field(default_factory=FairnessConfig)


class OutputSpec(Message, frozen=True):
    """A report to write."""

    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="File name without ending.")
    ] = "report"
    formats: Annotated[tuple[ReportFormat, ...], Meta(min_length=1)] = ("markdown", "html", "json")
    description: str | None = None


class Experiment(Message, frozen=True):
    """A whole experiment. Encodes to JSON and back without loss."""

    id: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            max_length=100,
            description="Short name: letters, digits, '_', '.', '-'.",
        ),
    ]
    backend: BackendRef
    pipeline: Annotated[tuple[StageDef, ...], Meta(min_length=1, description="The stages, in order.")]
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="Seed of everything random.")] = 0
    dataset: DatasetRef | None = None
    baselines: Annotated[
        tuple[BackendRef, ...], Meta(description="Asked the same examples; bench compares the model to them.")
    ] = ()
    reliability: Reliability = field(default_factory=Reliability)
    outputs: tuple[OutputSpec, ...] = (OutputSpec(),)
    analysis_adapter: Annotated[str, Meta(description="Adapter of analysis_metrics: cns, none, plug-in.")] = (
        "cns"
    )
    analysis_surrogate_adapter: Annotated[
        str, Meta(description="Adapter of analysis_surrogate_validation: cns, none, plug-in.")
    ] = "cns"
    analysis_tda_adapter: Annotated[
        str, Meta(description="Adapter of analysis_tda_validation: cns, none, plug-in.")
    ] = "cns"
    description: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Options = field(default_factory=dict)
    schema_version: Literal[1] = 1
