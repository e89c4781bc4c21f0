from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from crucible.adapters.cns.critics import (
    CRITICS,
    LEXICAL,
    bias,
    causal,
    critique,
    grounding,
    logic,
    model_profile,
    novelty,
)
from crucible.adapters.embeddings.tfidf import TfIdf
from crucible.messages.claims import CriticReport, Evidence, Relation, Sno

CLAIM = "Amber lamps lengthen sleep."


def sno(claim: str = CLAIM, *evidence: Evidence, confidence: float = 0.5, **fields: object) -> Sno:
    made = Sno(id="a", claim=claim, evidence=evidence, confidence=confidence)
    return msgspec.structs.replace(made, **fields)


def item(content: str = CLAIM, source: str = "7", validity: float = 1.0) -> Evidence:
    return Evidence(source=source, content=content, validity=validity)


def part(id_: str, claim: str, *children: Sno) -> Sno:
    return Sno(id=id_, claim=claim, evidence=(item(claim),), children=children)


def supports(source: str, target: str) -> Relation:
    return Relation(source=source, label="supports", target=target)


def score(report: CriticReport) -> object:
    assert report.score is not None
    return pytest.approx(report.score, abs=1e-12)


# Grounding


def test_grounding_weighs_number_soundness_relevance_and_spread() -> None:
    found = grounding(sno(CLAIM, item(), item("Staff were tired.", "8", validity=0.5)))
    assert score(found) == 0.30 * 1 + 0.30 * 0.75 + 0.25 * (1 + 0) / 2 + 0.15 * 1
    assert found.method == "lexical: .30 coverage + .30 validity + .25 relevance + .15 diversity"


@pytest.mark.parametrize(("count", "coverage"), [(1, 0.5), (2, 1.0), (10, 1.0), (11, 0.8)])
def test_coverage_goes_by_the_number_of_items(count: int, coverage: float) -> None:
    assert grounding(sno(CLAIM, *[item()] * count)).details["coverage"] == coverage


def test_a_claim_without_evidence_is_not_grounded_at_all() -> None:
    found = grounding(sno())
    assert (found.score, found.issues) == (0.0, ("no evidence",))


def test_grounding_names_weak_irrelevant_and_onesided_evidence() -> None:
    weak = [item("Cats purr.", validity=0.4)] * 3
    assert [issue.split(":")[0] for issue in grounding(sno(CLAIM, *weak)).issues] == [
        "the evidence is weak",
        "the evidence says little about the claim",
        "most evidence is from the same source",
    ]
    assert "below 0.3" in grounding(sno(CLAIM, item(), item(source="8", validity=0.2))).issues[0]


# Logic


def test_a_sound_argument_has_no_issue() -> None:
    found = logic(sno(CLAIM, item(), children=(part("b", "Sleep grew."),), relations=(supports("b", "a"),)))
    assert score(found) == 0.30 + 0.30 + 0.20 * (0.6 + 0.4) + 0.20
    assert found.issues == ()


def test_logic_without_evidence_is_far_from_perfect() -> None:
    assert score(logic(sno())) == 0.30 + 0.30 + 0.20 * 0.5 + 0.20 * 0.7


def test_every_statement_on_a_circle_costs_a_fifth() -> None:
    parts = (part("b", "Sleep grew."), part("c", "Staff slept."))
    circle = (supports("a", "b"), supports("b", "c"), supports("c", "a"))
    found = logic(sno(CLAIM, item(), children=parts, relations=circle))
    assert found.details["cycle"] == pytest.approx(0.4)
    assert found.issues == ("3 statements argue in a circle",)


def test_a_statement_that_supports_itself_is_a_circle() -> None:
    assert logic(sno(CLAIM, item(), relations=(supports("a", "a"),))).details["cycle"] == 0.8


def test_two_ways_to_one_claim_are_no_circle() -> None:
    """The reference takes any diamond for circular reasoning."""
    parts = (part("b", "Sleep grew."), part("c", "Staff slept."), part("d", "Lamps were amber."))
    links = (supports("d", "b"), supports("d", "c"), supports("b", "a"), supports("c", "a"))
    assert logic(sno(CLAIM, item(), children=parts, relations=links)).details["cycle"] == 1.0


def test_relations_to_missing_claims_are_left_out() -> None:
    assert (
        logic(sno(CLAIM, item(), relations=(supports("z", "a"), supports("a", "z")))).details["cycle"] == 1.0
    )


def test_statements_that_exclude_each_other_are_found() -> None:
    found = logic(sno(CLAIM, item(), children=(part("b", "Amber lamps do not lengthen sleep."),)))
    assert found.details["contradiction"] == 0.7
    assert found.issues == ("a and b contradict each other",)


def test_a_contradiction_that_the_argument_states_itself_is_not_held_against_it() -> None:
    against = part("b", "Amber lamps do not lengthen sleep.")
    stated = Relation(source="b", label="refutes", target="a")
    assert logic(sno(CLAIM, item(), children=(against,), relations=(stated,))).details["contradiction"] == 1.0


def test_is_and_is_not_about_different_things_are_no_contradiction() -> None:
    other = part("b", "The ward is not open.")
    assert (
        logic(sno("Amber light is good for sleep.", item(), children=(other,))).details["contradiction"]
        == 1.0
    )


def test_an_argument_of_a_thousand_statements_is_judged_by_the_first_thirty() -> None:
    many = tuple(part(f"p{n}", f"Statement {n}.") for n in range(1000))
    assert logic(sno(CLAIM, item(), children=many)).details["compared"] == 30


def test_structure_deducts_for_length_evidence_and_depth() -> None:
    deep = part("d0", "Leaf.")
    for number in range(1, 7):
        deep = part(f"d{number}", "Node.", deep)
    assert logic(sno("Lamps help.", children=(deep,))).details["structure"] == pytest.approx(
        1 - 0.2 - 0.3 - 0.2
    )
    assert logic(sno("word " * 101, *[item()] * 11)).details["structure"] == pytest.approx(0.8)


# Novelty


def test_novelty_prefers_what_the_evidence_does_not_say() -> None:
    own = novelty(sno("Amber lamps lengthen deep sleep.", item("Cats purr.")))
    assert score(own) == 0.35 * 1 + 0.25 * 1 + 0.20 + 0.20
    copied = novelty(sno("Amber lamps lengthen deep sleep.", item("Amber lamps lengthen deep sleep.")))
    assert copied.details["originality"] == 0.0
    assert copied.issues == ("the claim repeats its evidence: similarity 1.00",)


def test_novelty_without_evidence_takes_a_fixed_originality() -> None:
    assert novelty(sno("Amber lamps lengthen deep sleep.")).details["originality"] == 0.8


@pytest.mark.parametrize("claim", ["Yes.", "maybe", "It depends on the ward", "This is good news."])
def test_a_claim_that_says_nothing_is_named(claim: str) -> None:
    assert "the claim says nothing" in novelty(sno(claim)).issues


def test_a_claim_that_begins_like_a_trivial_word_is_not_trivial() -> None:
    assert novelty(sno("No sleep was gained by amber lamps")).details["nontrivial"] == 1.0


def test_few_content_words_are_named() -> None:
    found = novelty(sno("it is what it is and that is that lamps"))
    assert found.details["density"] == pytest.approx(0.1)
    assert found.issues == ("few words carry meaning: 0.10",)


# Bias


def test_a_plain_claim_is_barely_biased() -> None:
    assert score(bias(sno(CLAIM, item()))) == 0.25 + 0.25 * 0.8 + 0.20 + 0.15 + 0.15 * 0.8


def test_loaded_words_are_named_by_kind() -> None:
    found = bias(sno("Obviously everyone loves this amazing lamp.", item()))
    assert found.details["loaded"] == pytest.approx(0.4)
    assert found.details["framing"] == 0.0
    assert found.details["absolutist"] == pytest.approx(0.85)
    assert found.issues == (
        "positive wording: amazing",
        "absolutist wording: everyone",
        "presumptive wording: obviously",
        "praise and blame are one-sided",
    )


def test_praise_and_blame_together_are_balanced() -> None:
    assert bias(sno("The lamp is amazing, however harmful.")).details["framing"] == 1.0
    assert bias(sno("The lamp is amazing, however harmful.")).details["balance"] == 1.0


# Causal


@pytest.mark.parametrize(
    ("claim", "kind", "confusion", "mechanism", "temporal"),
    [
        ("Amber lamps lengthen sleep.", "descriptive", 1.0, 0.8, 0.8),
        ("Sleep is associated with amber light.", "correlational", 1.0, 0.8, 0.8),
        ("Amber light causes sleep.", "causal", 0.7, 0.5, 0.6),
        ("Amber light may cause sleep.", "causal", 1.0, 0.5, 0.6),
        ("Sleep is associated with light because lamps tire.", "causal", 0.3, 0.5, 0.6),
        ("Amber light causes sleep via melatonin after dusk.", "causal", 0.7, 1.0, 1.0),
        ("Amber light leads to sleep.", "causal", 0.7, 0.5, 0.6),
    ],
)
def test_causal_claims_have_to_say_how_when_and_how_surely(
    claim: str, kind: str, confusion: float, mechanism: float, temporal: float
) -> None:
    found = causal(sno(claim))
    assert found.details["causal_type"] == kind
    assert score(found) == 0.30 * confusion + 0.25 * mechanism + 0.20 * temporal + 0.25


@pytest.mark.parametrize(("confidence", "value"), [(0.95, 0.5), (0.9, 1.0), (0.5, 1.0), (0.4, 0.7)])
def test_a_causal_claim_is_judged_by_how_surely_it_is_held(confidence: float, value: float) -> None:
    assert causal(sno("Light causes sleep.", confidence=confidence)).details["confidence"] == value
    assert causal(sno(CLAIM, confidence=confidence)).details["confidence"] == 1.0


# All of them


@pytest.mark.parametrize("claim", [" ", "...", "\n\t", "⚠"])
def test_a_claim_without_a_word_has_no_score_from_anyone(claim: str) -> None:
    for report in critique(sno(claim, item())):
        assert report.score is None
        assert report.issues == ("the claim has no word",)


@pytest.mark.parametrize(
    "claim", ["アンバー灯は睡眠を延ばす。", "Янтарный свет удлиняет sleep", "ضوء 48 دقيقة", "x" * 5000]
)
def test_every_critic_judges_any_script(claim: str) -> None:
    for report in critique(sno(claim, item(claim))):
        assert report.score is not None
        assert 0.0 <= report.score <= 1.0


def test_the_panel_has_one_report_from_each_critic() -> None:
    assert [report.critic for report in critique(sno())] == list(CRITICS)


# Profiles


class Judged(NamedTuple):
    entailment: float
    contradiction: float


class Scorer:
    """Entailed when the hypothesis stands in the premise, contradicted when the premise begins with Not."""

    method = "toy scorer"

    def verdicts(self, pairs: Sequence[tuple[str, str]]) -> list[Judged]:
        return [Judged(float(h in p), 0.9 * p.startswith("Not")) for p, h in pairs]


def test_a_model_profile_asks_the_scorer_with_the_evidence_as_premise() -> None:
    profile = model_profile(scorer=Scorer())
    found = grounding(sno(CLAIM, item(f"We saw: {CLAIM} It was clear.")), profile)
    assert found.details["relevance"] == 1.0
    assert found.method.startswith("model: toy scorer; word overlap: .30 coverage")


def test_a_contradiction_in_either_direction_counts() -> None:
    profile = model_profile(scorer=Scorer())
    assert (
        logic(sno(CLAIM, item(), children=(part("b", "Not so."),)), profile).details["contradiction"] == 0.7
    )
    assert (
        logic(sno("Not so.", item(), children=(part("b", CLAIM),)), profile).details["contradiction"] == 0.7
    )


def test_an_embedding_alone_gives_similarity_and_the_name_says_what_stays_lexical() -> None:
    profile = model_profile(embed=TfIdf().embed, embedding=TfIdf().method)
    assert profile.similarity(CLAIM, CLAIM) == pytest.approx(1.0)
    assert profile.name.startswith("model: cosine of tfidf: sublinear tf, no idf; lexical opposition")


def test_word_lists_are_named_lexical_in_every_profile() -> None:
    profile = model_profile(scorer=Scorer())
    methods = {report.critic: report.method for report in critique(sno(), profile)}
    assert methods["bias"].startswith("lexical: ")
    assert methods["causal"].startswith("lexical: ")
    assert methods["logic"].startswith("model: toy scorer")


def test_points_that_are_no_numbers_count_as_no_similarity() -> None:
    profile = model_profile(embed=lambda texts: np.full((len(texts), 3), np.nan), embedding="broken")
    found = novelty(sno(CLAIM, item()), profile)
    assert found.score is not None
    assert found.details["originality"] == 1.0


def test_a_model_profile_needs_a_model() -> None:
    with pytest.raises(ValueError, match="needs a scorer or an embedding"):
        model_profile()


def test_the_lexical_profile_is_symmetric_and_whole_on_itself() -> None:
    assert LEXICAL.similarity(CLAIM, CLAIM) == 1.0
    assert LEXICAL.support(CLAIM, "Amber cats") == LEXICAL.support("Amber cats", CLAIM) == pytest.approx(0.2)
