"""Members of an ensemble that are checkpoints which exist already."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import crucible
from crucible.messages.experiment import BackendRef, EnsembleConfig, Reliability, StageDef

from ..support import INPUT, row
from .support import MARKS, Tenant, opened
from .test_sampling import asking

pytestmark = [*MARKS, pytest.mark.slow]


async def taught(tokenizer: Path, folder: Path, answer: str) -> str:
    """The path of weights that answer this."""
    async with opened(tokenizer, folder) as session:
        for _ in range(12):
            await (await session.submit_step([row(reference=answer)], 0.3)).result()
        path = (await (await session.sampler()).sample(asking())).model
    assert path is not None
    return path


def test_each_member_answers_with_the_checkpoint_that_it_names(
    tenant: Tenant, tokenizer: Path, tmp_path: Path
) -> None:
    answers = {"green": "Green tea.", "black": "Black tea."}

    def member(name: str, **options: str) -> BackendRef:
        options = {"base_model": "tiny/lora", "tokenizer": str(tokenizer), **options}
        return BackendRef(id="tinker", name=name, options=options)

    paths = {
        name: asyncio.run(taught(tokenizer, tmp_path / name, answer)) for name, answer in answers.items()
    }
    made = tenant.counts()["create_model"]
    rows = [{"id": "r1", "prompt": INPUT, "completion": "Green tea."}]
    stages = {"data_load": {}, "backend_call": {"max_tokens": 40}, "report": {}}
    experiment = crucible.Experiment(
        id="members",
        dataset=crucible.DatasetRef(name="q", provider="memory", split="all", options={"rows": rows}),
        backend=member("base"),
        pipeline=tuple(StageDef(name=name, options=options) for name, options in stages.items()),
        reliability=Reliability(
            ensemble=EnsembleConfig(
                strategy="majority",
                early_stop="off",
                members=tuple(member(name, model_path=path) for name, path in paths.items()),
            )
        ),
        outputs=(crucible.OutputSpec(formats=("json",)),),
    )
    result = crucible.run(experiment, out=tmp_path / "runs")
    assert result.failure is None
    (line,) = next((tmp_path / "runs").rglob("samples.jsonl")).read_text().splitlines()
    told = json.loads(line)["outputs"]["base"]["ballots"]["members"]
    assert {each["system"]: each["text"] for each in told} == answers
    assert tenant.counts()["create_model"] == made  # nothing was trained for it
