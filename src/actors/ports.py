"""The contracts of all that lies outside the actors, in one place; read this first to write a plug-in.

An adapter is found by name in the registry (entry points) and never imported by an actor. Each declares
``Options``, a msgspec Struct whose fields carry type, default and ``Meta(description=...)``; it is decoded
strictly, so an adapter only ever sees valid options.

Methods that are not coroutines may be slow: actors call them in worker threads, never on the event loop.
They must therefore not touch shared state, and they must not keep what they are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import msgspec

from ..messages.claims import Sno
from ..messages.control import Artifact
from ..messages.dialectic import Assessment, Drafted, Objections, Synthesized
from ..messages.errors import Problem
from ..messages.experiment import DatasetRef, StatsConfig
from ..messages.findings import (
    Comparison,
    Correlation,
    Issue,
    Metric,
    OutputScores,
    PersistenceResult,
    Ranking,
    SurrogateScore,
    Verdict,
    Watched,
)
from ..messages.flow import Sample
from ..messages.records import BadRow, CheckpointRef, Example, Output, TrainStep
from ..messages.report import DatasetFacts, RunReport
from ..messages.requests import BackendReply, BackendRequest, StoredReply
from ..messages.trace import Span

if TYPE_CHECKING:
    from .corpus import Corpus

__all__ = [
    "Agreement",
    "Arguments",
    "Backend",
    "Capabilities",
    "ChecksSurrogates",
    "ComparesShapes",
    "Dataset",
    "DatasetLoader",
    "Expectations",
    "Guard",
    "HasCounts",
    "LearnsFromData",
    "MetricsAdapter",
    "NamesScores",
    "Particular",
    "PendingStep",
    "Preflight",
    "Priced",
    "QueuedSession",
    "ReplyCache",
    "ReportSink",
    "Sampler",
    "ScoreColumns",
    "Session",
    "SpanExporter",
    "Statistics",
    "SurrogateAdapter",
    "TdaAdapter",
    "Watch",
    "WatchesComparisons",
]


class Dataset(Protocol):
    """Rows by position, in file order, opened and scanned once. Memory must not grow with row size."""

    @property
    def facts(self) -> DatasetFacts:
        """Name, hash, row and split counts, known after opening."""
        ...

    @property
    def bad_rows(self) -> Sequence[BadRow]:
        """Rows that cannot become examples, in file order (at most the first 1,000 are kept)."""
        ...

    def __len__(self) -> int:
        """Number of good rows."""
        ...

    def read(self, start: int, stop: int) -> list[Example]:
        """Good rows ``start`` to ``stop`` (exclusive). Blocking; called from one thread at a time."""
        ...

    def close(self) -> None:
        """Release files. Idempotent."""
        ...


class DatasetLoader(Protocol):
    """Opens data sets of one provider."""

    Options: ClassVar[type[msgspec.Struct]]

    def open(self, ref: DatasetRef, options: Any, *, seed: int, base: Path) -> Dataset:
        """Open and scan; raises DatasetError naming file, line and field.

        Relative paths in ``options`` count from ``base`` (the experiment file's folder) if the file is
        there, else from the working folder.
        """
        ...


class Expectations(Protocol):
    """A suite of checks on rows, with state over the stream (uniqueness, profile)."""

    def check(self, examples: Sequence[Example]) -> list[list[Issue]]:
        """The issues of each example, in order. Blocking, called for one batch at a time."""
        ...

    def finish(self) -> tuple[list[Issue], dict[str, Any]]:
        """Issues of the whole set (row count, value shares, ...) and the profile of the data, JSON-ready."""
        ...


class Guard(Protocol):
    """Scans text."""

    Options: ClassVar[type[msgspec.Struct]]

    def scan(self, text: str, *, side: str) -> tuple[Verdict, str]:
        """Verdict and the text with the findings redacted (the same text when redaction is off)."""
        ...


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend can do."""

    trainable: bool
    deterministic: bool = False
    """The same request and seed give the same answer."""
    free_training: bool = False
    """Training costs no money."""
    neutral_options: frozenset[str] = frozenset()
    """Options that change no answer, such as time-outs and prices. The cache looks at all others."""
    follows_instructions: bool = True
    """It can be asked anything, not only the task that it was made for."""
    summary: str = ""


class Sampler(Protocol):
    """Answers requests. Safe to call concurrently.

    It may have an attribute ``telemetry``, a mapping: what the span of each call says by OpenTelemetry's
    names, such as ``gen_ai.request.model`` and ``server.address``.
    """

    async def sample(self, request: BackendRequest) -> BackendReply:
        """One answer. Raises TransientError (retried by the caller) or BackendError (final).

        A sampler that streams may call ``first_token.first_token_came`` when the first piece is there.
        """
        ...


class Session(Protocol):
    """A model being trained or asked. One owner; training calls come one at a time."""

    async def train_step(self, batch: Sequence[Example]) -> TrainStep:
        """Forward and backward pass; gradients add up until ``optim_step``. Rows need a reference."""
        ...

    async def optim_step(self, learning_rate: float) -> None:
        """Apply the gathered gradients and clear them."""
        ...

    async def evaluate(self, batch: Sequence[Example]) -> TrainStep:
        """Loss without gradients."""
        ...

    async def save_checkpoint(self, name: str, *, step: int, epoch: int, loss: float | None) -> CheckpointRef:
        """Save weights and optimiser state."""
        ...

    async def load_checkpoint(self, ref: CheckpointRef) -> None:
        """Restore exactly what ``save_checkpoint`` saved."""
        ...

    async def sampler(self, checkpoint: CheckpointRef | None = None) -> Sampler:
        """A sampler of the checkpoint, or of the current weights."""
        ...

    async def aclose(self) -> None:
        """Release everything. Idempotent."""
        ...


class PendingStep(Protocol):
    """A training step that is on its way."""

    async def result(self) -> TrainStep:
        """Its loss. Asked for in the order of submission, one at a time."""
        ...


@runtime_checkable
class QueuedSession(Session, Protocol):
    """A session that takes work before the results of earlier work are there, as a distant service does.

    Everything happens in the order of the calls: a checkpoint asked for after three steps holds those three.
    """

    @property
    def ahead(self) -> int:
        """Steps that should be on their way besides the one whose result is waited for."""
        ...

    @property
    def notice(self) -> str:
        """What keeps the service from working, in a few words; empty while it works."""
        ...

    async def submit_step(self, batch: Sequence[Example], learning_rate: float) -> PendingStep:
        """Queue ``train_step`` and ``optim_step``; returns as soon as both are on their way."""
        ...

    def figures(self) -> dict[str, Any]:
        """What training has used so far (tokens, cost, faults), JSON-ready."""
        ...


class Backend(Protocol):
    """A kind of model."""

    Options: ClassVar[type[msgspec.Struct]]

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def open(self, options: Any, *, seed: int, workdir: Path) -> Session:
        """Start a session; its files (checkpoints) go below ``workdir``."""
        ...


@runtime_checkable
class Preflight(Protocol):
    """What a backend may have besides: a look, before anything is spent, at what ``open`` would miss."""

    def missing(self, options: Any) -> Sequence[Problem]:
        """What is not there, a key or a package. Opens and asks nothing.

        Paths count from the options; an empty one is the backend itself.
        """
        ...


@runtime_checkable
class Particular(Protocol):
    """A backend that cannot do with every prompt. A run in which it could do with none does not begin."""

    @property
    def needs(self) -> str:
        """What a prompt must have, in words: ``a passage (...)``."""
        ...

    def takes(self, prompt: str) -> bool:
        """Whether the prompt can be answered and learned from. Pure, blocking."""
        ...


@runtime_checkable
class Priced(Protocol):
    """A backend that knows what a request can cost. A run with a money budget needs it of every system."""

    def most_usd(self, options: Any, request: BackendRequest) -> float | None:
        """The most that one attempt can cost, in US dollars, by the prices in the options; None: unknown."""
        ...


class ScoreColumns(Protocol):
    """Scores of one system over all examples: one float column per metric, NaN where undefined."""

    @property
    def system(self) -> str:
        """Name of the system."""
        ...

    @property
    def n(self) -> int:
        """Examples seen, failed ones included."""
        ...

    def names(self) -> Sequence[str]:
        """Metric names in first-seen order."""
        ...

    def values(self, name: str) -> Sequence[float]:
        """Column of length n."""
        ...

    def clusters(self) -> Sequence[int] | None:
        """Cluster number of each example, None when the rows have no groups."""
        ...

    def method(self, name: str) -> str:
        """How the metric was computed."""
        ...


class MetricsAdapter(Protocol):
    """Scores outputs against their examples."""

    Options: ClassVar[type[msgspec.Struct]]

    directions: ClassVar[Mapping[str, str]]
    """Scores that are not "higher is better": "lower", or "none" for those that are neither."""

    @property
    def unbounded(self) -> frozenset[str]:
        """Scores that may lie outside [0, 1]."""
        ...

    def score(self, sample: Sample, output: Output) -> OutputScores | None:
        """Scores of one output; None when this adapter is a no-op."""
        ...

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:
        """Figures derived from the columns (overall quality, targets met), JSON-ready."""
        ...


@runtime_checkable
class NamesScores(Protocol):
    """A metrics adapter that tells its scores beforehand: a wrong name is then refused before the run."""

    def score_names(self, options: Any, /) -> Sequence[str]:
        """Names of all scores that an output may get under these options; a static method."""
        ...


class SurrogateAdapter(Protocol):
    """Cheap topology of each output's claim graph."""

    Options: ClassVar[type[msgspec.Struct]]
    unbounded: ClassVar[frozenset[str]]
    """Measured values that may lie above 1; none lies below 0."""

    def score(self, sample: Sample, output: Output) -> SurrogateScore | None:
        """Surrogates of one output; None when this adapter is a no-op."""
        ...

    def measure(self, score: SurrogateScore) -> OutputScores:
        """What means are over, by the names that ``summarize`` gives them."""
        ...

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:
        """Means and counts of the columns of ``measure``, JSON-ready."""
        ...


class TdaAdapter(Protocol):
    """Persistent homology of claim embeddings."""

    Options: ClassVar[type[msgspec.Struct]]
    unbounded: ClassVar[frozenset[str]]
    """Measured values that may lie above 1; none lies below 0."""

    def embed(self, sample: Sample, output: Output) -> Any:
        """Points of one output, float array of shape (claims, dimensions); None when it is a no-op."""
        ...

    def persistence(self, points: Any, *, system: str, sno_id: str) -> PersistenceResult:
        """Persistence of one cloud."""
        ...

    def measure(self, score: PersistenceResult) -> OutputScores:
        """What means are over, by the names that ``summarize`` gives them."""
        ...

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:
        """Means and counts of the columns of ``measure``, JSON-ready."""
        ...


class Agreement(Protocol):
    """Surrogates held against the exact figures of the same outputs; bounded in memory."""

    def add(self, surrogate: SurrogateScore, exact: PersistenceResult, *, group: str | None) -> None:
        """Take one output in, with the group of its example."""
        ...

    def correlations(self, level: float) -> tuple[Correlation, ...]:
        """How far they go together, with intervals of that level. Blocking."""
        ...

    def summarize(self, correlations: Sequence[Correlation]) -> dict[str, Any]:
        """What follows from the correlations, JSON-ready."""
        ...


@runtime_checkable
class HasCounts(Protocol):
    """What a metrics adapter may have besides: scores that are counts."""

    @property
    def counts(self) -> frozenset[str]:
        """Of ``unbounded``, those that cannot lie below 0."""
        ...


@runtime_checkable
class LearnsFromData(Protocol):
    """What an analysis adapter may have besides: a look at the data before anything is asked."""

    def learn(self, corpus: Corpus) -> None:
        """Called once, before the run, in a thread. Blocking."""
        ...


@runtime_checkable
class ChecksSurrogates(Protocol):
    """What a TDA adapter may have besides: surrogates held against the exact figures."""

    def agreement(self) -> Agreement:
        """An empty comparison."""
        ...


@runtime_checkable
class ComparesShapes(Protocol):
    """What a TDA adapter may have besides: how far the diagrams of two systems lie apart."""

    def distances(self, left: PersistenceResult, right: PersistenceResult) -> dict[str, Any] | None:
        """Figures, JSON-ready; None when that was not asked for. Blocking."""
        ...


class Statistics(Protocol):
    """Tests, intervals and effects."""

    def summarize(
        self,
        name: str,
        values: Sequence[float],
        *,
        clusters: Sequence[int] | None,
        method: str,
        config: StatsConfig,
        seed: int,
        bounded: bool = False,
        floor: float | None = None,
    ) -> Metric:
        """Mean of the defined values with its interval (clustered where clusters are given).

        ``bounded``: the scores cannot lie outside [0, 1], so the interval does not either. ``floor``: they
        cannot lie below it, but above 1: counts and lengths. Values of 0 and 1 are then no rate.
        """
        ...

    def compare(
        self,
        metric: str,
        system: Sequence[float],
        baseline: Sequence[float],
        *,
        names: tuple[str, str],
        clusters: Sequence[int] | None,
        config: StatsConfig,
        seed: int,
        bounded: bool = True,
    ) -> Comparison:
        """Paired comparison over the same examples; p values are not yet corrected.

        ``bounded``: the scores cannot lie outside [0, 1], so that values of 0 and 1 are rates.
        """
        ...

    def correct(self, comparisons: Sequence[Comparison], config: StatsConfig) -> list[Comparison]:
        """Adjust all p values together and set verdicts."""
        ...

    def rank(
        self,
        metric: str,
        columns: Mapping[str, Sequence[float]],
        *,
        clusters: Sequence[int] | None,
        higher_is_better: bool,
        config: StatsConfig,
    ) -> Ranking:
        """Rank three or more systems over the same examples."""
        ...


class Arguments(Protocol):
    """What the agents of a dialectic need besides a model: prompts, readers of replies, rules, critics.

    ``prompt`` is the input of the example, ``example`` its id; ``method`` names who spoke, for the results.
    """

    def read_thesis(
        self, prompt: str, example: str, reply: str, *, method: str, confidence: float | None
    ) -> Drafted:
        """The thesis of a model's answer; none when it has no claim."""
        ...

    def propose(self, prompt: str, example: str) -> Drafted:
        """A thesis by rules; none when the text has nothing to claim."""
        ...

    def challenge_prompt(self, prompt: str, thesis: Sno) -> str:
        """What an antagonist is asked."""
        ...

    def read_challenges(
        self, prompt: str, example: str, thesis: Sno, reply: str, *, method: str, round_number: int
    ) -> tuple[Objections | None, tuple[str, ...]]:
        """What it said, None when that is of no use; and what could not be read."""
        ...

    def challenge(self, prompt: str, example: str, thesis: Sno, *, round_number: int) -> Objections:
        """Objections by rules."""
        ...

    def synthesis_prompt(self, prompt: str, thesis: Sno, objections: Objections) -> str:
        """What a synthesizer is asked."""
        ...

    def read_synthesis(
        self,
        prompt: str,
        example: str,
        thesis: Sno,
        objections: Objections,
        reply: str,
        *,
        method: str,
        round_number: int,
    ) -> Synthesized:
        """What it said; without an object when that is of no use."""
        ...

    def synthesise(
        self, example: str, thesis: Sno, objections: Objections, *, round_number: int
    ) -> Synthesized:
        """A synthesis by rules; it always has an object."""
        ...

    def weigh(self, thesis: Sno, objections: Objections) -> tuple[float, float | None]:
        """Chirality of the challenges, and the entanglement of both sides; None without evidence to share."""
        ...

    def assess(self, sno: Sno, before: Sno | None = None, objections: Objections | None = None) -> Assessment:
        """What the critics say of it, and how it stands to the thesis and objections it was made from."""
        ...

    def write(self, sno: Sno) -> str:
        """The object as an answer."""
        ...


class Watch(Protocol):
    """A comparison that may be looked at after every example."""

    def update(self, difference: float) -> float:
        """Take the next difference, model minus baseline in [-1, 1]; the p value, valid at any time."""
        ...

    def result(self, metric: str, *, names: tuple[str, str]) -> Watched:
        """How it stands. Blocking."""
        ...


@runtime_checkable
class WatchesComparisons(Protocol):
    """What statistics may have besides: tests that hold however often one looks."""

    def watch(self, *, comparisons: int, config: StatsConfig) -> Watch:
        """One of so many comparisons that are watched together."""
        ...


class ReplyCache(Protocol):
    """Replies by key, kept from run to run. Safe to call concurrently; one run owns it."""

    def __contains__(self, key: str) -> bool:
        """Whether ``get`` will likely find it; from memory, at once."""
        ...

    async def get(self, key: str) -> StoredReply | None:
        """The reply; None when there is none, or when it is damaged."""
        ...

    async def put(self, key: str, stored: StoredReply) -> None:
        """Keep a reply; it is on disk when this returns. Raises OutputError when it cannot be."""
        ...

    def figures(self) -> dict[str, Any]:
        """Counts, JSON-ready: entries, stored, damaged."""
        ...

    def close(self) -> None:
        """Release everything. Blocking and idempotent."""
        ...


class ReportSink(Protocol):
    """Writes what a run leaves behind. Files appear under their final name only when they are whole."""

    def write_samples(self, samples: Sequence[Sample]) -> None:
        """Append to ``samples.jsonl``. Blocking."""
        ...

    def finish(self, report: RunReport) -> list[Artifact]:
        """Write all formats and close. Blocking."""
        ...

    def abandon(self) -> None:
        """Close and keep what is whole (after a failure). Idempotent."""
        ...


class SpanExporter(Protocol):
    """Receives spans as they end."""

    def export(self, spans: Sequence[Span]) -> None:
        """Write. Blocking."""
        ...

    def close(self) -> list[Artifact]:
        """Complete the files. Idempotent."""
        ...
