"""The input hash of each stage: a pure function of all that its result depends on.

Called when a run is planned. Two attempts with equal hashes of a stage would find the same, so a stage is
recorded once under its hash, and a run whose last stage is there under its hash is not run again. The hash of
a stage covers that of the stage before it: the pipeline is a stream, each stage sees what all before it did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from ...messages.experiment import Experiment

__all__ = ["stage_hashes"]


def _nothing(_experiment: Experiment) -> Any:
    return None


def _everything(experiment: Experiment) -> Any:
    return experiment


_PARTS: dict[str, Callable[[Experiment], Any]] = {
    "validate": _nothing,
    "data_load": _nothing,
    "data_checks": _nothing,
    "guardrails": lambda e: e.reliability.guardrails,
    "backend_call": lambda e: [e.id, e.backend, e.baselines, e.reliability],
    "analysis_surrogate_validation": lambda e: e.analysis_surrogate_adapter,
    "analysis_tda_validation": lambda e: e.analysis_tda_adapter,
    "analysis_filter": _nothing,
    "analysis_metrics": lambda e: [e.analysis_adapter, e.reliability.stats],
    "bench": lambda e: [e.analysis_adapter, e.reliability.stats],
    "fairness": lambda e: [e.reliability.fairness, e.reliability.stats],
}
"""What a stage reads of the experiment besides its own options; one that is not named reads all of it."""


def stage_hashes(experiment: Experiment, *, data_sha256: str, version: str) -> dict[str, str]:
    """By stage name, in the order of the pipeline; ``version`` is that of the program."""
    so_far = _digest(b"", [version, experiment.seed, experiment.dataset, data_sha256])
    hashes = {}
    for stage in experiment.pipeline:
        if stage.enabled:
            part = _PARTS.get(stage.name, _everything)(experiment)
            so_far = _digest(so_far, [stage.name, stage.options, part])
            hashes[stage.name] = so_far.hex()
    return hashes


def _digest(before: bytes, parts: Any) -> bytes:
    data = msgspec.json.encode(parts, order="deterministic")
    return hashlib.blake2b(before + data, digest_size=16).digest()
