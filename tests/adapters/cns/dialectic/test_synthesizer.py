"""The synthesis by rules, and what becomes of confidence, evidence and challenges."""

from __future__ import annotations

import msgspec
import pytest

from crucible.adapters.cns import parse_claims
from crucible.adapters.cns.dialectic.antagonist import antagonise
from crucible.adapters.cns.dialectic.arguments import CnsArguments, coherence, kept_sides
from crucible.adapters.cns.dialectic.stamps import MAX_PARTS, write
from crucible.adapters.cns.dialectic.synthesizer import confidence, joined, penalised, synthesise
from crucible.messages.claims import Challenge, Evidence, Relation, Sno
from crucible.messages.dialectic import Objections

from .objects import AGAINST, CLAIM, FOR, PASSAGE, SUPPORT, argued, evidence, sno

NOTHING = Objections(method="heuristic")


def challenge(target: str = "e/c1", **fields: object) -> Challenge:
    filled = {"type": "contradiction", "severity": "high", "confidence": 0.8, **fields}
    return Challenge(id="e/a1/k1", target=target, **filled)  # type: ignore[arg-type]


def test_both_claims_are_joined_and_nothing_of_them_is_cut() -> None:
    assert (
        joined("Tea helps.", "It did not help in winter.") == "Tea helps, although it did not help in winter."
    )
    assert joined("Tea helps.", "DNA was damaged.").endswith("although DNA was damaged.")
    assert joined("Tea helps.", "tea helps") == "Tea helps."
    assert joined("Tea helps.", "?") == "Tea helps."
    assert len(joined("a " * 500, "b " * 500)) > 1900


def test_the_confidence_of_the_formula() -> None:
    thesis, rival = sno(confidence=0.8), sno(AGAINST, confidence=0.6, id="e/a1/c1")
    # golden: 0.4*0.8 + 0.4*0.6 + 0.2*1 + 0.05, then 0.1*1*(1/5) for one sound piece of evidence
    assert confidence(thesis, rival, (), (evidence(),)) == pytest.approx(0.81 + 0.02)
    assert confidence(thesis, None, (), ()) == pytest.approx(0.8 * 0.8 + 0.05)


def test_a_challenge_lowers_the_confidence_of_what_it_aims_at_and_of_nothing_else() -> None:
    thesis = sno(confidence=0.8)
    assert penalised(thesis, [challenge()]) == pytest.approx(0.8 - 0.1 * 0.8)
    assert penalised(thesis, [challenge(target="internal")]) == 0.8
    assert penalised(sno(confidence=0.12), [challenge()]) == 0.1
    assert penalised(sno(confidence=0.0), []) == 0.0


def test_the_synthesis_keeps_the_parts_of_both_and_turns_what_was_for_the_antithesis() -> None:
    thesis = argued()
    objections = antagonise(thesis, PASSAGE, example="e")
    made = synthesise(thesis, objections, example="e")
    assert made.method == "heuristic"
    assert made.sno is not None
    assert made.sno.claim == f"{CLAIM[:-1]}, although {AGAINST[0].lower()}{AGAINST[1:]}"
    assert write(made.sno).splitlines()[1:] == [
        f"CLAIM[c2] (Document 7): {FOR}",
        "RELATION: c2 supports c1",
        f"CLAIM[c3] (Document 7): {AGAINST}",
        "RELATION: c3 refutes c1",
    ]
    assert parse_claims(write(made.sno), strict=True).diagnostics == ()
    made_by = made.sno.provenance
    assert made_by is not None
    assert (made_by.origin, made_by.parents, made_by.method) == (
        "synthesizer", ("e/c1", "e/a1/c1"), "heuristic",
    )  # fmt: skip


def test_a_claim_that_concedes_something_already_grows_no_further() -> None:
    first = synthesise(argued(), antagonise(argued(), PASSAGE, example="e"), example="e").sno
    assert first is not None
    rival = sno("Sprayed fields were left out of earlier counts.", evidence("8", 0), id="e/a2/c1")
    second = synthesise(first, Objections(method="heuristic", antithesis=rival), example="e", round_number=2)
    assert second.sno is not None
    assert second.sno.claim == first.claim
    assert len(second.sno.history) == 1


def test_one_place_read_in_two_ways_is_written_once_with_the_antagonists_label() -> None:
    thesis = argued()
    part = Sno(id="e/a1/c2", claim=FOR, evidence=(evidence(),))
    relation = Relation(source="e/a1/c2", label="supports", target="e/a1/c1")
    rival = sno(AGAINST, evidence(), id="e/a1/c1", children=(part,), relations=(relation,))
    made = synthesise(thesis, Objections(method="heuristic", antithesis=rival), example="e").sno
    assert made is not None
    assert [(r.source, r.label) for r in made.relations] == [("e/s1/c2", "refutes")]


def test_without_an_antithesis_the_claim_stands_and_weak_evidence_goes() -> None:
    weak = Sno(id="e/c3", claim="Sprayed.", evidence=(evidence("8", 0, validity=0.4),))
    thesis = msgspec.structs.replace(argued(), children=(*argued().children, weak))
    made = synthesise(thesis, NOTHING, example="e").sno
    assert made is not None
    assert made.claim == CLAIM
    assert [part.claim for part in made.children] == [FOR]
    assert made.evidence == (evidence(),)


def test_a_relation_of_a_claim_to_itself_is_not_written() -> None:
    circle = Relation(source="e/c1", label="supports", target="e/c1")
    assert write(msgspec.structs.replace(argued(), relations=(circle, *argued().relations))) == write(
        argued()
    )


def test_an_object_never_grows_beyond_its_bound() -> None:
    parts = tuple(
        Sno(id=f"e/c{n}", claim=f"part {n}", evidence=(evidence(sentence=n),))
        for n in range(2, 2 * MAX_PARTS)
    )
    made = synthesise(sno(children=parts), NOTHING, example="e").sno
    assert made is not None
    assert len(made.children) == MAX_PARTS


def test_challenges_are_accepted_partly_accepted_or_stay_pending() -> None:
    known, unknown = evidence(), Evidence(source="99")
    objected = (
        challenge(suggested_evidence=(known,)),
        challenge(suggested_evidence=(known, unknown)),
        challenge(suggested_evidence=(unknown,)),
        challenge(type="scope"),
        challenge(resolution="rejected", suggested_evidence=(known,)),
    )
    made = synthesise(argued(), Objections(method="heuristic", challenges=objected), example="e")
    assert [each.resolution for each in made.challenges] == [
        "accepted", "partial", "pending", "pending", "rejected",
    ]  # fmt: skip


def test_a_gap_is_closed_when_the_evidence_got_better() -> None:
    weak = Sno(id="e/c3", claim="Sprayed.", evidence=(evidence("8", 0, validity=0.4),))
    both = (evidence(), *weak.evidence)
    thesis = msgspec.structs.replace(argued(), evidence=both, children=(*argued().children, weak))
    gap = challenge(type="evidence_gap")
    made = synthesise(thesis, Objections(method="heuristic", challenges=(gap,)), example="e")
    assert [each.resolution for each in made.challenges] == ["accepted"]
    same = synthesise(argued(), Objections(method="heuristic", challenges=(gap,)), example="e")
    assert [each.resolution for each in same.challenges] == ["pending"]


def test_coherence_and_entailment_are_the_published_formulas() -> None:
    found = sno(CLAIM, evidence(), evidence(sentence=1, validity=0.5), confidence=0.6)
    assert coherence(found) == pytest.approx(0.4 * 0.6 + 0.3 * 2 / 3 + 0.3 * 0.75)
    # J(thesis, synthesis) = 2/3, J(antithesis, synthesis) = 1/3
    assert kept_sides("red blue", "green", "red blue green") == pytest.approx(0.7 * 0.5 + 0.3 * (1 - 1 / 3))


def test_an_assessment_measures_score_change_and_how_the_sides_stand() -> None:
    arguments = CnsArguments(SUPPORT)
    thesis = argued()
    objections = antagonise(thesis, PASSAGE, example="e")
    made = synthesise(thesis, objections, example="e").sno
    assert made is not None
    alone, after = arguments.assess(thesis), arguments.assess(made, thesis, objections)
    assert (alone.change, alone.entanglement, alone.chirality) == (None, None, 0.0)
    assert set(alone.critics) == {"grounding", "logic", "novelty", "causal", "bias"}
    assert alone.score == pytest.approx(
        sum(weight * (alone.critics[name] or 0.0) for name, weight in
            {"grounding": 0.4, "logic": 0.3, "novelty": 0.15, "causal": 0.1, "bias": 0.05}.items())
    )  # fmt: skip
    assert after.change is not None
    assert 0 < after.change < 1
    assert (after.entanglement, after.conflict) == (0.0, 0.0)
    assert after.chirality > 0
    assert arguments.assess(thesis, thesis, NOTHING).change == 0.0


def test_a_claim_without_a_word_has_no_score() -> None:
    assert CnsArguments(SUPPORT).assess(sno("?!")).score is None
