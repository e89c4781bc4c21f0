from __future__ import annotations

import msgspec
import pytest

from crucible.adapters.cns import parse_claims, parse_passage
from crucible.adapters.cns.sno import (
    MAX_DEPTH,
    content_sha256,
    depth,
    entanglement,
    evidence_keys,
    merge_snos,
    problems,
    sno_of_answer,
    unite_evidence,
    walk,
)
from crucible.messages.claims import Evidence, PassageDocument, Provenance, Relation, RelationLabel, Sno

PASSAGE = parse_passage(
    "Passage:\nDocument 7: Lamps\n\nAmber lamps lengthened sleep. Pain did not differ. Staff were tired.\n"
)


def full(_claim: str, _document: PassageDocument) -> float:
    return 1.0


def sno(id_: str, claim: str = "Lamps help.", *evidence: Evidence, **fields: object) -> Sno:
    return msgspec.structs.replace(Sno(id=id_, claim=claim, evidence=evidence), **fields)


def at(document: str, *sentences: int, validity: float = 1.0) -> Evidence:
    return Evidence(source=document, sentences=sentences, validity=validity)


def link(source: str, target: str, label: RelationLabel = "supports") -> Relation:
    return Relation(source=source, label=label, target=target)


def codes(*snos: Sno) -> list[str]:
    return [problem.code for problem in problems(snos)]


def of_answer(text: str, example: str = "ex") -> Sno:
    found = sno_of_answer(parse_claims(text), example, PASSAGE, full)
    assert found is not None
    return found


ANSWER = """CLAIM[c1]: Amber lamps help.
CLAIM[c2] (Document 7): Amber lamps lengthened sleep. Pain did not differ.
RELATION: c2 supports c1
CLAIM[c3] (Document 9): Nobody slept.
RELATION: c3 contradicts c1"""


def test_the_object_of_an_answer_has_global_ids_and_the_places_of_its_evidence() -> None:
    found = of_answer(ANSWER)
    assert [node.id for node, _ in walk(found)] == ["ex/c1", "ex/c2", "ex/c3"]
    assert [(item.source, item.sentences, item.validity) for item in found.evidence] == [
        ("7", (0, 1), 1.0),
        ("9", (), 0.0),
    ]
    assert [(r.source, r.label, r.target) for r in found.relations] == [
        ("ex/c2", "supports", "ex/c1"),
        ("ex/c3", "refutes", "ex/c1"),
    ]


def test_an_answer_without_a_claim_has_no_object() -> None:
    assert sno_of_answer(parse_claims("nothing"), "ex", PASSAGE, full) is None


def test_an_answer_without_c1_stands_under_its_first_claim() -> None:
    assert of_answer("CLAIM[c4]: A thing.\nCLAIM[c5] (Document 7): Staff were tired.").id == "ex/c4"


def test_a_claim_that_cites_nothing_brings_no_evidence() -> None:
    assert of_answer("CLAIM[c1]: A thing.\nCLAIM[c2]: Another thing.").evidence == ()


def test_of_claims_with_one_id_the_first_counts() -> None:
    found = of_answer("CLAIM[c1]: A.\nCLAIM[c2] (Document 7): First.\nCLAIM[c2] (Document 7): Second.")
    assert [child.claim for child in found.children] == ["First."]


def test_ten_thousand_claims_make_one_object() -> None:
    text = "\n".join(f"CLAIM[c{n}]: Thing {n}." for n in range(1, 10_001))
    assert len(of_answer(text).children) == 9_999


def test_objects_of_two_examples_never_fall_together() -> None:
    merged = merge_snos([of_answer(ANSWER, "a"), of_answer(ANSWER, "b")])
    assert len(merged.snos) == 6
    assert len(merged.relations) == 4


def test_the_same_object_found_twice_keeps_the_evidence_of_both() -> None:
    merged = merge_snos([sno("x", "Lamps help.", at("7", 0)), sno("x", "Lamps help.", at("8"))])
    assert not merged.problems
    assert evidence_keys(merged.snos[0].evidence) == {("7", 0), ("8", None)}


def test_one_id_for_two_claims_is_named_and_the_first_stays() -> None:
    merged = merge_snos([sno("x", "Lamps help.", at("7")), sno("x", "Lamps harm.", at("7"))])
    assert [(p.code, p.sno) for p in merged.problems] == [("duplicate_id", "x")]
    assert merged.snos[0].claim == "Lamps help."


GOOD = sno("a", "Lamps help.", at("7", 0))
OTHER = sno("b", "Sleep grew.", at("7", 1))


def test_sound_objects_have_no_problem() -> None:
    assert codes(msgspec.structs.replace(GOOD, relations=(link("b", "a"),)), OTHER) == []


def test_no_object_at_all_is_a_problem() -> None:
    assert codes() == ["no_object"]


@pytest.mark.parametrize(
    ("relations", "code"),
    [
        ((link("a", "a"),), "self_relation"),
        ((link("a", "z"),), "dangling_relation"),
        ((link("y", "z"),), "dangling_relation"),
        ((link("a", "b"), link("b", "a")), "cycle"),
        ((link("a", "b"), link("a", "b", "refutes")), "contradicting_relations"),
    ],
)
def test_each_fault_of_relations_has_its_name(relations: tuple[Relation, ...], code: str) -> None:
    assert codes(msgspec.structs.replace(GOOD, relations=relations), OTHER) == [code]


def test_an_id_that_stands_twice_is_named() -> None:
    assert codes(GOOD, GOOD) == ["duplicate_id"]


def test_a_claim_without_evidence_or_parts_is_named() -> None:
    assert codes(sno("a")) == ["no_evidence"]


def test_objects_made_from_each_other_are_a_cycle() -> None:
    first = msgspec.structs.replace(GOOD, provenance=Provenance(origin="synthesizer", parents=("b",)))
    second = msgspec.structs.replace(OTHER, provenance=Provenance(origin="synthesizer", parents=("a",)))
    assert codes(first, second) == ["cycle"]


def test_an_object_nested_without_end_is_cut_and_named() -> None:
    deep = sno("x0", "Leaf.", at("7"))
    for number in range(1, MAX_DEPTH + 50):
        deep = sno(f"x{number}", "Node.", at("7"), children=(deep,))
    assert codes(deep) == ["too_deep"]
    assert depth(deep) == MAX_DEPTH


def test_entanglement_is_over_places_not_over_records() -> None:
    left = sno("a", "x", Evidence(source="7", sentences=(0,), content="as I read it", validity=0.3))
    right = sno("b", "y", Evidence(source="7", sentences=(0, 1), content="as you read it"))
    assert entanglement(left, right) == entanglement(right, left) == 0.5


def test_entanglement_with_oneself_is_whole_and_with_a_stranger_none() -> None:
    assert entanglement(GOOD, GOOD) == 1.0
    assert entanglement(GOOD, OTHER) == 0.0


def test_entanglement_without_evidence_is_not_defined() -> None:
    assert entanglement(sno("a"), sno("b")) is None


def test_a_weighted_entanglement_counts_what_matters() -> None:
    left, right = sno("a", "x", at("7", 0, 1)), sno("b", "y", at("7", 1, 2))
    assert entanglement(left, right, lambda key: 3.0 if key == ("7", 1) else 1.0) == 3 / 5


def test_the_evidence_of_parts_counts_too() -> None:
    parent = sno("p", "x", children=(GOOD,))
    assert entanglement(parent, GOOD) == 1.0


def test_united_evidence_holds_each_place_once_with_its_best_item_first() -> None:
    weak, strong, other = at("7", 0, validity=0.2), at("7", 0, validity=0.9), at("8", validity=0.5)
    assert unite_evidence([weak, other], [strong]) == (strong, other)


def test_the_hash_is_of_what_is_said_and_not_of_who_says_it_when() -> None:
    later = msgspec.structs.replace(
        GOOD, id="z", confidence=0.1, provenance=Provenance(origin="proposer", timestamp="2026-01-01")
    )
    assert content_sha256(later) == content_sha256(GOOD)
    assert content_sha256(OTHER) != content_sha256(GOOD)


def test_the_hash_sees_which_part_relates_to_which() -> None:
    parts = (sno("c", "One."), sno("d", "Two."))
    one = sno("a", "x", children=parts, relations=(link("c", "a"),))
    two = sno("a", "x", children=parts, relations=(link("d", "a"),))
    assert content_sha256(one) != content_sha256(two)
