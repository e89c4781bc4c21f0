"""``cns`` metrics: scores answers made of claims, and what follows from the means.

Found by the registry for the stage ``analysis_metrics``. The scores themselves are pure functions of
``adapters.cns``; this class binds them to options, samples and columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from ...actors.corpus import Corpus
from ...actors.ports import ScoreColumns
from ...messages.findings import OutputScores
from ...messages.flow import Sample
from ...messages.records import Output
from ..cns.chirality import LEXICAL_DISTANCE, Embed
from ..cns.citations import document_ids
from ..cns.critics import LEXICAL, Profile, model_profile
from ..cns.critics.answers import CRITIC_SCORES, critic_methods, critic_scores
from ..cns.metrics import METHODS, Entailment, score_answer
from ..cns.parser import read_answer
from ..cns.passage import parse_passage
from ..cns.quality import TARGETS, meets
from ..cns.scores import Score
from ..embeddings.base import EMBEDDINGS, Embedder, EmbeddingName, learned, make_embedder
from .columns import defined, mean

__all__ = ["CnsMetrics", "CnsMetricsOptions", "c1_cosine"]


class CnsMetricsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How answers are scored."""

    entailment: Annotated[
        Literal["lexical", "nli"],
        Meta(
            description="lexical: share of a claim's words that stand in the cited document, no model. "
            "nli: a trained model (needs transformers and torch); refused when they are not installed."
        ),
    ] = "lexical"
    entailment_model: Annotated[
        str, Meta(min_length=1, description="NLI model, by name or folder; only for entailment nli.")
    ] = "cross-encoder/nli-deberta-v3-base"
    embedding: Annotated[
        EmbeddingName,
        Meta(description=f"How claims are compared: tfidf, lsa (both learned from the data), {EMBEDDINGS}."),
    ] = "tfidf"
    embedding_model: Annotated[
        str, Meta(min_length=1, description="Model of sentence_transformers, by name or folder.")
    ] = "sentence-transformers/all-MiniLM-L6-v2"
    chirality: Annotated[
        Literal["embedding", "words"],
        Meta(description="Distance of the two sides: of their points, or of the words they share."),
    ] = "embedding"
    critics: Annotated[
        bool,
        Meta(
            description="Also score each answer by the critics: grounding, logic, novelty, causal, bias and "
            "their verdict. They use the models of entailment and embedding where those are not the default."
        ),
    ] = False
    model_cache: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Folder that keeps what trained models computed from run to run."),
    ] = None


class CnsMetrics:
    """Implements ``ports.MetricsAdapter``."""

    Options: ClassVar[type[msgspec.Struct]] = CnsMetricsOptions
    directions: ClassVar[Mapping[str, str]] = {
        "citation_hallucination_rate": "lower",
        "citation_abstained": "lower",
        "beta1": "lower",
        "cycle_count": "lower",
        "polarity_conflict": "lower",
        "chirality": "none",  # a property of the text, not of the quality of an answer
    }
    unbounded: ClassVar[frozenset[str]] = frozenset({"beta1", "cycle_count"})
    counts: ClassVar[frozenset[str]] = unbounded

    def __init__(self, options: CnsMetricsOptions) -> None:
        self._options = options
        self._entailment = _entailment(options)
        self._use(make_embedder(options.embedding, options.embedding_model, options.model_cache))

    def learn(self, corpus: Corpus) -> None:
        """Implements ``ports.LearnsFromData``."""
        self._use(learned(self._options.embedding, self._embedder, corpus))

    def _use(self, embedder: Embedder) -> None:
        """Compare texts by this embedder from now on, and name it."""
        options = self._options
        self._embedder = embedder
        self._sides = embedder.embed if options.chirality == "embedding" else None
        apart = embedder.method if self._sides else LEXICAL_DISTANCE
        self._methods = METHODS | {
            "mean_entailment": self._entailment.method,
            "chirality": f"supporting against refuting side, {apart}",
            "c1_cosine": f"cosine, {embedder.method}",
        }
        self._profile = _profile(options, self._entailment, embedder) if options.critics else None
        if self._profile is not None:
            self._methods |= critic_methods(self._profile)

    @staticmethod
    def score_names(options: CnsMetricsOptions) -> tuple[str, ...]:
        """Implements ``ports.NamesScores``."""
        return (*METHODS, *_PLUGGED_IN, *(CRITIC_SCORES if options.critics else ()))

    def score(self, sample: Sample, output: Output) -> OutputScores:
        """Scores of one output. One that failed has an empty text and is scored as such."""
        example = sample.example
        scores, details = score_answer(
            output.text,
            prompt=example.input,
            reference=example.reference,
            document_ids=document_ids(example.fields),
            entailment=self._entailment,
            embed=self._sides,
        )
        scores["c1_cosine"] = c1_cosine(output.text, example.reference, self._embedder.embed)
        if self._profile is not None:
            judged, objections = critic_scores(
                read_answer(output.text)[1],
                example.id,
                parse_passage(example.input),
                self._entailment.support,
                self._profile,
            )
            scores |= judged
            details |= {"critics": objections} if objections else {}
        return OutputScores(system=output.system, scores=scores, methods=self._methods, details=details)

    def summarize(self, columns: ScoreColumns) -> dict[str, Any]:
        """Means over the examples where a score is defined, counts, and the targets; None where undefined."""
        means = {name: mean(columns.values(name)) for name in columns.names()}
        return {
            "n": columns.n,
            **{name: means.get(name) for name in _MEANS},
            "parseable_count": _count(columns, "parseable", 1.0),
            "unparseable_count": _count(columns, "parseable", 0.0),
            "topology": {
                "mean_beta1": means.get("beta1"),
                "max_beta1": max(defined(columns.values("beta1")), default=None),
                "dag_count": _count(columns, "cycle_count", 0.0),
                "cyclic_count": sum(value > 0 for value in defined(columns.values("cycle_count"))),
            },
            "chirality": {
                "mean_score": means.get("chirality"),
                "n": len(defined(columns.values("chirality"))),
                "polarity_conflicts": _count(columns, "polarity_conflict", 1.0),
            },
            "targets": {
                name: {"target": target, "value": means.get(name), "met": _met(means.get(name), target)}
                for name, target in TARGETS.items()
            },
            "meets_threshold": meets(means),
            "methods": {"mean_entailment": columns.method("mean_entailment")} if columns.n else {},
        }


ROUNDING = 1e-9
_PLUGGED_IN = ("mean_entailment", "chirality", "c1_cosine")
"""Scores whose method depends on the options."""


def c1_cosine(answer: str, reference: str | None, embed: Embed) -> Score:
    """Cosine of both c1, in [0, 1]; 0 when the answer has none, None when the reference has none."""
    wanted = None if reference is None else _c1(reference)
    if not wanted:
        return None
    given = _c1(answer)
    if not given:
        return 0.0
    if given == wanted:
        return 1.0
    first, second = embed([given, wanted])
    cosine = float(first @ second)
    return 1.0 if cosine > 1.0 - ROUNDING else max(0.0, cosine)


def _c1(text: str) -> str | None:
    return next((claim.text for claim in read_answer(text)[1].claims if claim.id == "c1"), None)


_MEANS = (
    "schema_compliance",
    "citation_precision",
    "citation_recall",
    "citation_f1",
    "citation_hallucination_rate",
    "citation_abstained",
    "sentence_f1",
    "labelled_sentence_f1",
    "relation_accuracy",
    "mean_entailment",
    "mean_similarity",
    "overall_quality",
)


def _entailment(options: CnsMetricsOptions) -> Entailment:
    if options.entailment == "nli":
        from ..entailment.nli import NliEntailment

        return NliEntailment(options.entailment_model, cache=options.model_cache)
    from ..entailment.lexical import LexicalEntailment

    return LexicalEntailment()


def _profile(options: CnsMetricsOptions, entailment: Entailment, embedder: Embedder) -> Profile:
    """Lexical by default; the models that the options name, where they name one."""
    scorer = None
    if options.entailment == "nli":
        from ..entailment.nli import NliEntailment

        scorer = entailment if isinstance(entailment, NliEntailment) else None
    if scorer is None and options.embedding == "tfidf":
        return LEXICAL
    if options.embedding == "tfidf":
        return model_profile(scorer=scorer)
    return model_profile(scorer=scorer, embed=embedder.embed, embedding=embedder.method)


def _count(columns: ScoreColumns, name: str, wanted: float) -> int:
    return sum(value == wanted for value in columns.values(name))


def _met(value: Score, target: float) -> bool | None:
    return None if value is None else value >= target
