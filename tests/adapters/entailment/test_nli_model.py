"""A real cross-encoder of transformers and torch, built on the spot: tiny, random, and once taught the
self-test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.analysis.cns_metrics import CnsMetrics, CnsMetricsOptions
from crucible.adapters.entailment import nli
from crucible.adapters.entailment.nli import NliEntailment, load_classifier
from crucible.messages.claims import PassageDocument
from crucible.messages.errors import OptionError

torch: Any = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")
tokenizers: Any = pytest.importorskip("tokenizers")

pytestmark = pytest.mark.filterwarnings("ignore")

ORDERS = [
    ("contradiction", "entailment", "neutral"),
    ("ENTAILMENT", "NEUTRAL", "CONTRADICTION"),
    ("neutral", "contradict", "entail"),
]
PAIRS = [
    (nli._PREMISE, nli._ENTAILED),
    (nli._PREMISE, nli._CONTRADICTED),
    (nli._PREMISE, "Cats purr."),
]
MEANING = ("entail", "contradict", "neutral")
POSITIONS = 64


def build(folder: Path, labels: Sequence[str], *, teach: bool, seed: int = 0) -> str:
    """Save a BERT of one layer with its tokenizer; taught, it gives each of ``PAIRS`` its own meaning."""
    words = sorted({word.strip(".").lower() for pair in PAIRS for text in pair for word in text.split()})
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    vocabulary = {word: number for number, word in enumerate([*special.values(), ".", *words])}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.BertWordPieceTokenizer(vocabulary)._tokenizer, **special
    )
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        initializer_range=0.2 if teach else 0.02,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=POSITIONS,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    network = transformers.BertForSequenceClassification(config)
    if teach:
        wanted = [
            next(i for i, label in enumerate(labels) if label.lower().startswith(stem)) for stem in MEANING
        ]
        encoded = tokenizer(
            *(list(side) for side in zip(*PAIRS, strict=True)), padding=True, return_tensors="pt"
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        network.eval()  # no dropout: three pairs are to be known by heart
        for _ in range(150):
            optimizer.zero_grad()
            network(**encoded, labels=torch.tensor(wanted)).loss.backward()
            optimizer.step()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("labels", ORDERS, ids=lambda labels: labels[0])
def test_labels_are_resolved_by_name_whatever_their_order(tmp_path: Path, labels: tuple[str, ...]) -> None:
    model = NliEntailment(build(tmp_path / "m", labels, teach=True))
    entailed, contradicted, neutral = model.verdicts(PAIRS)
    assert min(entailed.entailment, contradicted.contradiction, neutral.neutral) > 0.9
    assert sum(entailed) == pytest.approx(1.0, abs=1e-6)


def test_the_same_weights_under_names_that_are_mixed_up_are_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "m", ORDERS[0], teach=True)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.id2label = dict(enumerate(ORDERS[1]))
    config.save_pretrained(folder)
    with pytest.raises(OptionError, match="fails the self-test"):
        NliEntailment(folder)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_model_is_refused_in_one_line_that_names_it(tmp_path: Path, seed: int) -> None:
    folder = build(tmp_path / "random", ORDERS[0], teach=False, seed=seed)
    with pytest.raises(OptionError) as refused:
        CnsMetrics(CnsMetricsOptions(entailment="nli", entailment_model=folder))
    assert str(refused.value).startswith(f"entailment_model: '{folder}' fails the self-test")
    assert "\n" not in str(refused.value)


def test_a_model_without_names_for_its_labels_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "m", ("LABEL_0", "LABEL_1", "LABEL_2"), teach=False)
    with pytest.raises(OptionError, match="expected labels named entailment, contradiction and neutral"):
        NliEntailment(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be loaded"):
        NliEntailment(str(tmp_path))


def test_batches_give_what_single_pairs_give(tmp_path: Path) -> None:
    model = NliEntailment(build(tmp_path / "m", ORDERS[0], teach=True))
    pairs = [(nli._PREMISE, " ".join(["blood pressure"] * (1 + number % 7))) for number in range(35)]
    together = model.verdicts(pairs)
    assert len(together) == 35
    for pair, verdict in zip(pairs, together, strict=True):
        assert verdict == pytest.approx(model.verdicts([pair])[0], abs=1e-6)


def test_a_text_longer_than_the_models_window_is_cut(tmp_path: Path) -> None:
    model = NliEntailment(build(tmp_path / "m", ORDERS[0], teach=True))
    document = PassageDocument(id="1", title="", sentences=("the drug lowered blood pressure " * 40,))
    assert 0.0 <= model.support("The drug reduced blood pressure.", document) <= 1.0


def test_what_is_kept_on_disk_is_not_asked_again_and_comes_back_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kept = build(tmp_path / "m", ORDERS[0], teach=True), str(tmp_path / "kept")
    first = NliEntailment(folder, cache=kept).verdicts(PAIRS)
    asked: list[int] = []

    def counting(model: str) -> nli.Classify:
        classify = load_classifier(model)

        def counted(pairs: Sequence[nli.Pair]) -> Any:
            asked.append(len(pairs))
            return classify(pairs)

        return counted

    monkeypatch.setattr(nli, "load_classifier", counting)
    assert NliEntailment(folder, cache=kept).verdicts(PAIRS) == first
    assert asked == [2]  # the self-test alone
