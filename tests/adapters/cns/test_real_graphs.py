"""Claim graphs of real reference answers; skipped where the set is not beside the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crucible.adapters.cns import parse_claims
from crucible.adapters.cns.graph import beta1, claim_graph, components, cycle_count

CLAIM_ROWS = (
    Path(__file__).resolve().parents[4] / "shared" / "data" / "scifact" / "claim_extractor_train.jsonl"
)


@pytest.mark.skipif(not CLAIM_ROWS.exists(), reason="the SciFact claim-extractor rows are not here")
def test_all_reference_answers_are_one_piece_without_a_loop() -> None:
    with CLAIM_ROWS.open(encoding="utf-8") as file:
        answers = [json.loads(line)["completion"] for line in file]
    assert len(answers) == 505
    for answer in answers:
        graph = claim_graph(parse_claims(answer))
        size = len(graph.ids)
        assert (components(size, graph.edges), beta1(size, graph.edges)) == (1, 0)
        assert cycle_count(size, graph.edges) == 0
