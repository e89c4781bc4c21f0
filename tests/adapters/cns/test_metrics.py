from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crucible.adapters.cns.chirality import chirality_score, diagonal_mahalanobis
from crucible.adapters.cns.metrics import score_answer
from crucible.adapters.cns.quality import meets, overall_quality
from crucible.adapters.cns.scores import Scores
from crucible.adapters.embeddings.tfidf import TfIdf
from crucible.adapters.entailment.lexical import LexicalEntailment

PROMPT = """You read abstracts.

Passage:
Document 11: Amber lamps

Wards are lit at night. Amber lamps lengthened sleep by 48 minutes. Pain did not differ. Staff were tired.

Document 12: More lamps

A trial was run in two hospitals. Sleep was equal in both groups.

Task:
1. Write CLAIM[c1].
"""
GOLD = """CLAIM[c1]: Amber lamps lengthen sleep.
CLAIM[c2] (Document 11): Amber lamps lengthened sleep by 48 minutes. Staff were tired.
RELATION: c2 supports c1
CLAIM[c3] (Document 12): Sleep was equal in both groups.
RELATION: c3 refutes c1"""


def scored(
    answer: str, *, prompt: str = PROMPT, reference: str | None = GOLD, ids: tuple[str, ...] = ()
) -> Scores:
    return details(answer, prompt=prompt, reference=reference, ids=ids)[0]


def details(
    answer: str, *, prompt: str = PROMPT, reference: str | None = GOLD, ids: tuple[str, ...] = ()
) -> tuple[Scores, dict[str, Any]]:
    return score_answer(
        answer,
        prompt=prompt,
        reference=reference,
        document_ids=ids,
        entailment=LexicalEntailment(),
        embed=TfIdf().embed,
    )


PERFECT = (
    "schema_compliance",
    "citation_precision",
    "citation_recall",
    "citation_f1",
    "sentence_precision",
    "sentence_recall",
    "sentence_f1",
    "labelled_sentence_f1",
    "relation_accuracy",
    "c1_similarity",
    "mean_similarity",
    "mean_entailment",
    "overall_quality",
)


def test_the_gold_answer_scores_perfectly() -> None:
    scores = scored(GOLD)
    assert {name: scores[name] for name in PERFECT} == pytest.approx(dict.fromkeys(PERFECT, 1.0))
    assert scores["citation_hallucination_rate"] == 0.0
    assert scores["polarity_conflict"] == 1.0


def test_an_empty_answer_scores_nothing_and_leaves_undefined_what_is_undefined() -> None:
    scores = scored("")
    zero = (
        "schema_compliance",
        "schema_has_claim",
        "parseable",
        "citation_recall",
        "citation_f1",
        "sentence_f1",
    )
    assert all(scores[name] == 0.0 for name in (*zero, "c1_similarity", "mean_similarity", "overall_quality"))
    undefined = ("citation_precision", "citation_hallucination_rate", "relation_accuracy", "mean_entailment")
    assert all(scores[name] is None for name in (*undefined, "schema_consecutive_ids", "beta1", "chirality"))
    assert scores["citation_abstained"] == 1.0


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ("CLAIM[c2]: a", "schema_has_c1"),
        ("CLAIM[c1]: a\nCLAIM[c3]: b", "schema_consecutive_ids"),
        ("CLAIM[c1]: a\nCLAIM[c1]: b", "schema_consecutive_ids"),
        ("CLAIM[c1]: a\nRELATION: c2 supports c1", "schema_relations_resolve"),
        ("Sure!\nCLAIM[c1]: a", "schema_all_lines_parsed"),
        ("CLAIM[c1]: a\nCLAIM[c2]:", "schema_all_lines_parsed"),
        ("claim[c1]: a", "schema_has_claim"),
    ],
)
def test_each_fault_of_form_costs_its_part_and_compliance(answer: str, part: str) -> None:
    scores = scored(answer)
    assert scores[part] == 0.0
    assert scores["schema_compliance"] == 0.0
    assert scores["parseable"] == 1.0


def test_a_slip_of_form_costs_only_the_schema_scores() -> None:
    strict, loose = scored(GOLD), scored(GOLD.replace("CLAIM", "- claim"))
    assert loose["schema_compliance"] == 0.0
    kept = [name for name in PERFECT if name not in ("schema_compliance", "overall_quality")]
    assert [loose[name] for name in kept] == [strict[name] for name in kept]


def test_citations_are_judged_per_example() -> None:
    scores, why = details("CLAIM[c1]: a\nCLAIM[c2] (Document 11): b\nCLAIM[c3] (Document 99): c")
    assert scores["citation_precision"] == 0.5
    assert scores["citation_recall"] == 0.5
    assert scores["citation_f1"] == 0.5
    assert scores["citation_hallucination_rate"] == 0.5
    assert why["hallucinated_ids"] == ["99"]


def test_abstention_is_a_score_of_its_own() -> None:
    scores = scored("CLAIM[c1]: a\nCLAIM[c2]: b")
    assert scores["citation_abstained"] == 1.0
    assert scores["citation_precision"] is None
    assert scores["citation_recall"] == 0.0


def test_gold_ids_come_from_the_row_when_the_reference_cites_nothing() -> None:
    scores, why = details("CLAIM[c1] (Document 12): a", reference=None, ids=("12",))
    assert scores["citation_precision"] == 1.0
    assert why["gold_ids_from"] == "row"
    unknown, why = details("CLAIM[c1] (Document 12): a", reference=None)
    assert unknown["citation_precision"] is None
    assert why["gold_ids_from"] == "none"


def test_sentence_selection_counts_sentences_not_claims() -> None:
    text = "Amber lamps lengthened sleep by 48 minutes. Pain did not differ."
    answer = f"CLAIM[c1]: a\nCLAIM[c2] (Document 11): {text}"
    scores = scored(answer)
    assert scores["sentence_precision"] == 0.5
    assert scores["sentence_recall"] == pytest.approx(1 / 3)
    assert scores["sentence_f1"] == pytest.approx(0.4)


def test_an_evidence_claim_from_nowhere_is_a_wrong_selection() -> None:
    found = "CLAIM[c1]: a\nCLAIM[c2] (Document 12): Sleep was equal in both groups."
    answer = f"{found}\nCLAIM[c3] (Document 11): Cats purr."
    scores, why = details(answer)
    assert scores["sentence_precision"] == 0.5
    assert why["unlocated_claims"] == 1


def test_a_sentence_under_the_wrong_document_is_still_found() -> None:
    scores = scored("CLAIM[c1]: a\nCLAIM[c2] (Document 11): Sleep was equal in both groups.")
    assert scores["sentence_precision"] == 1.0
    assert scores["mean_entailment"] is not None
    assert scores["mean_entailment"] < 1.0


def test_relation_accuracy_is_over_the_gold_sentences_that_were_selected() -> None:
    flipped = scored(GOLD.replace("c3 refutes", "c3 supports"))
    assert flipped["relation_accuracy"] == pytest.approx(2 / 3)
    assert flipped["supports_recall"] == 1.0
    assert flipped["refutes_recall"] == 0.0
    assert flipped["labelled_sentence_f1"] == pytest.approx(2 / 3)
    silent = scored("\n".join(line for line in GOLD.split("\n") if "RELATION" not in line))
    assert silent["relation_accuracy"] == 0.0
    assert scored("CLAIM[c1]: a\nCLAIM[c2]: Wards are lit at night.")["relation_accuracy"] is None


def test_selecting_evidence_where_the_reference_has_none_is_wrong() -> None:
    scores = scored(
        "CLAIM[c1]: a\nCLAIM[c2] (Document 12): Sleep was equal in both groups.", reference="CLAIM[c1]: a"
    )
    assert scores["sentence_precision"] == 0.0
    assert scores["sentence_f1"] is None


def test_without_a_reference_what_needs_one_is_undefined() -> None:
    scores = scored(GOLD, reference=None)
    assert all(
        scores[name] is None for name in ("sentence_f1", "relation_accuracy", "c1_similarity", "citation_f1")
    )
    assert scores["schema_compliance"] == 1.0
    assert scores["mean_entailment"] == 1.0


def test_an_uncited_evidence_claim_is_not_borne_out() -> None:
    text = "Sleep was equal in both groups."
    answer = f"CLAIM[c1]: a\nCLAIM[c2]: {text}\nCLAIM[c3] (Document 12): {text}"
    assert scored(answer)["mean_entailment"] == 0.5


def test_overall_quality_adds_its_parts_by_their_weights() -> None:
    parts: dict[str, Any] = {
        "schema": 1.0,
        "citation": 1.0,
        "entailment": 0.72,
        "extra_loops": 0,
        "extra_conflict": False,
    }
    assert overall_quality(**parts) == pytest.approx(0.916)
    assert overall_quality(**parts | {"extra_loops": 3}) == pytest.approx(0.816)
    assert overall_quality(**parts | {"extra_conflict": True}) == pytest.approx(0.816)
    assert overall_quality(**parts | {"citation": None}) is None


def test_a_conflict_or_loop_of_the_reference_costs_nothing() -> None:
    assert scored(GOLD)["overall_quality"] == pytest.approx(1.0)
    one_sided = GOLD.replace("c3 refutes", "c3 supports")
    assert scored(GOLD, reference=one_sided)["overall_quality"] == pytest.approx(0.9)


def test_targets_are_met_missed_or_unknown() -> None:
    means = {
        "schema_compliance": 1.0,
        "citation_precision": 0.96,
        "citation_recall": 0.95,
        "mean_entailment": 0.5,
    }
    assert meets({**means}) is True
    assert meets({**means, "mean_entailment": 0.49}) is False
    assert meets({**means, "citation_precision": None}) is None
    assert meets({**means, "citation_precision": None, "citation_recall": 0.0}) is False


@pytest.mark.parametrize(
    ("distance", "overlap", "conflict", "score"),
    [(0.0, 1.0, False, 0.0), (1.0, 0.0, True, 0.75), (34.277, 1.0, False, 0.58299), (1e9, 0.0, True, 1.0)],
)
def test_the_chirality_formula(distance: float, overlap: float, conflict: bool, score: float) -> None:
    assert chirality_score(distance, overlap, conflict=conflict) == pytest.approx(score, abs=5e-6)


def test_the_mahalanobis_distance_divides_by_the_variance() -> None:
    left, right = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    assert diagonal_mahalanobis(left, right) == pytest.approx(5**0.5)
    assert diagonal_mahalanobis(left, right, np.array([4.0, 0.25])) == pytest.approx(5**0.5)


def test_chirality_is_undefined_when_nothing_refutes_and_grows_with_the_distance() -> None:
    base = "CLAIM[c1]: Lamps lengthen sleep.\nCLAIM[c2] (Document 11): {}\nRELATION: c2 refutes c1"
    same, other = (
        scored(base.format("Lamps lengthen sleep."))["chirality"],
        scored(base.format("Cats purr loudly."))["chirality"],
    )
    assert same == pytest.approx(0.2)
    assert other is not None
    assert other > 0.5
    assert scored(base.format("x").replace("refutes", "supports"))["chirality"] is None


def test_the_real_training_rows_score_perfectly_on_their_own_gold() -> None:
    path = Path(__file__).resolve().parents[4] / "shared/data/scifact/claim_extractor_train.jsonl"
    if not path.exists():
        pytest.skip("the SciFact claim-extractor rows are not beside the repository")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 505
    verbatim = 0
    for row in rows:
        scores = scored(row["completion"], prompt=row["prompt"], reference=row["completion"])
        assert {name: scores[name] for name in PERFECT} == pytest.approx(dict.fromkeys(PERFECT, 1.0))
        assert scores["beta1"] == scores["polarity_conflict"] == 0.0
        texts = [line.split("): ", 1)[1] for line in row["completion"].split("\n") if "] (Document " in line]
        verbatim += sum(text in row["prompt"] for text in texts)
    assert verbatim == 941  # the other 16 of 957 join sentences that are not neighbours
