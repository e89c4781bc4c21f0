"""The agents' knowledge from options: words alone, or a model of entailment (an oracle stands in for it)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from crucible.adapters.analysis.cns_dialectic import OneAtATime, make_arguments
from crucible.adapters.cns.critics import WEIGHTS
from crucible.adapters.entailment.nli import NliEntailment
from crucible.messages.claims import Evidence, Sno

PROMPT = """Passage:
Document 7: Hedges

Bees were twice as many beside hedges. Sprayed farms saw nothing of it.

Task:
1. Restate.
"""
THESIS = Sno(
    id="e/c1",
    claim="Hedges help wild bees on every kind of farm in the plain.",
    evidence=(Evidence(source="7", content="Bees were twice as many beside hedges.", sentences=(0,)),),
)


def oracle(pairs: Sequence[tuple[str, str]]) -> list[Mapping[str, float]]:
    """The self-test's pairs, and whatever is about nothing contradicts."""
    return [
        {"entailment": 0.1, "contradiction": 0.8, "neutral": 0.1}
        if "not" in "".join(pair)
        else {"entailment": 0.7, "contradiction": 0.1, "neutral": 0.2}
        for pair in pairs
    ]


def test_a_model_finds_what_no_word_gives_away_and_every_figure_names_it() -> None:
    words = make_arguments(weights=WEIGHTS["default"], most=5)
    model = make_arguments(weights=WEIGHTS["default"], most=5, nli=NliEntailment("stub", oracle))
    assert words.challenge(PROMPT, "e", THESIS, round_number=1).antithesis is None
    rival = model.challenge(PROMPT, "e", THESIS, round_number=1).antithesis
    assert rival is not None
    assert rival.claim == "Sprayed farms saw nothing of it."
    assert rival.confidence == pytest.approx(0.8)
    assert words.assess(THESIS).method.startswith("lexical critics")
    assert model.assess(THESIS).method.startswith("model: nli:stub")


def test_evidence_of_an_answer_is_judged_by_the_model() -> None:
    model = make_arguments(weights=WEIGHTS["default"], most=5, nli=NliEntailment("stub", oracle))
    said = "CLAIM[c1]: Hedges help.\nCLAIM[c2] (Document 7): Bees were twice as many beside hedges."
    thesis = model.read_thesis(PROMPT, "e", said, method="m", confidence=None).sno
    assert thesis is not None
    assert thesis.evidence[0].validity == pytest.approx(0.7)


def test_one_thread_at_a_time_asks_the_model() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def watched(pairs: Sequence[tuple[str, str]]) -> list[Mapping[str, float]]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.002)  # long enough for another thread to come in, if it could
        with lock:
            inside -= 1
        return oracle(pairs)

    model = OneAtATime(NliEntailment("stub", watched))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: model.verdicts([(f"premise {n}", "hypothesis")]), range(24)))
    assert most == 1
