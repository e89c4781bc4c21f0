"""How well contradictions are found: precision and recall of the flags, and the threshold that they take.

    python -m tests.benchmarks.contradictions --scifact DIR [--citation-integrity DIR] [--rows FILE]
        [--minilm] [--svg FILE]

``DIR`` holds ``claims_train.jsonl`` and ``claims_dev.jsonl`` in the format of SciFact, for Citation Integrity
also ``corpus.jsonl``; ``FILE`` rows of prompt and completion made from SciFact. None of the data is written.

*Claims against claims*: pairs of claims of SciFact that rest on the same sentence of the same document.
They contradict each other when that sentence supports one and refutes the other; annotators made most of the
refuted claims by turning a supported one round, so these are constructed contradictions. Training claims are
halved by document: one half chooses the threshold (greatest recall at a precision of at least .8), the other
half with the development claims is the test. The word lists were extended while looking at the first half.

*The antagonist by rules*: how often what it holds against a thesis is right, on the same test pairs as parts
of one thesis, and, with ``--rows``, on the sentences of the passage, as it searches them.

*Claims against evidence*: a claim and the sentences that support or refute it. This is natural-language
inference; the same scores are shown for what they are worth there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crucible.adapters.cns import parse_claims, parse_passage
from crucible.adapters.cns.dialectic.antagonist import antagonise
from crucible.adapters.cns.opposition import contested, opposition
from crucible.adapters.cns.text import normalise, token_f1
from crucible.adapters.statistics import PairedStatistics
from crucible.messages.claims import Evidence, Sno
from crucible.messages.experiment import StatsConfig

AIM_PRECISION, AIM_RECALL = 0.8, 0.7
Floats = NDArray[np.float64]
Scorer = Callable[[str, str], float]


class Pair(NamedTuple):
    """Two texts, whether one refutes the other, and the document that says so."""

    left: str
    right: str
    opposed: bool
    document: str


class Curve(NamedTuple):
    """Precision and recall at each distinct score, from the highest down."""

    thresholds: Floats
    precision: Floats
    recall: Floats


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def claim_pairs(path: Path) -> list[Pair]:
    """Pairs of claims on the same sentence, each once."""
    readings = defaultdict(list)
    for row in rows(path):
        for document, sets in row["evidence"].items():
            for one in sets:
                for sentence in one["sentences"]:
                    readings[document, sentence].append((row["id"], row["claim"], one["label"]))
    found: dict[tuple[int, int], Pair] = {}
    for (document, _), claims in readings.items():
        for (id_, left, label), (other, right, other_label) in combinations(claims, 2):
            if id_ != other:
                found[id_, other] = Pair(left, right, label != other_label, document)
    return list(found.values())


def evidence_pairs(claims: Path, corpus: Path) -> list[Pair]:
    """Claims with the sentences that support or refute them."""
    texts = {str(row["doc_id"]): row["abstract"] for row in rows(corpus)}
    pairs = []
    for row in rows(claims):
        for document, sets in row["evidence"].items():
            if len({one["label"] for one in sets}) == 1:
                places = sorted({sentence for one in sets for sentence in one["sentences"]})
                evidence = " ".join(texts[document][place] for place in places)
                pairs.append(Pair(row["claim"], evidence, sets[0]["label"] != "SUPPORT", document))
    return pairs


def answer_pairs(path: Path) -> list[Pair]:
    """The hypothesis of each reference answer with each of its evidence claims."""
    pairs = []
    for row in rows(path):
        answer = parse_claims(row["completion"])
        claims = {claim.id: claim for claim in answer.claims}
        for relation in answer.relations:
            source = claims[relation.source]
            document = source.document_id or ""
            pairs.append(Pair(claims["c1"].text, source.text, relation.label == "refutes", document))
    return pairs


def antagonist_on_parts(pairs: list[Pair]) -> str:
    """Precision and recall of contradictions between two parts of a thesis that read the same sentence."""
    place = Evidence(source="1", sentences=(0,), content="the sentence")
    flagged = []
    for pair in pairs:
        parts = tuple(
            Sno(id=f"c{number}", claim=text, evidence=(place,))
            for number, text in enumerate((pair.left, pair.right), start=2)
        )
        found = antagonise(
            Sno(id="c1", claim="", evidence=(place,), children=parts), (), example="e", most=50
        )
        flagged.append(any(each.type == "contradiction" for each in found.challenges))
    right = sum(pair.opposed for pair, is_flagged in zip(pairs, flagged, strict=True) if is_flagged)
    return _rates(right, sum(flagged), sum(pair.opposed for pair in pairs))


def antagonist_on_passages(path: Path) -> str:
    """The same of the sentences of the passage that it holds against the hypothesis of the reference."""
    right = found = wanted = 0
    for row in rows(path):
        answer = parse_claims(row["completion"])
        claims = {claim.id: normalise(claim.text) for claim in answer.claims}
        refuting = [claims[relation.source] for relation in answer.relations if relation.label == "refutes"]
        passage = parse_passage(row["prompt"])
        sentences = [normalise(sentence) for document in passage for sentence in document.sentences]
        gold = {sentence for sentence in sentences if any(sentence in text for text in refuting)}
        thesis = Sno(id="c1", claim=next(claim.text for claim in answer.claims if claim.id == "c1"))
        rival = antagonise(thesis, passage, example="e", most=50).antithesis
        held = {normalise(part.claim) for part in rival.children} if rival is not None else set()
        right, found, wanted = right + len(held & gold), found + len(held), wanted + len(gold)
    return _rates(right, found, wanted)


def _rates(right: int, flagged: int, wanted: int) -> str:
    precision = f"{right / flagged:.2f}" if flagged else "none"
    share = right / wanted if wanted else 0.0
    return f"{flagged} held against the thesis, {right} rightly: precision {precision}, recall {share:.2f}"


def first_half(pair: Pair) -> bool:
    """Which half a document is in."""
    return hashlib.sha256(pair.document.encode()).digest()[0] % 2 == 0


def curve(scores: Floats, opposed: NDArray[np.bool_]) -> Curve:
    """Precision and recall of "score >= threshold" for every threshold."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(opposed[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return Curve(ranked[last], hits[last] / (last + 1), hits[last] / hits[-1])


def average_precision(found: Curve) -> float:
    """Σ (R_i − R_{i−1})·P_i."""
    return float(np.diff(found.recall, prepend=0.0) @ found.precision)


def chosen(found: Curve) -> float:
    """The threshold of the greatest recall at the precision that is aimed for; infinite without one."""
    enough = found.precision >= AIM_PRECISION
    return float(found.thresholds[enough].min()) if enough.any() else math.inf


def measured(scores: Floats, pairs: list[Pair], threshold: float) -> str:
    """Precision and recall at a threshold, each a rate with Wilson's interval over documents.

    Resampled documents would give an interval without width wherever the few flagged pairs are all right.
    """
    flagged = scores >= threshold
    opposed = np.array([pair.opposed for pair in pairs])
    documents = np.unique([pair.document for pair in pairs], return_inverse=True)[1]
    return " | ".join(_rate(hit[of], documents[of]) for hit, of in ((opposed, flagged), (flagged, opposed)))


def _rate(hits: NDArray[np.bool_], documents: NDArray[np.intp]) -> str:
    found = PairedStatistics().summarize(
        "rate",
        hits.astype(float).tolist(),
        clusters=documents.tolist(),
        method="pairs",
        config=StatsConfig(),
        seed=0,
        bounded=True,
    )
    if found.value is None:
        return "-"
    limits = "" if found.interval is None else f" [{found.interval.low:.2f}, {found.interval.high:.2f}]"
    return f"{found.value:.2f}{limits}"


def score(scorer: Scorer, pairs: list[Pair]) -> Floats:
    """The score of every pair."""
    return np.array([scorer(pair.left, pair.right) for pair in pairs])


def scorers(*, minilm: bool) -> dict[str, Scorer]:
    """What is compared."""
    known: dict[str, Scorer] = {
        "opposition": lambda left, right: opposition(left, right).score,
        "token F1 alone": token_f1,
        "contested, lexical (opposition and token F1)": lambda a, b: contested(a, b, token_f1),
    }
    if minilm:
        from crucible.adapters.embeddings.minilm import MiniLm

        embed = MiniLm().embed

        def cosine(left: str, right: str) -> float:
            first, second = embed([left, right])
            return float(first @ second)

        known["MiniLM cosine alone"] = cosine
        known["contested, MiniLM (opposition and cosine)"] = lambda a, b: contested(a, b, cosine)
    return known


def table(known: dict[str, Scorer], fit: list[Pair], test: list[Pair]) -> dict[str, Curve]:
    """Print how each does, and give its curve on the test."""
    shares = [float(np.mean([pair.opposed for pair in pairs])) for pairs in (fit, test)]
    print(f"chosen on {len(fit)} pairs, {shares[0]:.2f} opposed; tested on {len(test)},")
    print(f"{shares[1]:.2f} opposed, which is the precision of flagging everything\n")
    print("| score | threshold | AP | precision | recall | aim |")
    print("|---|---|---|---|---|---|")
    curves = {}
    for name, scorer in known.items():
        on_fit, on_test = score(scorer, fit), score(scorer, test)
        threshold = chosen(curve(on_fit, np.array([pair.opposed for pair in fit])))
        curves[name] = found = curve(on_test, np.array([pair.opposed for pair in test]))
        flagged = on_test >= threshold
        right = sum(pair.opposed and bool(flag) for pair, flag in zip(test, flagged, strict=True))
        met = (
            flagged.any()
            and right / flagged.sum() >= AIM_PRECISION
            and right / sum(pair.opposed for pair in test) >= AIM_RECALL
        )
        shown = "none" if math.isinf(threshold) else f"{threshold:.3f}"
        figures = measured(on_test, test, threshold) if flagged.any() else "- | 0.00"
        aim, average = "met" if met else "missed", average_precision(found)
        print(f"| {name} | {shown} | {average:.2f} | {figures} | {aim} |")
    print()
    return curves


def draw(curves: dict[str, Curve], base: float, path: Path) -> None:
    """The curves of the test pairs."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "crucible", "svg.fonttype": "none"})
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for (name, found), style in zip(curves.items(), ("-", ":", "-", ":", "--"), strict=False):
        some = found.thresholds > 0  # from 0 on everything is flagged
        axes.step(found.recall[some], found.precision[some], style, where="pre", label=name)
    axes.axhline(base, color="grey", linewidth=0.8, linestyle=(0, (1, 3)), label="flag everything")
    axes.plot([AIM_RECALL, AIM_RECALL, 1.0], [1.02, AIM_PRECISION, AIM_PRECISION], "k-", linewidth=0.8)
    axes.annotate("aim", (AIM_RECALL, AIM_PRECISION), textcoords="offset points", xytext=(4, 4))
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.0), ylim=(0.5, 1.02))
    axes.legend(loc="lower left", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    """Measure what there is data for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scifact", type=Path, required=True)
    parser.add_argument("--citation-integrity", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--minilm", action="store_true")
    parser.add_argument("--svg", type=Path)
    given = parser.parse_args()
    print(f"Python {platform.python_version()}; intervals: 95 %, Wilson, clustered by document\n")
    known = scorers(minilm=given.minilm)
    train = claim_pairs(given.scifact / "claims_train.jsonl")
    fit = [pair for pair in train if first_half(pair)]
    test = [pair for pair in train if not first_half(pair)]
    test += claim_pairs(given.scifact / "claims_dev.jsonl")
    print("## SciFact, claims against claims\n")
    curves = table(known, fit, test)
    print(f"The antagonist, of parts that read one sentence: {antagonist_on_parts(test)}\n")
    if given.svg:
        draw(curves, float(np.mean([pair.opposed for pair in test])), given.svg)
    if given.rows:
        print("## SciFact, claims against evidence\n")
        pairs = answer_pairs(given.rows)
        table(known, [p for p in pairs if first_half(p)], [p for p in pairs if not first_half(p)])
        print(f"The antagonist, of sentences of the passage: {antagonist_on_passages(given.rows)}\n")
    if given.citation_integrity:
        print("## Citation Integrity, claims against evidence\n")
        folder = given.citation_integrity
        sets = [
            evidence_pairs(folder / f"claims_{part}.jsonl", folder / "corpus.jsonl")
            for part in ("train", "dev")
        ]
        table(known, *sets)


if __name__ == "__main__":
    main()
