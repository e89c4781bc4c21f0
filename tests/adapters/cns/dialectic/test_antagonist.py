"""Challenges and the antithesis by rules."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from crucible.adapters.cns.critics import LEXICAL
from crucible.adapters.cns.dialectic.antagonist import Compare, antagonise, challenges
from crucible.adapters.cns.measures import challenge_chirality
from crucible.messages.claims import Evidence, Relation, Sno

from .objects import AGAINST, CLAIM, FOR, PASSAGE, argued, evidence, sno


def kinds(thesis: Sno) -> list[tuple[str, str, float]]:
    return [(each.type, each.severity, each.confidence) for each in challenges(thesis, most=50)]


STRONG = (evidence(sentence=1), evidence(sentence=2))


@pytest.mark.parametrize(
    ("thesis", "wanted"),
    [
        (sno("Bees always visit hedges that are near to their nests in spring.", *STRONG),
         [("contradiction", "medium", 0.6)]),
        (sno("Small bees call on hedges that are near to their nests in spring.", *STRONG), []),
        (sno("Hedges increase bees and decreased them in forty fields in two years.", *STRONG),
         [("contradiction", "high", 0.7)]),
        (sno("Bees visit hedges that are near to their nests in the early spring."),
         [("evidence_gap", "high", 0.9)]),
        (sno("Bees usually visit hedges that are near to their nests in spring.", *STRONG),
         [("scope", "low", 0.5)]),
        (sno("Bees visit hedges.", *STRONG, confidence=0.75), [("scope", "low", 0.4)]),
        (sno("Planting a hedge leads to more bees in fields that are close to it.", STRONG[0]),
         [("logical", "medium", 0.6)]),
        (sno("Bees visit hedges that are near to their nests in the early spring.", *STRONG, confidence=0.9),
         [("alternative", "low", 0.4)]),
        (sno("Hedges help bees in the fields of the plain because it is a help to them.", *STRONG),
         [("logical", "high", 0.5)]),
    ],
)  # fmt: skip
def test_each_rule_finds_what_it_looks_for_and_nothing_else(
    thesis: Sno, wanted: list[tuple[str, str, float]]
) -> None:
    assert kinds(thesis) == wanted


def test_weak_evidence_is_challenged_by_piece_and_as_a_whole() -> None:
    weak = sno("Bees visit hedges that are near to their nests in the early spring.",
               evidence(validity=0.4), evidence("8", 0, validity=0.6))  # fmt: skip
    assert kinds(weak) == [("evidence_gap", "medium", 0.7), ("evidence_gap", "medium", 0.6)]


def test_the_most_weighty_challenges_are_kept_and_aim_at_the_thesis() -> None:
    thesis = sno("All bees usually increase and decrease.", id="e/s1/c1", confidence=0.9)
    kept = antagonise(thesis, (), example="e", round_number=2, most=3)
    assert kept.method == "heuristic"
    weights = [challenge_chirality(each) for each in kept.challenges]
    assert all(first >= second for first, second in pairwise(weights))
    assert [each.type for each in kept.challenges] == ["contradiction", "evidence_gap", "contradiction"]
    assert {each.target for each in kept.challenges} == {"e/s1/c1"}
    assert all(each.id.startswith("e/a2/k") for each in kept.challenges)


def test_a_sentence_of_the_passage_against_the_thesis_makes_the_antithesis() -> None:
    found = antagonise(argued(), PASSAGE, example="e")
    rival = found.antithesis
    assert rival is not None
    assert rival.claim == AGAINST
    assert [(item.source, item.sentences) for item in rival.evidence] == [("7", (3,))]
    assert rival.provenance is not None
    assert (rival.provenance.origin, rival.provenance.parents) == ("antagonist", ("e/c1",))
    (challenge,) = (each for each in found.challenges if each.suggested_evidence)
    assert challenge.type == "contradiction"
    assert challenge.suggested_evidence == rival.evidence


def test_what_the_thesis_rests_on_already_is_not_searched_again() -> None:
    known = Evidence(source="7", content=AGAINST, sentences=(3,))
    thesis = msgspec.structs.replace(argued(), evidence=(evidence(), known))
    assert antagonise(thesis, PASSAGE, example="e").antithesis is None


def test_what_the_thesis_itself_names_as_refuting_it_is_held_against_it_until_it_is_conceded() -> None:
    thesis = argued("refutes")
    found = antagonise(thesis, (), example="e").antithesis
    assert found is not None
    assert (found.claim, found.confidence) == (FOR, 0.6)
    conceding = msgspec.structs.replace(thesis, claim=f"{CLAIM[:-1]}, although bees were twice as many "
                                        "beside hedges.")  # fmt: skip
    assert antagonise(conceding, (), example="e").antithesis is None


def test_a_part_that_is_taken_for_support_and_opposes_the_claim_is_held_against_it() -> None:
    part = Sno(id="e/c2", claim=AGAINST, evidence=(evidence(sentence=3),))
    relation = Relation(source="e/c2", label="supports", target="e/c1")
    thesis = sno(CLAIM, *part.evidence, children=(part,), relations=(relation,))
    found = antagonise(thesis, PASSAGE, example="e").antithesis
    assert found is not None
    assert found.claim == AGAINST


def test_what_was_objected_once_is_not_objected_again() -> None:
    thesis = sno("Bees always visit hedges that are near to their nests in spring.", *STRONG)
    (first,) = challenges(thesis)
    asked = msgspec.structs.replace(thesis, metadata={"raised": [f"{first.type}: {first.description}"]})
    assert challenges(asked) == ()


@pytest.mark.parametrize("claim", ["?", "。", "\u202e\x00", "a" * 100_000])
def test_no_claim_is_too_strange_to_object_to(claim: str) -> None:
    found = antagonise(sno(claim), PASSAGE, example="e")
    assert [each.type for each in found.challenges][:1] == ["evidence_gap"]


def two_readings(second: str, place: int = 2, first: str = "Bees were more numerous beside hedges.") -> Sno:
    parts = (
        Sno(id="e/c2", claim=first, evidence=(evidence(sentence=2),)),
        Sno(id="e/c3", claim=second, evidence=(evidence(sentence=place),)),
    )
    return sno("Small bees call on hedges that are near to their nests in spring.", *STRONG, children=parts)


def clashes(thesis: Sno, against: Compare = LEXICAL.contradiction) -> list[str]:
    found = antagonise(thesis, (), example="e", against=against).challenges
    return [each.description for each in found if each.description.startswith("two parts")]


def test_parts_that_read_one_sentence_in_opposite_ways_are_held_against_each_other() -> None:
    (found,) = clashes(two_readings("Bees were less numerous beside hedges."))
    assert found == (
        "two parts read one sentence in opposite ways: "
        "Bees were more numerous beside hedges. / Bees were less numerous beside hedges."
    )


@pytest.mark.parametrize(
    ("second", "place"),
    [
        ("Bees were less numerous beside hedges.", 1),  # of another sentence both may hold
        ("Bees were more numerous beside hedges.", 2),
        ("They were counted for two years in forty fields.", 2),
    ],
)
def test_parts_on_other_sentences_or_on_other_things_are_not(second: str, place: int) -> None:
    assert clashes(two_readings(second, place)) == []


def test_with_a_model_parts_are_judged_by_the_model() -> None:
    thesis = two_readings("Bees were less numerous beside hedges.")
    assert clashes(thesis, lambda _one, _other: 0.4) == []
    assert len(clashes(thesis, lambda _one, _other: 0.6)) == 1
