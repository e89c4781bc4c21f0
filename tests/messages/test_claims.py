from __future__ import annotations

import msgspec
import pytest

from crucible.messages.claims import (
    Challenge,
    CriticReport,
    CriticVerdict,
    Evidence,
    Provenance,
    Relation,
    Sno,
)
from crucible.messages.decoding import collect

WHOLE = Sno(
    id="7/c1",
    claim="Amber light lengthens sleep.",
    evidence=(Evidence(source="12", content="It did.", sentences=(0, 2), retrieval="citation"),),
    confidence=0.8,
    provenance=Provenance(origin="synthesizer", parents=("7/a", "7/b"), generation=2, method="mock"),
    children=(Sno(id="7/c2", claim="Sleep grew by 48 minutes."),),
    relations=(Relation(source="7/c2", label="supports", target="7/c1"),),
    history=(Provenance(origin="proposer"),),
)


def test_an_object_comes_back_from_json_as_it_was() -> None:
    assert msgspec.json.decode(msgspec.json.encode(WHOLE), type=Sno) == WHOLE


def test_the_strict_decoder_reads_objects_within_objects() -> None:
    assert collect(msgspec.to_builtins(WHOLE), Sno) == (WHOLE, [])


def test_a_fault_of_a_child_is_found_at_its_place() -> None:
    row = msgspec.to_builtins(WHOLE)
    row["children"][0]["confidence"] = 1.5
    _, problems = collect(row, Sno)
    assert [problem.path for problem in problems] == ["children[0].confidence"]


@pytest.mark.parametrize(
    ("type_", "row"),
    [
        (Sno, {"id": "", "claim": "x"}),
        (Sno, {"id": "a", "claim": ""}),
        (Sno, {"id": "a", "claim": "x", "confidence": float("nan")}),
        (Evidence, {"source": "d", "sentences": [-1]}),
        (Evidence, {"source": "d", "retrieval": "guess"}),
        (Provenance, {"origin": "proposer", "generation": -1}),
        (Provenance, {"origin": "nobody"}),
        (Challenge, {"id": "x", "target": "a", "type": "dislike"}),
        (Challenge, {"id": "x", "target": "a", "type": "scope", "severity": "huge"}),
        (CriticReport, {"critic": "logic", "score": 1.1, "method": "lexical"}),
        (CriticReport, {"critic": "logic", "score": 1.0, "method": ""}),
        (CriticVerdict, {"score": 0.5, "level": "fine", "passed": True, "method": "m"}),
    ],
)
def test_values_out_of_range_are_refused(type_: type, row: dict[str, object]) -> None:
    assert collect(row, type_)[1]
