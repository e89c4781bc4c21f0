"""Entailment by a trained natural-language-inference model, through the optional library transformers.

SummaC-ZS (Laban et al. 2022): sentences of the document are premises, sentences of the claim hypotheses; each
hypothesis takes its best P(entailment), the claim the mean over its sentences. So nothing is cut at the
model's window. The three labels are found by NAME in the model's configuration, since their order differs
between models, and two fixed pairs are tried at the start: a model that fails them is refused.

There is no fallback: without the library, or with a model that cannot be used, OptionError says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ...messages.claims import PassageDocument
from ...messages.errors import OptionError
from ..caches.vectors import VectorStore, model_identity, vector_key
from ..cns.sentences import split_sentences

__all__ = ["Classify", "NliEntailment", "Verdict", "label_names", "load_classifier"]

Label = Literal["entailment", "contradiction", "neutral"]
Pair = tuple[str, str]
Classify = Callable[[Sequence[Pair]], Sequence[Mapping[str, float]]]
"""(premise, hypothesis) pairs to the probability of each of the model's labels."""

BATCH = 16
"""Pairs that go through the model at once; bounds its memory, whatever the length of document and claim."""
NO_LIMIT = 1_000_000
"""From here on what a tokenizer states as its limit means that it knows none."""
_STEMS: dict[str, Label] = {"entail": "entailment", "contradict": "contradiction", "neutral": "neutral"}
_PREMISE = "The drug lowered blood pressure in all patients."
_ENTAILED = "The drug reduced blood pressure."
_CONTRADICTED = "The drug did not lower blood pressure in any patient."


class Verdict(NamedTuple):
    """Probabilities of one pair."""

    entailment: float
    contradiction: float
    neutral: float


class NliEntailment:
    """Implements ``Entailment``.

    Args:
        model: name or folder of a sequence classifier trained on NLI.
        classify: stands in for the loaded model; for tests and other runtimes.
        cache: folder that keeps verdicts from run to run.
    """

    def __init__(self, model: str, classify: Classify | None = None, cache: str | None = None) -> None:
        self._model = model
        self._given = classify
        self._cache = cache
        self._classify = classify or load_classifier(model)
        self._self_test()
        self._store = None if cache is None else VectorStore(cache)
        self._identity = f"nli {model_identity(model)}"

    def __reduce__(self) -> tuple[Any, ...]:
        return NliEntailment, (self._model, self._given, self._cache)

    @property
    def method(self) -> str:
        """``nli:`` and the name of the model."""
        return f"nli:{self._model}, SummaC-ZS"

    def support(self, claim: str, document: PassageDocument) -> float:
        """Mean over the claim's sentences of the best P(entailment) by a sentence of the document."""
        hypotheses, premises = split_sentences(claim), document.sentences
        if not hypotheses or not premises:
            return 0.0
        verdicts = self.verdicts([(premise, text) for text in hypotheses for premise in premises])
        rows = [verdicts[i : i + len(premises)] for i in range(0, len(verdicts), len(premises))]
        return sum(max(verdict.entailment for verdict in row) for row in rows) / len(rows)

    def verdicts(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Probabilities of (premise, hypothesis) pairs; known ones are not asked again."""
        if self._store is None:
            return self._judge(pairs)
        keys = [vector_key(self._identity, *pair) for pair in pairs]
        known = self._store.get(list(dict.fromkeys(keys)))
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
        if missing:
            fresh = dict(zip(missing, self._judge(list(missing.values())), strict=True))
            self._store.put(fresh)
        return [Verdict(*known[key].tolist()) if key in known else fresh[key] for key in keys]

    def _judge(self, pairs: Sequence[Pair]) -> list[Verdict]:
        out = []
        for start in range(0, len(pairs), BATCH):
            for probabilities in self._classify(pairs[start : start + BATCH]):
                names = label_names(probabilities)
                out.append(Verdict(**{label: float(probabilities[name]) for label, name in names.items()}))
        return out

    def _self_test(self) -> None:
        entailed, contradicted = self._judge([(_PREMISE, _ENTAILED), (_PREMISE, _CONTRADICTED)])
        if max(entailed) != entailed.entailment or max(contradicted) != contradicted.contradiction:
            raise OptionError(
                f"entailment_model: {self._model!r} fails the self-test (it should find one fixed pair "
                f"entailed and one contradicted): {entailed}, {contradicted}"
            )


def label_names(labels: Mapping[str, Any]) -> dict[Label, str]:
    """The model's name of each of the three labels; OptionError when one is missing or comes twice."""
    found: dict[Label, str] = {}
    for name in labels:
        for stem, label in _STEMS.items():
            if name.casefold().startswith(stem):
                if label in found:
                    raise OptionError(f"entailment_model: labels {found[label]!r} and {name!r} mean the same")
                found[label] = name
    if len(found) != len(_STEMS):
        raise OptionError(
            "entailment_model: expected labels named entailment, contradiction and neutral, "
            f"got {', '.join(map(repr, labels))}"
        )
    return found


def _window(tokenizer: Any, config: Any) -> int | None:
    """Tokens that the model takes, from its configuration where the tokenizer does not say; None: any number.

    Two positions are kept free, as models after RoBERTa count from 2.
    """
    stated: int = getattr(tokenizer, "model_max_length", NO_LIMIT)
    positions: int | None = getattr(config, "max_position_embeddings", None)
    if stated < NO_LIMIT:
        return stated
    return None if positions is None else positions - 2


def load_classifier(model: str) -> Classify:
    """The model as a function; raises OptionError when the library or the model cannot be had."""
    try:
        transformers, torch = importlib.import_module("transformers"), importlib.import_module("torch")
    except ImportError as error:
        raise OptionError(
            "entailment: 'nli' needs the packages transformers and torch (not installed)"
        ) from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        network = transformers.AutoModelForSequenceClassification.from_pretrained(model).eval()
    except (OSError, ValueError, ImportError) as error:  # the last: a tokenizer whose library is missing
        raise OptionError(f"entailment_model: {model!r} cannot be loaded: {type(error).__name__}") from error
    window = _window(tokenizer, network.config)
    names = {int(index): str(name) for index, name in network.config.id2label.items()}
    label_names(dict.fromkeys(names.values()))

    def classify(pairs: Sequence[Pair]) -> list[Mapping[str, float]]:
        premises, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        encoded = tokenizer(
            premises, hypotheses, truncation=True, max_length=window, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            rows = network(**encoded).logits.softmax(dim=-1).tolist()
        return [{names[i]: value for i, value in enumerate(row)} for row in rows]

    return classify
