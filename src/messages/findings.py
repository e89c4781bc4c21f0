"""Numbers that were found, each with how it was found."""

from typing import Any, Literal

from msgspec import field

from .base import Message

__all__ = [
    "Bar",
    "Comparison",
    "Correlation",
    "Distribution",
    "EffectSize",
    "Finding",
    "Interval",
    "Issue",
    "Metric",
    "OutputScores",
    "PersistenceResult",
    "RankedSystem",
    "Ranking",
    "Status",
    "SurrogateScore",
    "TestResult",
    "Verdict",
    "Watched",
]


Status = Literal[
    "ok",
    "too_few",
    "constant",
    "not_a_number",
    "infinite",
    "one_group",
    "unequal_lengths",
    "out_of_range",
    "no_difference",
    "zero_cell",
    "separated",
    "not_connected",
    "unreachable",
]
"""Why a statistic has no value, as a word for programs; the ``reason`` beside it is the sentence."""


class Interval(Message, frozen=True):
    """A confidence interval."""

    low: float
    high: float
    level: float
    method: str


class Metric(Message, frozen=True):
    """One figure over many examples. ``value`` is None with a ``reason`` when it is not defined."""

    name: str
    value: float | None
    n: int
    """How many examples (or pairs, sentences, ...) it was computed over."""
    method: str
    system: str | None = None
    """The model or baseline it belongs to; None for a figure of the data set."""
    interval: Interval | None = None
    reason: str | None = None


class Correlation(Message, frozen=True):
    """How far two figures of the same answers go together. ``value`` is None with a ``reason``."""

    name: str
    kind: Literal["pearson", "spearman"]
    value: float | None
    n: int
    """Answers on which both are defined; of more than were kept, those of the sample."""
    system: str | None = None
    n_clusters: int | None = None
    p_value: float | None = None
    p_method: str = ""
    """How p was found."""
    interval: Interval | None = None
    status: str = "ok"
    reason: str | None = None
    """Why there is no value, or no interval."""


class Distribution(Message, frozen=True):
    """Histogram of one metric of one system: ``counts[i]`` scores lie in [edges[i], edges[i + 1])."""

    metric: str
    system: str
    edges: tuple[float, ...]
    """One more than ``counts``, ascending; the last bin holds its right edge too."""
    counts: tuple[int, ...]
    n_undefined: int = 0


class Finding(Message, frozen=True):
    """Something a guard found, at code-point offsets [start, end) of the scanned text."""

    detector: str
    category: str
    confidence: float
    start: int
    end: int


class Verdict(Message, frozen=True):
    """What the guards say of one text."""

    side: Literal["input", "output"]
    flagged: bool
    findings: tuple[Finding, ...] = ()
    redacted: bool = False
    system: str | None = None
    """Whose output it is; None for an input."""


class Issue(Message, frozen=True):
    """An expectation that a row does not meet."""

    expectation: str
    field: str
    problem: str
    example_id: str | None = None
    source: str | None = None
    line: int | None = None


class OutputScores(Message, frozen=True):
    """Scores of one output; a score is None when it is not defined for this example."""

    system: str
    scores: dict[str, float | None]
    methods: dict[str, str] = field(default_factory=dict)
    """Which method produced each score (lexical, tfidf, nli, grammar, ...)."""
    details: dict[str, Any] = field(default_factory=dict)


class SurrogateScore(Message, frozen=True):
    """Cheap topology of one claim graph."""

    system: str
    sno_id: str
    beta1_surrogate: int | None
    """E - V + C of the undirected simple graph; None without a claim."""
    cycle_count: int | None
    """Directed cycles: strongly connected components with a cycle; None without a claim."""
    fragility_score: float | None
    """In [0, 1); None when fewer than two claims have an embedding, or all the same one."""
    beta0: int | None = None
    """Connected pieces of the undirected simple graph; None without a claim."""
    notes: str = ""


class Bar(Message, frozen=True):
    """One bar of a persistence diagram; ``death`` is None for a class that never dies."""

    dimension: int
    birth: float
    death: float | None


class PersistenceResult(Message, frozen=True):
    """Persistent homology of one cloud of points."""

    system: str
    sno_id: str
    status: Literal["ok", "skipped", "too_few_points", "identical_points", "not_finite", "too_large"]
    """``ok`` alone enters a mean; the others say why there is no diagram, or none that says anything."""
    n_points: int
    method: str
    betti: dict[str, int] = field(default_factory=dict)
    """Bars per dimension whose persistence is at least the threshold, keys "0", "1", "2"."""
    bars: tuple[Bar, ...] = ()
    total_persistence: dict[str, float] = field(default_factory=dict)
    max_persistence: dict[str, float] = field(default_factory=dict)
    entropy: dict[str, float] = field(default_factory=dict)
    significant: dict[str, int] = field(default_factory=dict)
    """Bars per dimension that are more than noise; a dimension that could not be judged has no key."""
    critical: dict[str, float] = field(default_factory=dict)
    """From where: key "0" a life, the others a ratio of death to birth."""
    significance: str = ""
    """How that was judged, or why not."""
    robustness: dict[str, float] = field(default_factory=dict)
    """How far the diagram moves when points are removed or shaken, where that was asked for."""
    notes: str = ""


class EffectSize(Message, frozen=True):
    """Standardised size of a difference."""

    name: str
    value: float | None
    interval: Interval | None = None
    reason: str | None = None


class TestResult(Message, frozen=True):
    """One test. ``p_value`` is None with a ``reason`` when the data do not allow it."""

    __test__ = False  # not a pytest class

    name: str
    statistic: float | None
    p_value: float | None
    p_adjusted: float | None = None
    significant: bool | None = None
    """p_adjusted (p_value without correction) below alpha."""
    interval: Interval | None = None
    reason: str | None = None
    notes: str = ""
    status: Status = "ok"
    df: tuple[float, ...] = ()
    """Degrees of freedom, where the test has any."""


class RankedSystem(Message, frozen=True):
    """One system in a ranking."""

    system: str
    strength: float | None
    """Bradley-Terry log strength, mean 0: a lead of 0.7 wins 67 of 100 examples. None if infinite."""
    interval: Interval | None
    share_won: float
    """Examples won against all others, ties half."""
    place: tuple[int, int]
    """Best and worst place that the data leave open."""


class Ranking(Message, frozen=True):
    """Three or more systems on the same examples; ``systems`` from the strongest down."""

    metric: str
    n: int
    n_clusters: int | None
    systems: tuple[RankedSystem, ...] = ()
    best: str | None = None
    """The system that beats each other one significantly, if there is one."""
    method: str = ""
    status: Status = "ok"
    reason: str | None = None
    summary: str = ""


class Watched(Message, frozen=True):
    """A comparison that could be looked at while the run went on, as it stood after the last example."""

    metric: str
    system: str
    baseline: str
    n: int
    """Independent examples that it saw: one of each group."""
    difference: float | None
    interval: Interval | None = None
    """Holds at all times together."""
    p_value: float | None = None
    """Valid at any time, corrected for the number of watched comparisons."""
    decided_after: int | None = None
    """Examples after which the difference was significant; it stays so."""
    method: str = ""
    reason: str | None = None


class Comparison(Message, frozen=True):
    """The model against one baseline on one metric, on the same examples."""

    metric: str
    system: str
    baseline: str
    n: int
    """Pairs in which both scores are defined."""
    n_clusters: int | None
    mean_system: float | None
    mean_baseline: float | None
    difference: float | None
    interval: Interval | None = None
    higher_is_better: bool = True
    effect: EffectSize | None = None
    tests: tuple[TestResult, ...] = ()
    verdict: Literal["better", "worse", "equivalent", "undecided", "no_data"] = "no_data"
    summary: str = ""
    """The result in words, with the test that decided and why it was chosen."""
    detectable: float | None = None
    """The true difference that these pairs (clusters) would show with power .8, given their spread."""
    needed: int | None = None
    """Pairs (clusters) that would show the observed difference with power .8."""
