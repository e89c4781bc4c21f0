"""Figures that the reference implementation prints, or that follow from its formulas by hand.

It rounds to four decimals, so goldens are met to half of the last one. Those of splits, warm-up and steps
stand with the training.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from crucible.adapters.cns import parse_claims
from crucible.adapters.cns.chirality import chirality_score
from crucible.adapters.cns.graph import beta1, claim_graph
from crucible.adapters.cns.measures import (
    challenge_chirality,
    chirality_of_challenges,
    convergence_score,
    evidence_score,
    fisher_rao_distance,
    is_critical,
    sno_quality,
    synthesis_confidence,
)
from crucible.adapters.cns.quality import overall_quality
from crucible.adapters.topology.fragility import squash
from crucible.messages.claims import Challenge, ChallengeType, Evidence, Severity, Sno

ROWS = Path(__file__).resolve().parents[4] / "shared/data/scifact/claim_extractor_train.jsonl"


def rounded(value: float | None) -> object:
    return pytest.approx(value, abs=5e-5)


def sno(confidence: float, *evidence: Evidence) -> Sno:
    return Sno(id="s", claim="A claim.", confidence=confidence, evidence=evidence)


def challenge(severity: Severity, type_: ChallengeType, confidence: float) -> Challenge:
    return Challenge(id="x", target="s", severity=severity, type=type_, confidence=confidence)


SOUND = Evidence(source="d")


@pytest.mark.parametrize(
    ("severity", "type_", "confidence", "golden"),
    [
        ("high", "contradiction", 0.8, 0.8),
        ("low", "alternative", 0.4, 0.048),
        ("medium", "logical", 0.5, 0.27),
        ("high", "evidence_gap", 0.9, 0.63),
        ("low", "scope", 0.5, 0.075),
    ],
)
def test_chirality_of_a_challenge(
    severity: Severity, type_: ChallengeType, confidence: float, golden: float
) -> None:
    assert challenge_chirality(challenge(severity, type_, confidence)) == rounded(golden)


def test_chirality_of_challenges_is_their_mean_and_nothing_without_any() -> None:
    both = (challenge("high", "contradiction", 0.8), challenge("low", "alternative", 0.4))
    assert chirality_of_challenges(both) == rounded(0.424)
    assert chirality_of_challenges(()) == 0.0


def test_a_challenge_is_critical_by_severity_and_confidence_together() -> None:
    assert is_critical(challenge("high", "logical", 0.7))
    assert not is_critical(challenge("high", "logical", 0.69))
    assert not is_critical(challenge("medium", "logical", 1.0))


def test_quality_of_an_object() -> None:
    assert sno_quality(sno(0.8, SOUND)) == rounded(0.7867)
    assert sno_quality(sno(0.5)) == rounded(0.2)
    half = Evidence(source="d", validity=0.5, relevance=0.5)
    assert sno_quality(sno(1.0, half, half, half, half)) == rounded(0.7)
    assert evidence_score([SOUND, half]) == 0.75
    assert evidence_score([]) == 0.0


def test_convergence() -> None:
    assert convergence_score(0.8, 0.9) == rounded(0.9)
    assert convergence_score(0.9, 0.8) == rounded(0.9)


def test_fisher_rao_distance() -> None:
    assert fisher_rao_distance([0.5, 0.5], [0.5, 0.5]) == 0.0
    assert fisher_rao_distance([1, 0], [0, 1]) == rounded(math.pi)
    assert fisher_rao_distance([2, 2], [7, 7]) == 0.0
    assert fisher_rao_distance([0, 0], [1, 1]) == 0.0
    assert fisher_rao_distance([0.5, 0.5], [1.0, 0.0]) == rounded(math.pi / 2)


@pytest.mark.parametrize(
    ("left", "right"),
    [([1], [1, 2]), ([], []), ([-1, 2], [1, 1]), ([math.nan, 1], [1, 1]), ([math.inf], [1])],
)
def test_fisher_rao_distance_of_what_is_no_pair_of_distributions_is_not_defined(
    left: list[float], right: list[float]
) -> None:
    assert fisher_rao_distance(left, right) is None


@pytest.mark.parametrize(
    ("distance", "overlap", "conflict", "golden"),
    [(0.0, 1.0, False, 0.0), (1.0, 0.0, True, 0.75), (34.277, 1.0, False, 0.58299)],
)
def test_chirality_of_two_texts(distance: float, overlap: float, conflict: bool, golden: float) -> None:
    assert chirality_score(distance, overlap, conflict=conflict) == pytest.approx(golden, abs=5e-6)


def test_fragility_of_a_spread() -> None:
    assert squash(0.4) == 0.5


def test_confidence_of_a_synthesis() -> None:
    assert synthesis_confidence(sno(0.8), sno(0.6), [SOUND]) == rounded(0.81)
    assert synthesis_confidence(sno(1.0), sno(1.0), [SOUND]) == 1.0


def test_without_evidence_a_synthesis_of_syntheses_falls_to_a_quarter() -> None:
    confidence = 0.9
    for _ in range(100):
        confidence = synthesis_confidence(sno(confidence), sno(confidence), [])
    assert confidence == rounded(0.25)


def test_the_highest_overall_quality_that_the_reference_adapter_can_give() -> None:
    """Its entailment is 0.72 for a claim that cites, whatever it says."""
    best = overall_quality(schema=1.0, citation=1.0, entailment=0.72, extra_loops=0, extra_conflict=False)
    assert best == rounded(0.916)


@pytest.mark.skipif(not ROWS.exists(), reason="the SciFact claim-extractor rows are not here")
def test_the_reference_entailment_of_its_own_gold_rows_misses_its_own_target() -> None:
    """Mean over all claims of 0.8·0.9 where a document is cited, else 0: below 0.50 for perfect answers."""
    lines = ROWS.read_text(encoding="utf-8").splitlines()
    answers = [parse_claims(json.loads(line)["completion"]) for line in lines]
    cited = [claim.document_id is not None for answer in answers for claim in answer.claims]
    assert 0.8 * 0.9 * sum(cited) / len(cited) == rounded(0.4713)
    graphs = [claim_graph(answer) for answer in answers]
    assert {beta1(len(graph.ids), graph.edges) for graph in graphs} == {0}
