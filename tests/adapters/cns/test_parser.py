from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.cns import format_claims, parse_claims
from crucible.adapters.cns.parser import MAX_DIAGNOSTICS
from crucible.messages.claims import Claim, Relation

GOLD = "CLAIM[c1]: A lowers B.\nCLAIM[c2] (Document 12): A: lowered B by 5%.\nRELATION: c2 supports c1"


def codes(text: str, *, strict: bool = False) -> list[str]:
    return [problem.code for problem in parse_claims(text, strict).diagnostics]


@pytest.mark.parametrize("strict", [True, False])
def test_the_canonical_form_parses_without_a_diagnostic(strict: bool) -> None:
    document = parse_claims(GOLD, strict=strict)
    assert document.claims == (
        Claim(id="c1", text="A lowers B.", line=1),
        Claim(id="c2", text="A: lowered B by 5%.", document_id="12", line=2),
    )
    assert document.relations == (
        Relation(source="c2", label="supports", target="c1", raw_label="supports", line=3),
    )
    assert document.diagnostics == ()


@pytest.mark.parametrize(
    ("label", "normal"),
    [("supports", "supports"), ("refutes", "refutes"), ("contradicts", "refutes"), ("contrasts", "refutes")],
)
def test_every_label_is_normalised_and_the_written_one_kept(label: str, normal: str) -> None:
    text = f"CLAIM[c1]: a\nCLAIM[c2]: b\nRELATION: c2 {label} c1"
    (relation,) = parse_claims(text, strict=True).relations
    assert (relation.label, relation.raw_label) == (normal, label)


@pytest.mark.parametrize(
    "line",
    [
        "claim[C2] (document 12): t",
        "CLAIM 2 (Document 12): t",
        "CLAIM[2](Doc 12) : t",
        "C2 (Document 12): t",
        "- CLAIM[c02] (Document 12): t",
        "3. CLAIM[c2] (Document 12):t",
        "**CLAIM[c2] (Document 12):** t",
        "**CLAIM[c2]** (Document 12): t",
    ],
)
def test_lenient_mode_reads_what_strict_mode_refuses(line: str) -> None:
    assert parse_claims(line).claims == (Claim(id="c2", text="t", document_id="12", line=1),)
    assert parse_claims(line, strict=True).claims == ()
    assert "unparsed_line" in codes(line, strict=True)


@pytest.mark.parametrize(
    "line", ["relation c2 Supports c1.", "RELATION - [c2] supports [c1]", "* RELATION: 2 supports 1"]
)
def test_lenient_mode_reads_loose_relations(line: str) -> None:
    (relation,) = parse_claims(line).relations
    assert (relation.source, relation.label, relation.target) == ("c2", "supports", "c1")
    assert parse_claims(line, strict=True).relations == ()


@pytest.mark.parametrize(
    "line",
    [
        "Here are the claims:",
        "CLAIM[c1 text",
        "CLAIM[x]: t",
        "RELATION: c2 causes c1",
        "CLAIM[c2] (Document 1, 2): t",
    ],
)
def test_what_is_not_in_the_grammar_is_reported_with_its_line(line: str) -> None:
    document = parse_claims(f"CLAIM[c1]: a\n\n{line}")
    assert [(p.code, p.line) for p in document.diagnostics if p.line] == [("unparsed_line", 3)]


def test_diagnostics_name_every_fault_of_the_whole_answer() -> None:
    claims = "CLAIM[c2]: a\nCLAIM[c2]: b\nCLAIM[c4]:\n"
    text = f"{claims}RELATION: c2 supports c9\nRELATION: c2 refutes c9\nRELATION: c2 supports c2"
    assert codes(text) == [
        "non_consecutive_ids",
        "duplicate_claim",
        "empty_claim",
        "dangling_relation",
        "dangling_relation",
        "duplicate_relation",
        "self_relation",
        "missing_c1",
    ]
    assert [claim.text for claim in parse_claims(text).claims] == ["a", "b"]


def test_an_empty_answer_has_no_claim_and_claims_alone_have_no_relation() -> None:
    assert codes("  \n") == ["no_claim"]
    assert codes("CLAIM[c1]: a") == ["no_relation"]


def test_only_line_feeds_end_a_line() -> None:
    (claim,) = parse_claims("CLAIM[c1]: a\u2028b\x0bc\r\n").claims
    assert claim.text == "a\u2028b\x0bc"


TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    .map(lambda s: " ".join(s.split()))
    .filter(bool)
)
LABELS = st.sampled_from(["supports", "refutes"])


@given(
    st.lists(st.tuples(TEXTS, st.none() | st.from_regex(r"\A[0-9]{1,9}\Z"), LABELS), min_size=1, max_size=6)
)
def test_what_is_written_is_read_back(items: list[tuple[str, str | None, str]]) -> None:
    claims = tuple(Claim(id=f"c{i}", text=t, document_id=d) for i, (t, d, _) in enumerate(items, start=1))
    relations = tuple(
        Relation(source=f"c{i}", label="refutes" if label == "refutes" else "supports", target="c1")
        for i, (_, _, label) in enumerate(items, start=1)
        if i > 1
    )
    for strict in (True, False):
        document = parse_claims(format_claims(claims, relations), strict=strict)
        assert [(c.id, c.text, c.document_id) for c in document.claims] == [
            (c.id, c.text, c.document_id) for c in claims
        ]
        assert [(r.source, r.label, r.target) for r in document.relations] == [
            (r.source, r.label, r.target) for r in relations
        ]


@given(st.text(alphabet="CLAIMRETONclaim[]()*:-. \n\t0123456789Documentsupports"))
def test_no_text_makes_the_parser_raise_and_strict_claims_are_lenient_claims(text: str) -> None:
    strict, lenient = parse_claims(text, strict=True), parse_claims(text)
    assert set(strict.claims) <= set(lenient.claims)
    assert set(strict.relations) <= set(lenient.relations)


@pytest.mark.parametrize(
    "piece",
    ["CLAIM[c2" + " " * 90, " ", "CLAIM[c1] (Document ", "*", "RELATION: c2 ", "- ", "CLAIM[c1]: a\n", "x\n"],
)
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        start = time.process_time()
        parse_claims(text)
        return time.process_time() - start

    small, large = seconds(100_000), seconds(1_000_000)
    assert large < 40 * small + 0.05


def test_the_number_of_diagnostics_is_bounded_and_says_so() -> None:
    problems = parse_claims("x\n" * (2 * MAX_DIAGNOSTICS)).diagnostics
    assert len(problems) == MAX_DIAGNOSTICS
    assert "too many" in problems[-1].message
