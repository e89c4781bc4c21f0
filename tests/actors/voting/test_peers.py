"""Votes against crowd-kit's, where it is installed."""

from __future__ import annotations

import random
import time

import pytest

from crucible.actors.voting.dawid_skene import fit_dawid_skene

pytestmark = pytest.mark.peers


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the other library
def test_dawid_skene_is_as_good_as_crowd_kits_and_faster() -> None:
    pandas = pytest.importorskip("pandas")
    aggregation = pytest.importorskip("crowdkit.aggregation")
    rng = random.Random(1)
    truths = [rng.randrange(4) for _ in range(20_000)]
    items, members, labels = [], [], []
    for item, truth in enumerate(truths):
        for member, chance in enumerate((0.9, 0.8, 0.7, 0.6, 0.55)):
            said = truth if rng.random() < chance else (truth + rng.randrange(1, 4)) % 4
            items.append(item)
            members.append(f"m{member}")
            labels.append(str(said))
    frame = pandas.DataFrame({"task": items, "worker": members, "label": labels})
    theirs_s, ours_s = [], []
    for _ in range(3):
        start = time.process_time()
        theirs = aggregation.DawidSkene().fit_predict(frame)
        theirs_s.append(time.process_time() - start)
        start = time.process_time()
        fit = fit_dawid_skene(items, members, labels, len(truths), "confusion")
        ours_s.append(time.process_time() - start)
    ours = [max(posterior, key=lambda label: posterior[label]) for posterior in fit.posteriors]
    right = sum(int(label) == truth for label, truth in zip(ours, truths, strict=True))
    peer = sum(int(theirs[item]) == truth for item, truth in enumerate(truths))
    print(f"right: {right} and {peer} of {len(truths)}; CPU s: {min(ours_s):.3f} and {min(theirs_s):.3f}")
    assert right == pytest.approx(peer, rel=0.001)
    assert sum(theirs[item] != label for item, label in enumerate(ours)) < 40
    assert min(ours_s) * 5 < min(theirs_s)
