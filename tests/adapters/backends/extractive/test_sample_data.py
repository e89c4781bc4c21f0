"""The model against the baseline on the sample data of the project, whose test rows it has not seen."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from crucible.actors.ports import Sampler
from crucible.adapters.backends.extractive import ExtractiveBackend, ExtractiveOptions
from crucible.adapters.backends.extractive.targets import read_targets
from crucible.adapters.backends.lead import LeadOptions, LeadSampler
from crucible.adapters.cns import parse_passage
from crucible.messages.records import Example

from ..support import request

DATA = Path(__file__).parents[4] / "config" / "data" / "claims.jsonl"


def rows() -> list[Example]:
    lines = DATA.read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines if line]
    return [Example(id=each["id"], input=each["prompt"], reference=each["completion"]) for each in read]


async def mean_f1(sampler: Sampler, test: list[Example]) -> float:
    scores = []
    for example in test:
        documents = parse_passage(example.input)
        answer = (await sampler.sample(request(example.input))).completions[0].text
        got, gold = (read_targets(text or "", documents).evidence for text in (answer, example.reference))
        scores.append(2 * float(got @ gold) / float(got.sum() + gold.sum()))
    return statistics.fmean(scores)


@pytest.mark.slow
async def test_trained_on_the_sample_data_it_beats_the_lead_and_its_untrained_self(tmp_path: Path) -> None:
    data = rows()
    train, test = data[0::2], data[1::2]
    session = await ExtractiveBackend().open(ExtractiveOptions(), seed=0, workdir=tmp_path)
    untrained = await mean_f1(await session.sampler(), test)
    for _ in range(10):
        for start in range(0, len(train), 8):
            await session.train_step(train[start : start + 8])
            await session.optim_step(0.02)
    trained = await mean_f1(await session.sampler(), test)
    lead = await mean_f1(LeadSampler(LeadOptions()), test)
    assert trained > untrained + 0.1
    assert trained > lead + 0.3
