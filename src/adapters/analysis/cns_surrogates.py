"""``cns`` surrogates: β₁, directed cycles and fragility of the claims of one answer.

Found by the registry for the stage ``analysis_surrogate_validation``. Each answer is a graph of its own:
claim ids repeat between examples, so a graph over a whole set would join what has nothing in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta

from ...actors.corpus import Corpus
from ...actors.ports import ScoreColumns
from ...messages.findings import OutputScores, SurrogateScore
from ...messages.flow import Sample
from ...messages.records import Output
from ..cns.graph import beta1, claim_graph, components, cycle_count, polarity_conflict
from ..cns.parser import MAX_CLAIMS, read_answer
from ..embeddings.base import EMBEDDINGS, EmbeddingName, learned, make_embedder
from ..topology.distances import MetricName
from ..topology.fragility import fragility
from .columns import defined, mean

__all__ = ["CnsSurrogates", "CnsSurrogatesOptions"]

HIGH_FRAGILITY = 0.5
GRAPH = "undirected simple claim graph"
MEASURES = (
    "beta0_mean",
    "beta1_mean",
    "beta1_high_fraction",
    "cyclic_fraction",
    "fragility_mean",
    "fragility_high_fraction",
)


class CnsSurrogatesOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How claims become points, and how far apart they are."""

    metric: Annotated[
        MetricName, Meta(description="Distance for fragility: cosine (on unit vectors) or euclidean.")
    ] = "cosine"
    embedding: Annotated[
        EmbeddingName,
        Meta(description=f"lsa (learned from the data), tfidf, {EMBEDDINGS}."),
    ] = "lsa"
    embedding_model: Annotated[
        str, Meta(min_length=1, description="Model of sentence_transformers, by name or folder.")
    ] = "sentence-transformers/all-MiniLM-L6-v2"
    model_cache: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Folder that keeps what trained models computed from run to run."),
    ] = None


class CnsSurrogates:
    """Implements ``ports.SurrogateAdapter``."""

    Options: ClassVar[type[msgspec.Struct]] = CnsSurrogatesOptions
    unbounded: ClassVar[frozenset[str]] = frozenset({"beta0_mean", "beta1_mean"})

    def __init__(self, options: CnsSurrogatesOptions) -> None:
        self._metric = options.metric
        self._embedding = options.embedding
        self._embedder = make_embedder(options.embedding, options.embedding_model, options.model_cache)

    def learn(self, corpus: Corpus) -> None:
        """Implements ``ports.LearnsFromData``."""
        self._embedder = learned(self._embedding, self._embedder, corpus)

    def score(self, sample: Sample, output: Output) -> SurrogateScore:
        """Surrogates of one output; all None without claims, and the notes say so.

        An output that failed has no loops either, but it must not lower the means: failing never pays.
        """
        document = read_answer(output.text)[1]
        graph = claim_graph(document)
        spread, why = self._fragility([claim.text for claim in document.claims[:MAX_CLAIMS]])
        notes = [f"{self._metric}, {self._embedder.method}"]
        if not document.claims:
            notes = ["no claims"]
        elif why:
            notes.append(why)
        if len(document.claims) > MAX_CLAIMS:
            notes.append(f"fragility of the first {MAX_CLAIMS} of {len(document.claims)} claims")
        if polarity_conflict(document):
            notes.append("polarity conflict at c1")
        return SurrogateScore(
            system=output.system,
            sno_id=sample.example.id,
            beta1_surrogate=beta1(len(graph.ids), graph.edges) if graph.ids else None,
            cycle_count=cycle_count(len(graph.ids), graph.edges) if graph.ids else None,
            fragility_score=spread,
            beta0=components(len(graph.ids), graph.edges) if graph.ids else None,
            notes="; ".join(notes),
        )

    def _fragility(self, texts: Sequence[str]) -> tuple[float | None, str]:
        """The figure, or why there is none: saying one thing three times is not robust."""
        points = self._embedder.embed(texts)
        if not np.isfinite(points).all():
            return None, "no fragility: an embedding holds NaN or infinity"
        if len(points) > 1 and (points == points[0]).all():
            return None, "no fragility: all claims have the same embedding"
        return fragility(points, self._metric), ""

    def measure(self, score: SurrogateScore) -> OutputScores:
        """What the means of ``summarize`` are over; a share is the mean of 0 and 1."""
        beta1, cycles, spread = score.beta1_surrogate, score.cycle_count, score.fragility_score
        values = (
            score.beta0,
            beta1,
            None if beta1 is None else float(beta1 > 0),
            None if cycles is None else float(cycles > 0),
            spread,
            None if spread is None else float(spread > HIGH_FRAGILITY),
        )
        return OutputScores(
            system=score.system,
            scores=dict(zip(MEASURES, values, strict=True)),
            methods=self._methods(),
        )

    def _methods(self) -> dict[str, str]:
        fragile = f"{self._metric}, {self._embedder.method}"
        methods = (
            f"connected components, {GRAPH}",
            f"E - V + C, {GRAPH}",
            f"share with E - V + C > 0, {GRAPH}",
            "share with a strongly connected component that holds a cycle",
            f"2.5x/(2.5x + 1), {fragile}",
            f"share with fragility > {HIGH_FRAGILITY:g}, {fragile}",
        )
        return dict(zip(MEASURES, methods, strict=True))

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:
        """Means over the answers where a figure is defined, None without any.

        ``n_snos`` counts all answers, ``n_graphs`` those with claims, ``n_fragility`` those with a fragility.
        """
        return {
            "n_snos": columns.n,
            "n_graphs": len(defined(columns.values("beta1_mean"))),
            **{name: mean(columns.values(name)) for name in MEASURES},
            "n_fragility": len(defined(columns.values("fragility_mean"))),
        }
