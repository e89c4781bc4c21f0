"""One structured answer from several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.cns.merge import check_claims, merge_claims
from crucible.adapters.cns.parser import format_claims, parse_claims
from crucible.messages.claims import Claim, Relation


def answer(*claims: tuple[str, str | None], relations: str = "") -> str:
    made = [Claim(id=f"c{i}", text=text, document_id=doc) for i, (text, doc) in enumerate(claims, start=1)]
    return f"{format_claims(made)}\n{relations}"


HYPOTHESIS = ("Aspirin reduces pain.", None)
PAIN = ("Pain fell by half in the aspirin group.", "1")
HARM = ("No harm was seen in any patient.", "1")


def test_a_claim_that_most_members_state_wins_and_another_does_not() -> None:
    merged = merge_claims([answer(HYPOTHESIS, PAIN), answer(HYPOTHESIS, PAIN, HARM), answer(HYPOTHESIS)])
    assert [(item.claim.id, item.answers) for item in merged.claims] == [("c1", (0, 1, 2)), ("c2", (0, 1))]
    assert merged.lost == 1


def test_a_half_is_not_a_majority() -> None:
    assert len(merge_claims([answer(HYPOTHESIS, PAIN), answer(HYPOTHESIS, HARM)]).claims) == 1


def test_the_same_words_on_another_document_are_another_claim() -> None:
    elsewhere = (PAIN[0], "2")
    merged = merge_claims([answer(HYPOTHESIS, PAIN), answer(HYPOTHESIS, elsewhere)])
    assert len(merged.claims) == 1


def test_a_claim_is_written_in_the_words_closest_to_the_others() -> None:
    texts = [
        "Pain fell by half",
        "Pain fell by half in the group",
        "Pain fell by a half in the aspirin group",
    ]
    merged = merge_claims([answer(HYPOTHESIS, (text, "1")) for text in texts])
    assert merged.claims[1].claim.text == texts[1]


def test_ids_are_given_anew_and_relations_follow_them() -> None:
    merged = merge_claims(
        [
            answer(HYPOTHESIS, HARM, PAIN, relations="RELATION: c3 supports c1"),
            answer(HYPOTHESIS, PAIN, relations="RELATION: c2 supports c1"),
            answer(HYPOTHESIS, PAIN, relations="RELATION: c2 refutes c1"),
        ]
    )
    assert merged.text is not None
    assert merged.text.endswith("aspirin group.\nRELATION: c2 supports c1")
    assert merged.relations[0].answers == (0, 1)


def test_a_relation_is_voted_by_those_that_make_the_claim() -> None:
    supports, refutes = "RELATION: c2 supports c1", "RELATION: c2 refutes c1"
    merged = merge_claims(
        [
            answer(HYPOTHESIS, PAIN, relations=supports),
            answer(HYPOTHESIS, PAIN, relations=supports),
            answer(HYPOTHESIS, PAIN, relations=refutes),
            answer(HYPOTHESIS),
        ]
    )
    assert [(item.relation.label, item.answers) for item in merged.relations] == [("supports", (0, 1))]


def test_half_of_those_that_make_the_claim_are_too_few_for_a_relation() -> None:
    merged = merge_claims(
        [answer(HYPOTHESIS, PAIN, relations="RELATION: c2 supports c1"), answer(HYPOTHESIS, PAIN)]
    )
    assert merged.relations == ()


def test_claims_are_checked_against_a_reference_each_once() -> None:
    reference = answer(HYPOTHESIS, PAIN, PAIN)
    checked = check_claims([answer(HYPOTHESIS, PAIN, HARM), answer(HYPOTHESIS, PAIN)], reference)
    assert [(item.answers, item.right) for item in checked] == [((0, 1), True), ((0,), False), ((), True)]


def test_labels_with_equal_weight_cancel_each_other() -> None:
    merged = merge_claims(
        [answer(HYPOTHESIS, PAIN, relations=f"RELATION: c2 {label} c1") for label in ("supports", "refutes")],
        min_agreement=0.4,
    )
    assert len(merged.claims) == 2
    assert merged.relations == ()


def test_without_a_common_hypothesis_nothing_is_merged() -> None:
    assert merge_claims([answer(HYPOTHESIS), answer(("Cats purr.", None))]).text is None
    assert merge_claims([]).text is None
    assert merge_claims(["nonsense"]).text is None


def test_one_answer_alone_is_merged_to_its_canonical_form() -> None:
    text = "- **CLAIM 1**: Aspirin  reduces pain.\nC4 (doc 7): It did.\nrelation c4 contradicts c1."
    expected = "CLAIM[c1]: Aspirin reduces pain.\nCLAIM[c2] (Document 7): It did.\nRELATION: c2 refutes c1"
    assert merge_claims([text]).text == expected


def test_weights_must_fit_the_answers() -> None:
    with pytest.raises(ValueError, match="1 weights for 2 answers"):
        merge_claims(["", ""], [1.0])


claim_lines = st.builds(
    lambda number, doc, text: f"CLAIM[c{number}]{f' (Document {doc})' if doc else ''}: {text}",
    st.integers(1, 4),
    st.sampled_from(["", "1", "2"]),
    st.text(max_size=12) | st.sampled_from(["pain fell", "pain fell today", "no harm was seen"]),
)
relation_lines = st.builds(
    lambda source, label, target: f"RELATION: c{source} {label} c{target}",
    st.integers(1, 4),
    st.sampled_from(["supports", "refutes", "contrasts"]),
    st.integers(1, 4),
)
answers = st.lists(claim_lines | relation_lines | st.text(max_size=10), max_size=9).map("\n".join)


@given(st.lists(answers, max_size=4), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_what_is_merged_is_valid_by_the_strict_grammar(given_: list[str], share: float) -> None:
    merged = merge_claims(given_, min_agreement=share)
    if merged.text is None:
        return
    document = parse_claims(merged.text, strict=True)
    assert {problem.code for problem in document.diagnostics} <= {"no_relation"}
    assert [(claim.id, claim.document_id) for claim in document.claims] == [
        (item.claim.id, item.claim.document_id) for item in merged.claims
    ]
    assert [(r.source, r.label, r.target) for r in document.relations] == [
        (item.relation.source, item.relation.label, item.relation.target) for item in merged.relations
    ]


@given(st.lists(answers, min_size=1, max_size=4))
def test_members_in_another_order_give_as_many_claims_of_the_same_weights(given_: list[str]) -> None:
    one, two = merge_claims(given_), merge_claims(given_[::-1])
    assert (one.text is None) == (two.text is None)


def test_a_relation_is_typed_as_the_grammar_has_it() -> None:
    merged = merge_claims([answer(HYPOTHESIS, PAIN, relations="RELATION: c2 supports c1")])
    assert merged.relations[0].relation == Relation(
        source="c2", label="supports", target="c1", raw_label="supports"
    )
