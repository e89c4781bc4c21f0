"""What each metric means in one line, and which side of it is better.

The only place for this in the code: tables take their hints from it, the report ends with those of its
metrics, and the list in docs/reports.md is held against it by a test. Methods say how scores are computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from ...messages.report import RunReport
from .document import Cell, Section, Table
from .overview import all_comparisons, all_figures

__all__ = ["GLOSSARY", "Term", "glossary_section", "hint", "named"]

Better = Literal["higher", "lower", "neither"]


class Term(NamedTuple):
    """A metric in words."""

    meaning: str
    better: Better = "higher"


GLOSSARY: dict[str, Term] = {
    "exact_match": Term("1 when the answer is a right one word for word, case and punctuation aside"),
    "token_f1": Term("words shared with the right answer: 1 these and no others, 0 none"),
    "includes": Term("1 when a right answer stands in the answer as whole words, else 0"),
    "numeric_match": Term("1 when the last number of the answer is the right one, else 0"),
    "choice_match": Term("1 when the answer chose the right option, else 0"),
    "schema_compliance": Term("1 when the answer keeps to the grammar of claims in every part, else 0"),
    "schema_has_claim": Term("1 when there is a claim at all"),
    "schema_has_c1": Term("1 when there is a main claim, c1"),
    "schema_consecutive_ids": Term("1 when claims are numbered c1, c2, ... in order"),
    "schema_relations_resolve": Term("1 when every relation is between claims of the answer"),
    "schema_all_lines_parsed": Term("1 when every line is in the grammar"),
    "parseable": Term("1 when a lenient reading finds a claim"),
    "citation_precision": Term("share of the cited documents that are the right ones"),
    "citation_recall": Term("share of the right documents that are cited"),
    "citation_f1": Term("cited documents against the right ones: 1 the same, 0 none in common"),
    "citation_hallucination_rate": Term("share of the cited documents that were not in the prompt", "lower"),
    "citation_abstained": Term("1 when no document is cited", "lower"),
    "sentence_precision": Term("share of the selected sentences that are evidence"),
    "sentence_recall": Term("share of the evidence sentences that were selected"),
    "sentence_f1": Term("selected sentences against the evidence: 1 the same, 0 none in common"),
    "labelled_sentence_f1": Term("the same, where supports or refutes has to be right too"),
    "relation_accuracy": Term("of the evidence found, the share with the right label, supports or refutes"),
    "supports_recall": Term("share of the supporting evidence found and labelled as such"),
    "refutes_recall": Term("share of the refuting evidence found and labelled as such"),
    "c1_similarity": Term("words that the main claim shares with that of the reference"),
    "c1_cosine": Term("how near the main claim is to that of the reference, by embedding: 1 the same"),
    "mean_similarity": Term("words that the claims share with those of the reference"),
    "mean_entailment": Term("how far the cited documents bear out the claims, 0 to 1"),
    "beta1": Term("independent loops in the graph of claims", "lower"),
    "cycle_count": Term("circles of claims that argue for each other", "lower"),
    "polarity_conflict": Term("1 when the main claim is both supported and refuted", "lower"),
    "chirality": Term("how far apart the supporting and the refuting side of an answer stand", "neither"),
    "overall_quality": Term("form, citations and entailment in one weighted figure"),
    "critic_grounding": Term("how far the cited documents bear out the claims, by a critic"),
    "critic_logic": Term("how sound the relations of the claims are, by a critic"),
    "critic_novelty": Term("how little the claims repeat each other and the passage, by a critic"),
    "critic_causal": Term("how carefully causes are claimed, by a critic"),
    "critic_bias": Term("how free the wording is of slant, by a critic"),
    "critic_verdict": Term("weighted mean of the critics that could judge"),
    "beta0_mean": Term("connected pieces of an answer's claims, on average", "neither"),
    "beta1_mean": Term("loops among an answer's claims, on average", "neither"),
    "beta2_mean": Term("voids among an answer's claims, on average", "neither"),
    "beta1_high_fraction": Term("share of answers whose graph of claims has a loop", "neither"),
    "cyclic_fraction": Term("share of answers with claims that argue in a circle", "neither"),
    "fragility_mean": Term("how much the claims of an answer spread in embedding space, 0 to 1", "neither"),
    "fragility_high_fraction": Term("share of answers with a fragility above 0.5", "neither"),
    "high_loop_fraction": Term("share of answers whose claims have a loop in embedding space", "neither"),
    "avg_persistence": Term("mean life of the features of an answer's claims in embedding space", "neither"),
    "removal_worst": Term("how far the diagram moves when claims are left out, at most", "neither"),
    "removal_mean": Term("how far the diagram moves when claims are left out, on average", "neither"),
    "noise_worst": Term("how far the diagram moves when the points are shaken, at most", "neither"),
    "noise_mean": Term("how far the diagram moves when the points are shaken, on average", "neither"),
}
WORDS = (
    ("interval", "Range that holds the true value in so many of 100 runs like this one."),
    ("undecided", "The data allow a difference in either direction, or none."),
    ("no difference seen", "Both systems scored the same on every pair. More rows could still show one."),
    (
        "too few pairs",
        "With so few pairs or clusters the test that decides could show no difference, however large.",
    ),
    ("equivalent", "Any difference is shown to be smaller than the margin that was set."),
    ("p adjusted", "Chance of a difference as large if there were none, corrected for the number of tests."),
    (
        "n",
        "Rows that have the score. 24/21 cl.: 24 pairs in 21 clusters of rows that belong together.",
    ),
    ("could show", "The smallest true difference that so many pairs would find four times in five."),
    ("effect d_z", "The difference divided by its standard deviation over the rows."),
)


def hint(name: str) -> str:
    """Meaning and better side of a metric; empty for one that is not known here."""
    term = GLOSSARY.get(name)
    if term is None:
        return ""
    side = "says nothing of quality" if term.better == "neither" else f"{term.better} is better"
    return f"{term.meaning}; {side}"


def named(name: str, label: str = "") -> Cell:
    """The cell of a metric's name."""
    return Cell(label or name, hint=hint(name))


def glossary_section(report: RunReport) -> Section | None:
    """The metrics of this report, and the words of its tables. One not known here is told by its method."""
    figures = all_figures(report)
    described = [metric for stage in report.stages for metric in stage.described]
    comparisons = all_comparisons(report)
    methods = {metric.name: metric.method for metric in (*figures, *described)}
    names = dict.fromkeys((*(each.metric for each in comparisons), *methods))
    if not names:
        return None
    sides = {each.metric: "higher" if each.higher_is_better else "lower" for each in comparisons}
    rows = tuple(
        (Cell(name), Cell(sides.get(name, _side(name))), Cell(_meaning(name, methods.get(name, ""))))
        for name in names
    )
    tables = [Table("Metrics", ("metric", "better", "meaning"), rows, folded=True)]
    if comparisons:
        tables.append(Table("Words", ("word", "meaning"), tuple(_cells(pair) for pair in WORDS), folded=True))
    return Section(
        key="glossary",
        title="Glossary",
        lead="What the metrics and words of this report mean, and which side of a metric is better.",
        tables=tuple(tables),
    )


def _side(name: str) -> str:
    return GLOSSARY[name].better if name in GLOSSARY else "not known"


def _meaning(name: str, method: str) -> str:
    if name in GLOSSARY:
        return GLOSSARY[name].meaning
    return f"a metric of your own, scored by: {method}" if method else "a metric of your own"


def _cells(texts: Iterable[str]) -> tuple[Cell, ...]:
    return tuple(map(Cell, texts))
