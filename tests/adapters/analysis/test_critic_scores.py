from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest

from crucible.adapters.analysis.cns_metrics import CnsMetrics, CnsMetricsOptions
from crucible.adapters.cns.critics.answers import CRITIC_SCORES
from crucible.adapters.entailment import nli
from crucible.messages.findings import OutputScores
from crucible.messages.flow import Sample
from crucible.messages.records import Example, Output

PROMPT = (
    "Passage:\nDocument 7: Lamps\n\nAmber lamps lengthened sleep. Pain did not differ.\n\nTask:\n1. Go.\n"
)
GOLD = (
    "CLAIM[c1]: Amber lamps lengthen sleep.\nCLAIM[c2] (Document 7): Amber lamps lengthened sleep.\n"
    "RELATION: c2 supports c1"
)


def scored(text: str, **options: object) -> OutputScores:
    example = Example(id="e1", input=PROMPT, reference=GOLD, fields={"metadata": {"doc_ids": ["7"]}})
    output = Output(example_id="e1", system="model", backend="b", text=text)
    sample = Sample(example=example, outputs=(output,))
    adapter = CnsMetrics(msgspec.convert({"critics": True, **options}, CnsMetricsOptions))
    return adapter.score(sample, sample.outputs[0])


def test_critics_are_scored_only_when_asked_for() -> None:
    assert set(CRITIC_SCORES) <= set(scored(GOLD).scores)
    assert not set(CRITIC_SCORES) & set(scored(GOLD, critics=False).scores)


def test_the_verdict_is_the_weighted_mean_of_the_critics() -> None:
    scores = scored(GOLD).scores
    weights = {"grounding": 0.40, "logic": 0.30, "novelty": 0.15, "causal": 0.10, "bias": 0.05}
    mean = sum(weight * (scores[f"critic_{name}"] or 0.0) for name, weight in weights.items())
    assert scores["critic_verdict"] == pytest.approx(mean)


def test_every_score_has_its_method() -> None:
    result = scored(GOLD)
    assert set(result.scores) == set(result.methods)
    assert result.methods["critic_grounding"] == "lexical"


@pytest.mark.parametrize("text", ["", "nonsense", "RELATION: c1 supports c1"])
def test_an_answer_without_a_claim_is_judged_by_nobody(text: str) -> None:
    result = scored(text)
    assert {result.scores[name] for name in CRITIC_SCORES} == {None}
    assert "critics" not in result.details


def test_an_invented_document_grounds_nothing() -> None:
    invented = scored(GOLD.replace("Document 7", "Document 9"))
    assert invented.details["critics"]["issues"]["grounding"][0] == "the evidence is weak: mean validity 0.00"
    assert (invented.scores["critic_grounding"] or 0.0) < (scored(GOLD).scores["critic_grounding"] or 0.0)


@pytest.mark.parametrize(
    "text",
    [
        GOLD + "\nRELATION: c1 supports c2",
        GOLD + "\nRELATION: c1 supports c1",
        GOLD + "\nRELATION: c9 supports c1",
        GOLD + "\nCLAIM[c2] (Document 7): Pain did not differ.",
        "CLAIM[c1]: アンバー灯は睡眠。\nCLAIM[c2] (Document 7): Янтарный sleep.\nRELATION: c2 supports c1",
        "\n".join(f"CLAIM[c{n}] (Document 7): Thing {n}." for n in range(1, 10_001)),
    ],
    ids=["circle", "self-relation", "missing claim", "duplicated id", "mixed scripts", "10,000 claims"],
)
def test_bad_answers_are_scored_in_range_and_below_the_perfect_one(text: str) -> None:
    result = scored(text)
    for name in CRITIC_SCORES:
        assert 0.0 <= (result.scores[name] or 0.0) <= 1.0
    assert (result.scores["critic_verdict"] or 0.0) < 1.0


def test_a_circle_is_an_issue_of_logic() -> None:
    issues = scored(GOLD + "\nRELATION: c1 supports c2").details["critics"]["issues"]
    assert issues["logic"] == ["2 statements argue in a circle"]


def test_with_an_nli_model_the_critics_use_it_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def classify(pairs: Sequence[tuple[str, str]]) -> list[Mapping[str, float]]:
        return [
            {"entailment": 0.0, "contradiction": 1.0, "neutral": 0.0}
            if "did not lower" in hypothesis
            else {"entailment": 1.0, "contradiction": 0.0, "neutral": 0.0}
            for _, hypothesis in pairs
        ]

    monkeypatch.setattr(nli, "load_classifier", lambda _model: classify)
    result = scored(GOLD, entailment="nli", entailment_model="toy")
    assert result.methods["critic_logic"] == "model: nli:toy, SummaC-ZS; word overlap"
    assert result.methods["critic_bias"] == "lexical"
    assert result.scores["critic_grounding"] == pytest.approx(0.30 * 0.5 + 0.30 + 0.25 + 0.15)


def test_the_chirality_of_words_needs_no_embedding_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def both_c1_alone(_self: object, texts: Sequence[str]) -> np.ndarray:
        assert list(texts) == ["Amber lamps lengthen sleep."] * 2, "an embedding of the sides was asked for"
        return np.ones((2, 1))

    monkeypatch.setattr("crucible.adapters.embeddings.tfidf.TfIdf.embed", both_c1_alone)
    against = GOLD + "\nCLAIM[c3] (Document 7): Pain did not differ.\nRELATION: c3 refutes c1"
    result = scored(against, chirality="words")
    assert result.scores["chirality"] is not None
    assert result.methods["chirality"] == "supporting against refuting side, sqrt(2 - 2 token F1)"
