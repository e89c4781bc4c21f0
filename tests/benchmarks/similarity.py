"""How well the cosine of a claim with the sentences of its passage ranks the sentences that are its evidence.

    python -m tests.benchmarks.similarity ROWS [--minilm]

``ROWS`` are extraction rows (JSON Lines with prompt and completion). For each row with evidence and other
sentences: the area under the ROC curve over the pairs of the two kinds, ties counted half, and whether a
piece of evidence comes first; means over the rows. Word weights are learned from the passages alone, without
the claims."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import msgspec
import numpy as np

from crucible.adapters.cns.parser import parse_claims
from crucible.adapters.cns.passage import parse_passage
from crucible.adapters.cns.text import normalise, token_f1
from crucible.adapters.embeddings import lsa
from crucible.adapters.embeddings.base import Embedder
from crucible.adapters.embeddings.tfidf import TfIdf, fit_tfidf
from crucible.messages.records import Example

Score = Callable[[str, Sequence[str]], Sequence[float]]


class Row(msgspec.Struct):
    """What is read of a row."""

    prompt: str
    completion: str


class Item(NamedTuple):
    """A claim with the sentences of its passage."""

    claim: str
    sentences: tuple[str, ...]
    evidence: tuple[bool, ...]


def item_of(row: Row) -> Item | None:
    """None for a row without a claim, without evidence in the passage, or with nothing else in it."""
    claims = {claim.id: claim.text for claim in parse_claims(row.completion).claims}
    claim = claims.pop("c1", "")
    sentences = tuple(text for document in parse_passage(row.prompt) for text in document.sentences)
    said = [normalise(text) for text in claims.values()]
    evidence = tuple(any(normalise(sentence) in text for text in said) for sentence in sentences)
    return Item(claim, sentences, evidence) if claim and any(evidence) and not all(evidence) else None


def cosine(embedder: Embedder) -> Score:
    """Cosine of the claim with each sentence."""

    def score(claim: str, sentences: Sequence[str]) -> Sequence[float]:
        points = embedder.embed([claim, *sentences])
        return [float(value) for value in points[1:] @ points[0]]

    return score


def measure(items: Sequence[Item], score: Score) -> tuple[float, float]:
    """Mean area under the curve, and the share of rows where evidence comes first."""
    areas, firsts = [], []
    for item in items:
        values, evidence = np.array(score(item.claim, item.sentences)), np.array(item.evidence)
        right, wrong = values[evidence][:, None], values[~evidence][None]
        areas.append(float(np.mean((right > wrong) + 0.5 * (right == wrong))))
        firsts.append(bool(evidence[int(values.argmax())]))
    return float(np.mean(areas)), float(np.mean(firsts))


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--minilm", action="store_true")
    chosen = parser.parse_args()
    with chosen.rows.open("rb") as file:
        rows = [msgspec.json.decode(line, type=Row) for line in file]
    items = [found for found in map(item_of, rows) if found is not None]
    passages = [Example(id=str(number), input=row.prompt) for number, row in enumerate(rows)]
    print(f"{len(items)} claims of {len(rows)} rows")

    def show(name: str, score: Score) -> None:
        area, first = measure(items, score)
        print(f"{name:<24} area {area:.3f}   first {first:.3f}", flush=True)

    show("token F1", lambda claim, sentences: [token_f1(claim, text) for text in sentences])
    show("tf, no idf", cosine(TfIdf()))
    show("tfidf", cosine(fit_tfidf(passages)))
    for dimensions in (50, 100, 200, 400):
        with patch.object(lsa, "DIMENSIONS", dimensions):
            show(f"lsa-{dimensions}", cosine(lsa.fit_lsa(passages)))
    if chosen.minilm:
        from crucible.adapters.embeddings.minilm import MiniLm

        show("minilm", cosine(MiniLm()))


if __name__ == "__main__":
    main()
