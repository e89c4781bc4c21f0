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
from ...messages.findings import SurrogateScore
from ...messages.flow import Sample
from ...messages.records import Output
from ..cns.graph import beta1, claim_graph, components, cycle_count, polarity_conflict
from ..cns.parser import MAX_CLAIMS, read_answer
from ..embeddings.base import EMBEDDINGS, EmbeddingName, learned, make_embedder
from ..topology.distances import MetricName
from ..topology.fragility import fragility
from .running import RunningMean

__all__ = ["CnsSurrogates", "CnsSurrogatesOptions", "SurrogateSummary"]

HIGH_FRAGILITY = 0.5


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

    def accumulator(self) -> SurrogateSummary:
        """An empty summary."""
        return SurrogateSummary()


class SurrogateSummary:
    """Implements ``ports.Summary`` for SurrogateScore.

    ``n_snos`` counts all answers, ``n_graphs`` those with claims. ``beta1_high_fraction`` is the share of the
    latter with β₁ > 0, ``fragility_high_fraction`` that with fragility > 0.5 among the answers that have one;
    figures without an answer to stand on are None.
    """

    def __init__(self) -> None:
        self._count = 0
        self._beta0 = RunningMean()
        self._beta1, self._loops = RunningMean(), RunningMean()
        self._cycles = RunningMean()
        self._fragility, self._fragile = RunningMean(), RunningMean()

    def add(self, score: SurrogateScore) -> None:
        """Take one score in."""
        self._count += 1
        self._beta0.add(score.beta0)
        self._beta1.add(score.beta1_surrogate)
        if score.beta1_surrogate is not None:
            self._loops.add(score.beta1_surrogate > 0)
        if score.cycle_count is not None:
            self._cycles.add(score.cycle_count > 0)
        self._fragility.add(score.fragility_score)
        if score.fragility_score is not None:
            self._fragile.add(score.fragility_score > HIGH_FRAGILITY)

    def result(self) -> dict[str, Any]:
        """Means and shares so far."""
        return {
            "n_snos": self._count,
            "n_graphs": self._beta1.n,
            "beta0_mean": self._beta0.result(),
            "beta1_mean": self._beta1.result(),
            "beta1_high_fraction": self._loops.result(),
            "cyclic_fraction": self._cycles.result(),
            "fragility_mean": self._fragility.result(),
            "fragility_high_fraction": self._fragile.result(),
            "n_fragility": self._fragility.n,
        }
