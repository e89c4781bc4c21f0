"""Votes against what they should come to: exact accuracies, early stops, and Dawid-Skene beside crowd-kit's.

    python tests/benchmarks/voting.py [--peers PYTHON]

Seeded. Members are simulated and their error rates known, so the accuracy of a vote can be worked out and
compared with what the council decides and the tally counts. PYTHON is an interpreter that has
tests/benchmarks/requirements-peers-voting.txt; without one crowd-kit is not measured, which counts as missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crucible.actors.voting.ballots import Ballot
from crucible.actors.voting.council import Council, ballots_record
from crucible.actors.voting.dawid_skene import fit_dawid_skene
from crucible.actors.voting.early_stop import Stop
from crucible.actors.voting.normalise import text
from crucible.actors.voting.settings import EnsembleOptions, EnsembleSettings
from crucible.actors.voting.tally import EnsembleTally
from crucible.adapters.statistics.intervals import wilson_interval
from crucible.messages.experiment import BackendRef, EnsembleConfig

QUESTIONS = 20_000
KNOWN = 200
"""Questions with answers that weights are learned from."""
SELF_QUESTIONS, SAMPLES = 2_000, 40
ITEMS, CHANCES, CLASSES = 20_000, (0.9, 0.8, 0.7, 0.6, 0.55), 4
ROUNDS = 3
PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import pandas
from crowdkit.aggregation import DawidSkene
votes = json.load(open(sys.argv[1]))
frame = pandas.DataFrame({"task": votes["items"], "worker": votes["members"], "label": votes["labels"]})
times = []
for _ in range(int(sys.argv[2])):
    start = time.process_time()
    found = DawidSkene().fit_predict(frame)
    times.append(time.process_time() - start)
json.dump({"cpu_s": min(times), "answers": {str(item): label for item, label in found.items()}}, sys.stdout)
"""


class Crowd(NamedTuple):
    """Five members; with probability ``common`` one draw decides for all of them, else each has its own."""

    name: str
    errors: tuple[float, ...]
    common: float

    def draw(self, rng: random.Random) -> tuple[bool, ...]:
        """Who errs on a question."""
        if rng.random() < self.common:
            one = rng.random()
            return tuple(one < rate for rate in self.errors)
        return tuple(rng.random() < rate for rate in self.errors)

    def patterns(self) -> Iterator[tuple[float, tuple[bool, ...]]]:
        """Every pattern of errors and its probability."""
        borders = sorted({0.0, 1.0, *self.errors})
        for low, high in itertools.pairwise(borders):
            yield self.common * (high - low), tuple(low < rate for rate in self.errors)
        for wrong in itertools.product((False, True), repeat=len(self.errors)):
            pairs = zip(wrong, self.errors, strict=True)
            yield (1 - self.common) * math.prod(rate if err else 1 - rate for err, rate in pairs), wrong

    def accuracy(self, weights: Sequence[float]) -> float:
        """Of a weighted vote between two answers; a tie goes to the first member."""
        return math.fsum(chance for chance, wrong in self.patterns() if _wins(wrong, weights))

    def correlation(self) -> float:
        """The mean correlation of two members' errors."""
        found = []
        for one, two in itertools.combinations(self.errors, 2):
            both = self.common * min(one, two) + (1 - self.common) * one * two
            found.append((both - one * two) / math.sqrt(one * (1 - one) * two * (1 - two)))
        return math.fsum(found) / len(found)


def _wins(wrong: Sequence[bool], weights: Sequence[float]) -> bool:
    against = math.fsum(weight for weight, err in zip(weights, wrong, strict=True) if err)
    lead = math.fsum(weights) - 2 * against
    return not wrong[0] if abs(lead) < 1e-9 else lead > 0


MIXED = (0.1, 0.2, 0.3, 0.35, 0.4)
CROWDS = (
    Crowd("mixed, independent", MIXED, 0.0),
    Crowd("mixed, 30 % common", MIXED, 0.3),
    Crowd("mixed, 60 % common", MIXED, 0.6),
    Crowd("equal, independent", (0.3,) * 5, 0.0),
    Crowd("equal, 60 % common", (0.3,) * 5, 0.6),
    Crowd("one good, four poor", (0.1, 0.45, 0.45, 0.45, 0.45), 0.0),
    Crowd("worse than a coin", (0.6,) * 5, 0.0),
)


def council(members: int, **config: Any) -> Council:
    """One that compares texts."""
    names = tuple(f"m{i}" for i in range(members))
    made = EnsembleConfig(members=tuple(BackendRef(id="mock", name=name) for name in names), **config)
    return Council(EnsembleSettings(config=made, options=EnsembleOptions(), members=names, normalise=text))


def ballots(answers: Sequence[str]) -> list[Ballot]:
    """Members m0, m1, ..."""
    return [Ballot(member=f"m{i}", text=answer) for i, answer in enumerate(answers)]


def said(wrong: Sequence[bool]) -> list[Ballot]:
    """The right answer is yes."""
    return ballots(["no" if err else "yes" for err in wrong])


def measure(crowd: Crowd, strategy: str, seed: int) -> tuple[float, dict[str, Any], Sequence[float]]:
    """The exact accuracy, the tally's figures and the weights of one strategy."""
    rng = random.Random(seed)
    made = council(len(crowd.errors), strategy=strategy)
    if strategy == "weighted":
        made.learn([(said(crowd.draw(rng)), "yes") for _ in range(KNOWN)])
    names = made.settings.members
    tally = EnsembleTally(names, dict.fromkeys(names, "simulated"))
    for _ in range(QUESTIONS):
        given = said(crowd.draw(rng))
        result = made.vote(given)
        confidence = made.confidence(result)
        keys = {each.member: each.text for each in given}
        tally.add(ballots_record(result, ()), keys, confidence, made.judge(given, result, "yes", confidence))
    weights = [made.weights[name] for name in names] if strategy == "weighted" else [1.0] * len(names)
    return crowd.accuracy(weights), tally.metrics(), weights


def accuracies() -> bool:
    """Exact and measured, for each crowd and strategy."""
    print(f"{QUESTIONS:,} questions, 5 members; weights are learned on {KNOWN} others\n")
    print(
        "| members | error correlation | effective voters | best member | majority, exact | measured |",
        end="",
    )
    print(" weighted, exact | measured |\n|---|---|---|---|---|---|---|---|")
    inside = checks = 0
    for seed, crowd in enumerate(CROWDS):
        exact, told, _ = measure(crowd, "majority", seed)
        exact_w, told_w, _ = measure(crowd, "weighted", seed)
        cells = []
        for value, found in ((exact, told), (exact_w, told_w)):
            # 14 intervals at once: at 95 % one of them would miss every other time, hence 99.9 %
            interval = wilson_interval(round(found["accuracy"] * QUESTIONS), QUESTIONS, 0.999)
            checks += 1
            inside += interval.low <= value <= interval.high
            cells.append(f"{value:.4f} | {found['accuracy']:.4f}")
        correlation = f"{crowd.correlation():.3f} / {told['mean_error_correlation']:.3f}"
        effective = f"{told['effective_voters']:.2f}"
        best = f"{1 - min(crowd.errors):.2f}"
        print(f"| {crowd.name} | {correlation} | {effective} | {best} | {cells[0]} | {cells[1]} |")
    return verdict(f"exact accuracy inside the 99.9 % interval: {inside} of {checks}", met=inside == checks)


def self_consistency(rng: random.Random) -> list[str]:
    """The right answer has a chance of 0.2 to 1, one wrong answer half of the rest."""
    easy = 0.2 + 0.8 * rng.betavariate(2, 1)
    wrong = ["wrong 0"] * 5 + [f"wrong {i}" for i in range(1, 6)]
    return ["right" if rng.random() < easy else rng.choice(wrong) for _ in range(SAMPLES)]


def early_stops() -> bool:
    """What the two rules ask, and what they change."""
    rng = random.Random(8)
    questions = [self_consistency(rng) for _ in range(SELF_QUESTIONS)]
    full = council(SAMPLES, strategy="majority", early_stop="off")
    whole = [full.vote(ballots(answers)) for answers in questions]
    right = sum(result.key == "right" for result in whole)
    print(f"\n{SELF_QUESTIONS:,} questions of up to {SAMPLES} samples; all asked: {right} right\n")
    print("| early stop | samples a question | fewer by | same outcome | right |\n|---|---|---|---|---|")
    met = True
    for rule in ("exact", "statistical"):
        made = council(SAMPLES, strategy="majority", early_stop=rule, epsilon=0.05, quorum=1)
        asked = same = hits = 0
        bound = 0.0
        for answers, outcome in zip(questions, whole, strict=True):
            count, stop = ask(made, answers)
            result = made.vote(ballots(answers[:count]))
            asked += count
            same += result.key == outcome.key
            hits += result.key == "right"
            bound += stop.error_bound
        share, factor = same / SELF_QUESTIONS, SAMPLES * SELF_QUESTIONS / asked
        print(f"| {rule} | {asked / SELF_QUESTIONS:.1f} | {factor:.2f} x | {share:.2%} | {hits} |")
        if rule == "exact":
            met &= verdict("the exact stop changes no outcome", met=same == SELF_QUESTIONS, quiet=True)
        else:
            changed = SELF_QUESTIONS - same
            print(f"\nchanged {changed}, announced at most {bound:.0f}")
            met &= verdict("exact stop: no outcome changed", met=met)
            goal = f"statistical: {factor:.2f} x fewer (>= 2.5), {share:.2%} the same (>= 99 %)"
            met &= verdict(goal, met=factor >= 2.5 and share >= 0.99)
    return met


def ask(made: Council, answers: Sequence[str]) -> tuple[int, Stop]:
    """One sample after another until the council has enough."""
    given = ballots(answers)
    names = made.settings.members
    for count in range(1, len(answers) + 1):
        stop = made.enough(given[:count], names[count:])
        if stop.stop:
            return count, stop
    return len(answers), Stop(stop=True, reason="")


def dawid_skene(peers: str | None) -> bool:
    """CPU and accuracy beside crowd-kit's, on the same votes in the same run."""
    rng = random.Random(1)
    truths = [rng.randrange(CLASSES) for _ in range(ITEMS)]
    items, members, labels = [], [], []
    for item, truth in enumerate(truths):
        for member, chance in enumerate(CHANCES):
            wrong = (truth + rng.randrange(1, CLASSES)) % CLASSES
            items.append(item)
            members.append(f"m{member}")
            labels.append(str(truth if rng.random() < chance else wrong))
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        fit = fit_dawid_skene(items, members, labels, ITEMS, "confusion")
        times.append(time.process_time() - start)
    ours = [max(posterior, key=lambda label: posterior[label]) for posterior in fit.posteriors]
    votes = council(len(CHANCES), strategy="majority")
    width = len(CHANCES)
    major = [votes.vote(ballots(labels[width * i : width * i + width])).key for i in range(ITEMS)]
    print(f"\n{ITEMS:,} items, {width} members, {CLASSES} classes\n\n| | right | CPU |\n|---|---|---|")
    print(f"| majority | {_right(major, truths):,} | |")
    print(f"| Dawid-Skene | {_right(ours, truths):,} | {min(times):.3f} s |")
    if peers is None:
        print("| crowd-kit | not measured | |")
        return verdict("Dawid-Skene against crowd-kit: not measured, see --peers", met=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.json"
        path.write_text(json.dumps({"items": items, "members": members, "labels": labels}))
        command = [peers, "-c", PEER, str(path), str(ROUNDS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    theirs = [found["answers"][str(item)] for item in range(ITEMS)]
    print(f"| crowd-kit | {_right(theirs, truths):,} | {found['cpu_s']:.3f} s |")
    factor = found["cpu_s"] / min(times)
    close = abs(_right(ours, truths) - _right(theirs, truths)) <= 0.001 * ITEMS
    return verdict(f"Dawid-Skene {factor:.1f} x as fast (>= 10), equally right", met=factor >= 10 and close)


def _right(answers: Sequence[str | None], truths: Sequence[int]) -> int:
    return sum(answer == str(truth) for answer, truth in zip(answers, truths, strict=True))


def verdict(goal: str, *, met: bool, quiet: bool = False) -> bool:
    """Print whether a goal was met."""
    if not quiet:
        print(f"\n**{'met' if met else 'missed'}**: {goal}")
    return met


def main() -> None:
    """Everything, in a minute."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has crowd-kit")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n")
    met = [accuracies(), early_stops(), dawid_skene(options.peers)]
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
