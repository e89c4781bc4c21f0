"""``cns`` persistence: Vietoris-Rips homology of the claims of an answer, or of a whole set.

Found by the registry for the stage ``analysis_tda_validation``, which decides in which thread or process
``persistence`` runs; the engine holds the interpreter lock meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ...actors.corpus import Corpus
from ...actors.ports import ScoreColumns
from ...messages.findings import OutputScores, PersistenceResult
from ...messages.flow import Sample
from ...messages.records import Output
from ..cns.parser import MAX_CLAIMS, read_answer
from ..embeddings.base import EMBEDDINGS, learned, make_embedder
from ..topology.diagrams import diagram_of
from ..topology.distances import MetricName
from ..topology.matching import bottleneck, wasserstein
from ..topology.persistence import MAX_MEMORY_MB, persistence
from ..topology.rips import EngineName
from ..topology.rips import engine as find_engine
from ..topology.robustness import noise_sensitivity, removal_sensitivity
from .agreement import SurrogateAgreement
from .columns import defined, mean

__all__ = ["CnsTda", "CnsTdaOptions"]


MAX_ROBUSTNESS_POINTS = 200
MAX_COMPARED_BARS = 1_000
ROBUSTNESS = ("removal_worst", "removal_mean", "noise_worst", "noise_mean")


class CnsTdaOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How claims become points, and which features count."""

    max_dimension: Annotated[
        int,
        Meta(ge=0, le=2, description="Highest homology dimension: 0 clusters, 1 loops, 2 voids (costly)."),
    ] = 1
    metric: Annotated[
        MetricName,
        Meta(description="cosine (1 - cos, on unit vectors), angular, euclidean, manhattan or chebyshev."),
    ] = "cosine"
    engine: Annotated[
        EngineName, Meta(description="ripser, gudhi, or auto: gudhi where it is installed. Same bars.")
    ] = "auto"
    landmarks: Annotated[
        Annotated[int, Meta(ge=3)] | None,
        Meta(description="Of more distinct claims so many stand for all (farthest points); default: never."),
    ] = None
    max_memory_mb: Annotated[
        int, Meta(ge=1, description="A cloud whose worst case would take more is not begun: too_large.")
    ] = MAX_MEMORY_MB
    persistence_threshold: Annotated[
        float,
        Meta(
            ge=0.0, description="Life, in units of the metric, from which a feature counts as a Betti number."
        ),
    ] = 0.1
    max_distance: Annotated[
        Annotated[float, Meta(gt=0.0)] | None,
        Meta(description="Cut the filtration here. Leave it out unless the cut is wanted: it is slower."),
    ] = None
    seed: Annotated[
        int, Meta(description="Of the resampling behind the significance of pieces, and of the noise.")
    ] = 0
    robustness: Annotated[
        bool, Meta(description="How far diagrams of up to 200 claims move by removal and by noise; costly.")
    ] = False
    compare_systems: Annotated[
        bool, Meta(description="Bottleneck and Wasserstein distances between the systems' whole sets.")
    ] = False
    noise_scale: Annotated[
        float, Meta(gt=0.0, description="Standard deviation of the noise of robustness, per coordinate.")
    ] = 0.01
    embedding: Annotated[
        Literal["lsa", "minilm", "wordllama", "sentence_transformers"],
        Meta(description=f"lsa (learned from the data), {EMBEDDINGS}."),
    ] = "lsa"
    embedding_model: Annotated[
        str, Meta(min_length=1, description="Model of sentence_transformers, by name or folder.")
    ] = "sentence-transformers/all-MiniLM-L6-v2"
    model_cache: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Folder that keeps what trained models computed from run to run."),
    ] = None


class CnsTda:
    """Implements ``ports.TdaAdapter``. Picklable."""

    Options: ClassVar[type[msgspec.Struct]] = CnsTdaOptions
    unbounded: ClassVar[frozenset[str]] = frozenset(
        {"beta0_mean", "beta1_mean", "beta2_mean", "avg_persistence", *ROBUSTNESS}
    )

    def __init__(self, options: CnsTdaOptions) -> None:
        self._options = options
        self._embedder = make_embedder(options.embedding, options.embedding_model, options.model_cache)
        if options.engine == "gudhi":
            find_engine("gudhi")  # refused here, before the run, when it is not installed

    def learn(self, corpus: Corpus) -> None:
        """Implements ``ports.LearnsFromData``."""
        self._embedder = learned(self._options.embedding, self._embedder, corpus)

    def embed(self, sample: Sample, output: Output) -> NDArray[np.float64]:  # noqa: ARG002
        """The claims of one output, at most the first 1,000, as points of shape (claims, dimensions)."""
        return self._embedder.embed([claim.text for claim in read_answer(output.text)[1].claims[:MAX_CLAIMS]])

    def persistence(self, points: Any, *, system: str, sno_id: str) -> PersistenceResult:
        """Persistence of one cloud, shape (n, d)."""
        result = persistence(
            points,
            system=system,
            sno_id=sno_id,
            metric=self._options.metric,
            max_dimension=self._options.max_dimension,
            persistence_threshold=self._options.persistence_threshold,
            max_distance=self._options.max_distance,
            engine=self._options.engine,
            landmarks=self._options.landmarks,
            max_memory_mb=self._options.max_memory_mb,
            seed=self._options.seed,
        )
        if self._options.robustness and result.status == "ok":
            result = self._with_robustness(result, points)
        return msgspec.structs.replace(result, method=f"{result.method}, {self._embedder.method}")

    def _with_robustness(self, result: PersistenceResult, points: Any) -> PersistenceResult:
        options = self._options
        if len(points) > MAX_ROBUSTNESS_POINTS:
            note = f"no robustness: more than {MAX_ROBUSTNESS_POINTS} points"
            return msgspec.structs.replace(result, notes="; ".join(filter(None, (result.notes, note))))
        how: dict[str, Any] = {
            "max_dimension": options.max_dimension,
            "metric": options.metric,
            "engine": options.engine,
        }
        removal = removal_sensitivity(points, **how)
        noise = noise_sensitivity(points, options.noise_scale, seed=options.seed, **how)
        figures = {
            "removal_worst": removal.worst,
            "removal_mean": removal.mean,
            "noise_worst": noise.worst,
            "noise_mean": noise.mean,
        }
        defined = {name: value for name, value in figures.items() if value is not None}
        return msgspec.structs.replace(result, robustness=defined)

    def distances(self, left: PersistenceResult, right: PersistenceResult) -> dict[str, Any] | None:
        """Bottleneck and 2-Wasserstein distance in each dimension; None for what cannot be compared."""
        if not self._options.compare_systems:
            return None
        figures: dict[str, Any] = {}
        for dimension in range(self._options.max_dimension + 1):
            one, other = diagram_of(left, dimension), diagram_of(right, dimension)
            sound = left.status == right.status == "ok" and max(len(one), len(other)) <= MAX_COMPARED_BARS
            for name, distance in (("bottleneck", bottleneck), ("wasserstein", wasserstein)):
                value = distance(one, other) if sound else math.inf
                figures[f"{name}_{dimension}"] = value if value < math.inf else None
        return figures

    def agreement(self) -> SurrogateAgreement:
        """An empty comparison of surrogates with exact figures."""
        return SurrogateAgreement(self._options.seed)

    def measure(self, score: PersistenceResult) -> OutputScores:
        """What the means of ``summarize`` are over: only a result with status ``ok`` has any.

        The life of an answer's bars is the mean of those that die, all dimensions together.
        """
        if score.status != "ok":
            undefined: dict[str, float | None] = {"beta0_mean": None}
            return OutputScores(system=score.system, scores=undefined, methods=self._methods(undefined))
        lives = [bar.death - bar.birth for bar in score.bars if bar.death is not None]
        loops = score.betti.get("1")
        scores: dict[str, float | None] = {
            **{f"beta{dimension}_mean": number for dimension, number in score.betti.items()},
            **({} if loops is None else {"high_loop_fraction": float(loops > 0)}),
            "avg_persistence": sum(lives) / len(lives) if lives else None,
            **score.robustness,
        }
        return OutputScores(system=score.system, scores=scores, methods=self._methods(scores))

    def _methods(self, names: Iterable[str]) -> dict[str, str]:
        options = self._options
        how = f"{options.metric}, {self._embedder.method}"
        lasting = f"that live for {options.persistence_threshold:g} or never die, {how}"
        methods = {
            "high_loop_fraction": f"share with an H1 bar of those {lasting}",
            "avg_persistence": f"mean life of the bars that die, {how}",
            **{f"beta{dimension}_mean": f"H{dimension} bars {lasting}" for dimension in range(3)},
            **dict.fromkeys(ROBUSTNESS, f"bottleneck distance, worst dimension, {how}"),
        }
        return {name: methods[name] for name in names}

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:
        """Means over the results with status ok where a figure is defined, None without any.

        ``n_snos`` counts all answers, ``n_ok`` those with a diagram. ``beta2_mean`` is None unless dimension
        2 was asked for.
        """
        names = ("beta0_mean", "beta1_mean", "beta2_mean", "high_loop_fraction", "avg_persistence")
        robust = [name for name in ROBUSTNESS if name in columns.names()]
        return {
            "n_snos": columns.n,
            "n_ok": len(defined(columns.values("beta0_mean"))),
            **{name: mean(columns.values(name)) for name in (*names, *robust)},
        }
