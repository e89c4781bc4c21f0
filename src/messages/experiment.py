"""The experiment, as data: what a TOML or JSON file decodes into and what a run is built from.

Nothing here runs anything. Options of stages, backends and data sets stay plain mappings here and
are decoded by the part that they belong to, each of which declares its own options Struct.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .base import Message
from .fairness import CRITERIA, Criterion

__all__ = [
    "BackendRef",
    "CacheConfig",
    "DatasetRef",
    "EnsembleConfig",
    "Experiment",
    "FairnessConfig",
    "GuardrailConfig",
    "HedgingConfig",
    "LimitsConfig",
    "OutputSpec",
    "PoolLimits",
    "Reliability",
    "StageDef",
    "StatsConfig",
]

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Positive = Annotated[int, Meta(ge=1)]
Options = dict[str, Any]
ReportFormat = Literal["markdown", "html", "json", "csv", "latex", "parquet", "svg", "png"]


class DatasetRef(Message, frozen=True):
    """Where the examples come from."""

    name: Annotated[Name, Meta(description="A name for the data set, used in reports.")]
    provider: Annotated[str, Meta(description="Loader: jsonl, csv, scifact, fever, memory or a plug-in.")] = (
        "jsonl"
    )
    split: Annotated[
        Literal["train", "validation", "test", "all"], Meta(description="Which rows are evaluated.")
    ] = "test"
    options: Annotated[Options, Meta(description="Options of the loader (`crucible stages data_load`).")] = (
        field(default_factory=dict)
    )


class BackendRef(Message, frozen=True):
    """A model to train or to ask."""

    id: Annotated[Name, Meta(description="Backend (`crucible backends`), or a plug-in.")]
    name: Annotated[str | None, Meta(description="Name in reports; default: the id.")] = None
    profile: Annotated[str, Meta(description="Free label, for example lora_finetune.")] = "default"
    train: Annotated[
        bool, Meta(description="Train this baseline too, in the modes that train; the model always is.")
    ] = False
    options: Annotated[
        Options,
        Meta(description="Options of the backend (`crucible backends`) and of training (epochs, ...)."),
    ] = field(default_factory=dict)


class StageDef(Message, frozen=True):
    """One stage of the pipeline."""

    name: Annotated[Name, Meta(description="Stage name (`crucible stages`).")]
    enabled: Annotated[bool, Meta(description="false skips the stage.")] = True
    options: Annotated[Options, Meta(description="Options of the stage (`crucible stages NAME`).")] = field(
        default_factory=dict
    )


class EnsembleConfig(Message, frozen=True):
    """How several members answer together."""

    strategy: Annotated[
        Literal["none", "majority", "weighted", "best_confidence", "unanimous", "dawid_skene", "custom"],
        Meta(description="How the members' answers become one; none: the backend answers alone."),
    ] = "none"
    execution: Annotated[
        Literal["parallel", "sequential", "cascade", "hedged"],
        Meta(description="Who is asked when; cascade: the next member only below min_confidence."),
    ] = "parallel"
    members: Annotated[
        tuple[BackendRef, ...], Meta(description="The backends that answer; at least 2 with a strategy.")
    ] = ()
    normalizer: Annotated[
        Name,
        Meta(description="When two answers are the same: text, numeric, json, boolean, claims or a plug-in."),
    ] = "text"
    weights: Annotated[
        tuple[Annotated[float, Meta(ge=0)], ...] | None,
        Meta(description="One for each member, in their order; weighted without any learns them."),
    ] = None
    quorum: Annotated[
        Positive | None, Meta(description="Votes that must be cast; none: half of the members, rounded up.")
    ] = None
    min_agreement: Annotated[
        float, Meta(ge=0, le=1, description="Share of the score that the winner needs; 0: the most wins.")
    ] = 0.0
    min_confidence: Annotated[float, Meta(ge=0, le=1, description="Confidence that ends a cascade.")] = 0.9
    early_stop: Annotated[
        Literal["off", "exact", "statistical"],
        Meta(description="exact: when the outcome is settled; statistical: when it is certain to epsilon."),
    ] = "exact"
    epsilon: Annotated[float, Meta(gt=0, lt=1, description="Error bound of the statistical early stop.")] = (
        0.05
    )
    calibration: Annotated[
        Literal["off", "isotonic", "temperature"],
        Meta(description="How confidences are corrected, learned on the validation split."),
    ] = "off"
    timeout_ms: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="A member that has not answered after so long has failed; none: no limit."),
    ] = None
    options: Annotated[Options, Meta(description="Options of the strategy.")] = field(default_factory=dict)


class HedgingConfig(Message, frozen=True):
    """When a duplicate request is raced against a slow one."""

    strategy: Annotated[
        Literal[
            "off",
            "fixed",
            "percentile",
            "optimal",
            "adaptive",
            "workload_aware",
            "exponential_backoff",
            "tiered",
        ],
        Meta(description="How the wait before a duplicate request is chosen."),
    ] = "off"
    delay_ms: Annotated[
        Annotated[float, Meta(ge=0)] | None, Meta(description="The wait in milliseconds; needed by fixed.")
    ] = None
    percentile: Annotated[
        Annotated[float, Meta(gt=0, lt=100)] | None,
        Meta(description="Wait as long as this percentile of the latencies seen; needed by percentile."),
    ] = None
    max_hedges: Annotated[Positive, Meta(description="Most duplicates of one request.")] = 1
    budget_percent: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="Most duplicates, in percent of all requests."),
    ] = None
    budget_unit: Annotated[
        Literal["requests", "tokens", "cost"], Meta(description="What the budget counts.")
    ] = "requests"
    burst: Annotated[
        float, Meta(ge=1, description="Most duplicates that are saved up, in units of a mean request.")
    ] = 50.0
    control_percent: Annotated[
        float,
        Meta(ge=0, le=100, description="Races whose loser is not cancelled, so that estimates stay honest."),
    ] = 2.0
    options: Annotated[Options, Meta(description="Options of the strategy.")] = field(default_factory=dict)


class PoolLimits(Message, frozen=True):
    """What one server is asked at most."""

    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(description="Most requests in any 60 s; none: no limit."),
    ] = None
    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Most tokens in any 60 s, of prompts and answers; none: no limit."),
    ] = None


class LimitsConfig(PoolLimits, frozen=True):
    """What a run may ask and spend. Retries, duplicates, tiers and members all count."""

    max_cost_usd: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Money of the whole run in US dollars; it stops before more is spent."),
    ] = None
    adaptive_concurrency: Annotated[
        bool, Meta(description="Ask a server less at once while it says that it is overloaded.")
    ] = True
    pools: Annotated[
        dict[str, PoolLimits],
        Meta(description="Limits of one server instead of those above, by its base_url or its backend's id."),
    ] = field(default_factory=dict)


class CacheConfig(Message, frozen=True):
    """Replies that are kept, so that the same request is not paid for twice."""

    folder: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Where replies are kept, from the experiment file's folder; none: nowhere."),
    ] = None


class GuardrailConfig(Message, frozen=True):
    """Defaults of the guardrails stage."""

    profiles: Annotated[
        tuple[Literal["default", "strict", "moderate", "permissive"], ...],
        Meta(min_length=1, description="Thresholds; of several the strictest counts."),
    ] = ("default",)
    options: Annotated[Options, Meta(description="Options of the guard (`crucible stages guardrails`).")] = (
        field(default_factory=dict)
    )


class StatsConfig(Message, frozen=True):
    """What bench computes."""

    tests: Annotated[
        tuple[
            Literal[
                "auto",
                "bootstrap",
                "permutation",
                "paired_ttest",
                "wilcoxon",
                "ttest",
                "welch_ttest",
                "mann_whitney",
            ],
            ...,
        ],
        Meta(description="Tests of the model against each baseline; auto chooses one and says why."),
    ] = ("permutation", "bootstrap", "wilcoxon")
    alpha: Annotated[float, Meta(gt=0, lt=1, description="Significance level.")] = 0.05
    confidence_level: Annotated[float, Meta(gt=0, lt=1, description="Level of all intervals.")] = 0.95
    correction: Annotated[
        Literal["none", "bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"],
        Meta(description="Correction over all comparisons of one run."),
    ] = "holm"
    equivalence_margin: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Differences up to this size count as none: allows the verdict equivalent."),
    ] = None
    iterations: Annotated[
        int, Meta(ge=100, le=1_000_000, description="Resamples of bootstrap and permutation.")
    ] = 10_000


class FairnessConfig(Message, frozen=True):
    """Group metrics; off unless enabled."""

    enabled: Annotated[bool, Meta(description="true computes them.")] = False
    group_by: Annotated[str | None, Meta(description="The field of the examples that holds the group.")] = (
        None
    )
    metrics: Annotated[tuple[Criterion, ...], Meta(min_length=1, description="The criteria to compute.")] = (
        CRITERIA
    )
    options: Annotated[
        Options, Meta(description="Options of the fairness stage (`crucible stages fairness`).")
    ] = field(default_factory=dict)


class Reliability(Message, frozen=True):
    """Ensemble, hedging, limits, cache, guardrails, statistics and fairness; each off or at its default."""

    ensemble: Annotated[EnsembleConfig, Meta(description="How several members answer together.")] = field(
        default_factory=EnsembleConfig
    )
    hedging: Annotated[HedgingConfig, Meta(description="When slow requests are duplicated.")] = field(
        default_factory=HedgingConfig
    )
    limits: Annotated[LimitsConfig, Meta(description="What a run may ask and spend.")] = field(
        default_factory=LimitsConfig
    )
    cache: Annotated[CacheConfig, Meta(description="Replies that are kept on disk.")] = field(
        default_factory=CacheConfig
    )
    guardrails: Annotated[GuardrailConfig, Meta(description="Defaults of the guardrails stage.")] = field(
        default_factory=GuardrailConfig
    )
    stats: Annotated[StatsConfig, Meta(description="What bench computes.")] = field(
        default_factory=StatsConfig
    )
    fairness: Annotated[FairnessConfig, Meta(description="Group metrics.")] = field(
        default_factory=FairnessConfig
    )


class OutputSpec(Message, frozen=True):
    """A report to write."""

    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="File name without ending.")
    ] = "report"
    formats: Annotated[
        tuple[ReportFormat, ...],
        Meta(
            min_length=1,
            description="One file is written for each; parquet: scores.parquet; svg, png: one for each plot.",
        ),
    ] = ("markdown", "html", "json")
    description: Annotated[str | None, Meta(description="Free text.")] = None


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
    backend: Annotated[BackendRef, Meta(description="The model that is trained or asked.")]
    pipeline: Annotated[tuple[StageDef, ...], Meta(min_length=1, description="The stages, in order.")]
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="Seed of everything random.")] = 0
    dataset: Annotated[DatasetRef | None, Meta(description="Where the examples come from.")] = None
    baselines: Annotated[
        tuple[BackendRef, ...], Meta(description="Asked the same examples; bench compares the model to them.")
    ] = ()
    reliability: Annotated[
        Reliability,
        Meta(description="Ensemble, hedging, limits, cache, guardrails, statistics and fairness."),
    ] = field(default_factory=Reliability)
    outputs: Annotated[tuple[OutputSpec, ...], Meta(description="The reports to write.")] = (OutputSpec(),)
    analysis_adapter: Annotated[str, Meta(description="Adapter of analysis_metrics: cns, none, plug-in.")] = (
        "cns"
    )
    analysis_surrogate_adapter: Annotated[
        str, Meta(description="Adapter of analysis_surrogate_validation: cns, none, plug-in.")
    ] = "cns"
    analysis_tda_adapter: Annotated[
        str, Meta(description="Adapter of analysis_tda_validation: cns, none, plug-in.")
    ] = "cns"
    description: Annotated[str | None, Meta(description="Free text.")] = None
    owner: Annotated[str | None, Meta(description="Who answers for the experiment.")] = None
    tags: Annotated[tuple[str, ...], Meta(description="Labels to find the run by.")] = ()
    metadata: Annotated[Options, Meta(description="Free values, kept with the run; nothing reads them.")] = (
        field(default_factory=dict)
    )
    schema_version: Annotated[Literal[1], Meta(description="Version of this file format.")] = 1
