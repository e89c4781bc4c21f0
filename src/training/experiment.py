"""The experiment of a training job: one description for every backend, with the defaults of the method."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ..messages.errors import InputError
from ..messages.experiment import BackendRef, DatasetRef, Experiment, OutputSpec, StageDef
from .dataset import PreparedDataset

__all__ = ["BASE_MODEL", "MOST_ROWS", "TARGET_MODULES", "Target", "build_experiment", "warmup_steps"]

Target = Literal["proposer", "antagonist", "synthesizer"]
MOST_ROWS = 10_000
BASE_MODEL = "meta-llama/Llama-3.2-1B"
TARGET_MODULES: dict[Target, tuple[str, ...]] = {
    "proposer": ("q_proj", "v_proj", "k_proj"),
    "antagonist": ("q_proj", "v_proj", "o_proj"),
    "synthesizer": ("q_proj", "v_proj", "k_proj", "o_proj"),
}
CLAIM_METRICS = ("sentence_f1", "relation_accuracy", "citation_f1", "schema_compliance")
"""What is compared with the baselines where outputs are claims, unless the job names its own."""
LORA_RANK, LORA_ALPHA, LORA_DROPOUT = 16, 32, 0.1
LORA: dict[str, dict[str, Any]] = {
    "local": {"lora_rank": LORA_RANK, "lora_alpha": LORA_ALPHA, "lora_dropout": LORA_DROPOUT},
    "tinker": {"lora_rank": LORA_RANK},
}
"""What a backend takes of LoRA; one that is not named here has no adapter to shape."""


def warmup_steps(n_train: int, batch_size: int) -> int:
    """A tenth of an epoch's steps, at most 100; a batch size below 1 is left for decoding to refuse."""
    return min(100, n_train // max(1, batch_size) // 10)


def build_experiment(
    dataset: PreparedDataset | DatasetRef,
    *,
    target: Target = "synthesizer",
    backend: str = "tinker",
    base_model: str = BASE_MODEL,
    epochs: int = 3,
    batch_size: int = 8,
    learning_rate: float = 2e-4,
    seed: int = 0,
    baselines: tuple[BackendRef, ...] = (),
    options: dict[str, Any] | None = None,
    claims: bool | None = None,
    metrics: Sequence[str] = (),
    id_: str | None = None,
) -> Experiment:
    """Train on the rows of ``train``, choose the checkpoint on ``validation``, measure on ``test``.

    Prepared rows go into the experiment itself (loader ``memory``), so that it is whole as it stands; a
    ``DatasetRef`` names a file with its own splits. ``options`` are further options of the backend and win
    over the defaults. ``claims``: whether outputs are in the grammar of claims and are analysed as such;
    default: what the prepared rows show, true for a ``DatasetRef``. ``metrics``: what is compared with the
    baselines; default: ``CLAIM_METRICS`` of claims, everything that has a better side of other outputs.
    ``id_``: of the experiment; by default made of the target and of what goes in: the same job has the same
    id wherever it appears. Raises InputError without a training row.
    """
    given: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    name = "tinker" if backend == "tinkex" else backend
    if name in LORA:
        given |= {"base_model": base_model, **LORA[name]}
    if name == "local":
        given["target_modules"] = list(TARGET_MODULES[target])
    metadata: dict[str, Any] = {"target": target}
    if isinstance(dataset, DatasetRef):
        ref = msgspec.structs.replace(dataset, split="test")
    else:
        counts = dataset.counts
        if not counts["train"]:
            raise InputError("the data set has no training row")
        given["warmup_steps"] = warmup_steps(counts["train"], batch_size)
        if not counts["validation"]:
            given["keep"] = "last"
        metadata |= {"counts": counts, "lineage": msgspec.to_builtins(dataset.lineage)}
        ref = _memory(dataset)
        claims = is_claims([row.output for row in dataset.rows]) if claims is None else claims
    mode = "train" if ref.split == "train" else "train_then_sample"
    model = BackendRef(id=backend, profile="lora_finetune", options=given | (options or {}))
    identity = msgspec.json.encode((target, seed, model, baselines, ref), order="sorted")
    return Experiment(
        id=id_ or f"cns_{target}_{hashlib.sha256(identity).hexdigest()[:8]}",
        owner="cns",
        tags=("cns", "training", target, "lora"),
        metadata=metadata,
        seed=seed,
        dataset=ref,
        backend=model,
        baselines=baselines,
        pipeline=_pipeline(mode, metrics, claims=claims is not False),
        outputs=(OutputSpec(formats=("markdown", "html", "json")),),
    )


def _memory(dataset: PreparedDataset) -> DatasetRef:
    if dataset.total > MOST_ROWS:
        raise InputError(
            f"{dataset.total:,} rows are too many to hold in an experiment, expected at most {MOST_ROWS:,}: "
            "write them to a file and give a DatasetRef"
        )
    counts = dataset.counts
    rows = [msgspec.to_builtins(row) for row in dataset.rows]
    options: dict[str, Any] = {
        "rows": rows,
        "input_key": "input",
        "output_key": "output",
        "split_key": "split",
    }
    if any(row.group for row in dataset.rows):
        options["group_by"] = "group"
    return DatasetRef(
        name=f"cns_{dataset.format}",
        provider="memory",
        split="test" if counts["test"] else "validation" if counts["validation"] else "train",
        options=options,
    )


def is_claims(outputs: Sequence[str | None]) -> bool:
    """Whether all outputs that are there are in the grammar of claims; not when there is none."""
    there = [output for output in outputs if output is not None]
    return bool(there) and all(output.lstrip().startswith("CLAIM[") for output in there)


def _pipeline(mode: str, metrics: Sequence[str], *, claims: bool) -> tuple[StageDef, ...]:
    """The analysis of claims only where the outputs are claims; nothing to compare where nothing is asked."""
    stages = [
        StageDef(name="data_load"),
        StageDef(name="data_checks", options={"required_fields": ["input", "reference"]}),
        StageDef(name="guardrails"),
        StageDef(name="backend_call", options={"mode": mode}),
    ]
    if mode != "train":
        if claims:
            names = ("analysis_surrogate_validation", "analysis_tda_validation", "analysis_metrics")
            stages += [StageDef(name=name) for name in names]
        compared = list(metrics or (CLAIM_METRICS if claims else ()))
        stages.append(StageDef(name="bench", options={"metrics": compared} if compared else {}))
    return (*stages, StageDef(name="report"))
