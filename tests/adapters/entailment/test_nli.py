from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from crucible.actors.stages.analysis_metrics import MetricsAnalysis
from crucible.adapters.analysis.cns_metrics import CnsMetrics, CnsMetricsOptions
from crucible.adapters.entailment import nli as nli_module
from crucible.adapters.entailment.nli import NliEntailment, label_names
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.claims import PassageDocument
from crucible.messages.errors import OptionError
from crucible.messages.experiment import StatsConfig
from crucible.messages.flow import Sample
from crucible.messages.records import Example, Output

Pair = tuple[str, str]


def oracle(pairs: Sequence[Pair]) -> list[Mapping[str, float]]:
    """Contradiction when the hypothesis negates, entailment when a word is shared; labels in an odd order."""
    out: list[Mapping[str, float]] = []
    for premise, hypothesis in pairs:
        if "not" in hypothesis:
            row = {"Neutral": 0.1, "CONTRADICTION": 0.8, "entailment": 0.1}
        elif set(premise.lower().split()) & set(hypothesis.lower().split()):
            row = {"Neutral": 0.1, "CONTRADICTION": 0.1, "entailment": 0.8}
        else:
            row = {"Neutral": 0.7, "CONTRADICTION": 0.2, "entailment": 0.1}
        out.append(row)
    return out


def test_support_is_the_mean_of_the_best_sentence_of_the_document() -> None:
    nli = NliEntailment("stub", oracle)
    document = PassageDocument(id="1", title="", sentences=("lamps glow", "cats purr"))
    assert nli.support("lamps shine", document) == pytest.approx(0.8)
    assert nli.support("Lamps shine. Dogs bark.", document) == pytest.approx(0.45)
    assert nli.support("Lamps shine.", PassageDocument(id="1", title="", sentences=())) == 0.0


def test_labels_are_found_by_name_whatever_their_order_and_case() -> None:
    assert label_names({"NEUTRAL": 0, "Entailment": 1, "contradiction": 2}) == {
        "neutral": "NEUTRAL",
        "entailment": "Entailment",
        "contradiction": "contradiction",
    }


@pytest.mark.parametrize("labels", [["LABEL_0", "LABEL_1", "LABEL_2"], ["entailment", "not_entailment"]])
def test_a_model_without_the_three_names_is_refused(labels: list[str]) -> None:
    with pytest.raises(OptionError, match="expected labels named"):
        label_names(dict.fromkeys(labels))


def test_a_model_that_mixes_up_its_labels_fails_the_self_test() -> None:
    def swapped(pairs: Sequence[Pair]) -> list[Mapping[str, float]]:
        return [
            {"neutral": r["entailment"], "contradiction": r["CONTRADICTION"], "entailment": r["Neutral"]}
            for r in oracle(pairs)
        ]

    with pytest.raises(OptionError, match="self-test"):
        NliEntailment("stub", swapped)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is installed")
def test_asking_for_nli_without_the_library_is_refused_and_never_replaced() -> None:
    with pytest.raises(OptionError, match="transformers"):
        CnsMetrics(CnsMetricsOptions(entailment="nli"))


def test_pairs_go_through_the_model_in_small_batches() -> None:
    sizes: list[int] = []

    def noting(pairs: Sequence[Pair]) -> list[Mapping[str, float]]:
        sizes.append(len(pairs))
        return oracle(pairs)

    nli = NliEntailment("stub", noting)
    sentences = tuple(f"lamps glow {number}" for number in range(40))
    assert nli.support("lamps shine", PassageDocument(id="1", title="", sentences=sentences)) == 0.8
    assert sizes == [2, 16, 16, 8]  # the self-test first


async def test_the_model_works_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()

    def noting(pairs: Sequence[Pair]) -> list[Mapping[str, float]]:
        threads.add(threading.get_ident())
        return oracle(pairs)

    monkeypatch.setattr(nli_module, "load_classifier", lambda _model: noting)
    adapter = CnsMetrics(CnsMetricsOptions(entailment="nli", entailment_model="stub"))
    threads.clear()  # the self-test ran here
    text = "CLAIM[c1]: lamps\nCLAIM[c2] (Document 1): lamps shine\nRELATION: c2 supports c1"
    example = Example(id="e", input="Passage:\nDocument 1: t\n\nlamps glow", reference=text)
    output = Output(example_id="e", system="m", backend="b", text=text)
    work = MetricsAnalysis(adapter, PairedStatistics(), StatsConfig(), seed=0)
    (scored,) = await work.process([Sample(example=example, outputs=(output,))])
    assert scored.scores[0].scores["mean_entailment"] == pytest.approx(0.8)
    assert threads
    assert threading.get_ident() not in threads


class FakeTorch:
    """Logits are lists; a softmax that leaves them alone."""

    def __init__(self, rows: list[list[float]]) -> None:
        self._rows = rows

    def softmax(self, dim: int) -> FakeTorch:
        assert dim == -1
        return self

    def tolist(self) -> list[list[float]]:
        return self._rows


class FakeNetwork:
    """Labels stand in the order contradiction, entailment, neutral, as in the DeBERTa cross-encoders."""

    config = types.SimpleNamespace(id2label={0: "contradiction", 1: "entailment", 2: "neutral"})

    def eval(self) -> FakeNetwork:
        return self

    def __call__(self, pairs: list[Pair]) -> Any:
        rows = [[r["CONTRADICTION"], r["entailment"], r["Neutral"]] for r in oracle(pairs)]
        return types.SimpleNamespace(logits=FakeTorch(rows))


def fake_transformers(name: str) -> Any:
    def tokenizer(premises: list[str], hypotheses: list[str], **_: object) -> dict[str, Any]:
        return {"pairs": list(zip(premises, hypotheses, strict=True))}

    def load(model: str) -> FakeNetwork:
        if model != name:
            raise OSError("no such model")
        return FakeNetwork()

    return types.SimpleNamespace(
        AutoTokenizer=types.SimpleNamespace(from_pretrained=lambda _: tokenizer),
        AutoModelForSequenceClassification=types.SimpleNamespace(from_pretrained=load),
    )


def test_the_entailment_index_comes_from_the_models_own_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", fake_transformers("known"))
    torch = types.SimpleNamespace(inference_mode=contextlib.nullcontext)
    monkeypatch.setitem(sys.modules, "torch", torch)
    nli = NliEntailment("known")
    assert nli.verdicts([("lamps glow", "lamps shine")])[0].entailment == 0.8
    assert nli.method == "nli:known, SummaC-ZS"
    with pytest.raises(OptionError, match="'unknown' cannot be loaded"):
        NliEntailment("unknown")


def test_a_pair_that_was_judged_is_not_judged_again(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def counting(pairs: Sequence[tuple[str, str]]) -> Sequence[Mapping[str, float]]:
        asked.extend(pairs)
        return oracle(pairs)

    pair = ("Lamps shine.", "Dogs bark.")
    first = NliEntailment("stub", counting, cache=str(tmp_path)).verdicts([pair, pair])
    tests_of_itself = 2
    assert len(asked) == tests_of_itself + 1
    asked.clear()
    again = NliEntailment("stub", counting, cache=str(tmp_path))
    assert again.verdicts([pair]) == first[:1]
    assert len(asked) == tests_of_itself
    assert NliEntailment("other", counting, cache=str(tmp_path)).verdicts([pair]) == first[:1]
    assert len(asked) == 2 * tests_of_itself + 1
