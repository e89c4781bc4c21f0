"""Where names become parts: built-in stages, backends, loaders and adapters, and those of plug-ins.

A plug-in package announces its parts as entry points in the groups below; a built-in name always wins, so
that installing a package cannot change what an experiment means. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module, metadata
from typing import Any, Literal

from .messages.errors import CrucibleError, UnknownNameError

__all__ = ["GROUPS", "Kind", "is_built_in", "load", "names"]

Kind = Literal[
    "stage",
    "backend",
    "dataset provider",
    "metrics adapter",
    "surrogate adapter",
    "tda adapter",
    "normalizer",
    "voting function",
]

GROUPS: dict[Kind, str] = {
    "stage": "crucible.stages",
    "backend": "crucible.backends",
    "dataset provider": "crucible.datasets",
    "metrics adapter": "crucible.analysis",
    "surrogate adapter": "crucible.surrogates",
    "tda adapter": "crucible.tda",
    "normalizer": "crucible.normalizers",
    "voting function": "crucible.voting",
}

_ANALYSIS = ".adapters.analysis"
_BUILT_IN: dict[Kind, dict[str, str]] = {
    "stage": {
        "validate": ".stage_types:VALIDATE",
        "data_load": ".stage_types:DATA_LOAD",
        "data_checks": ".stage_types:DATA_CHECKS",
        "guardrails": ".stage_types:GUARDRAILS",
        "backend_call": ".stage_types:BACKEND_CALL",
        "dialectic": ".stage_types:DIALECTIC",
        "analysis_surrogate_validation": ".stage_types:SURROGATES",
        "analysis_tda_validation": ".stage_types:TDA",
        "analysis_filter": ".stage_types:FILTER",
        "analysis_metrics": ".stage_types:METRICS",
        "fairness": ".stage_types:FAIRNESS",
        "bench": ".stage_types:BENCH",
        "report": ".stage_types:REPORT",
    },
    "backend": {
        "extractive": ".adapters.backends.extractive:ExtractiveBackend",
        "lead": ".adapters.backends.lead:LeadBackend",
        "local": ".adapters.backends.local:LocalBackend",
        "mock": ".adapters.backends.mock:MockBackend",
        "openai": ".adapters.backends.openai:OpenAIBackend",
        "tinker": ".adapters.backends.tinker:TinkerBackend",
        "tinkex": ".adapters.backends.tinker:TinkerBackend",
    },
    "dataset provider": {
        "jsonl": ".adapters.datasets.jsonl:JsonlLoader",
        "csv": ".adapters.datasets.delimited:CsvLoader",
        "fever": ".adapters.datasets.fever:FeverLoader",
        "memory": ".adapters.datasets.memory:MemoryLoader",
        "scifact": ".adapters.datasets.scifact:ScifactLoader",
    },
    "metrics adapter": {
        "cns": f"{_ANALYSIS}.cns_metrics:CnsMetrics",
        "none": f"{_ANALYSIS}.none:NoMetrics",
    },
    "surrogate adapter": {
        "cns": f"{_ANALYSIS}.cns_surrogates:CnsSurrogates",
        "none": f"{_ANALYSIS}.none:NoSurrogates",
    },
    "tda adapter": {
        "cns": f"{_ANALYSIS}.cns_tda:CnsTda",
        "none": f"{_ANALYSIS}.none:NoTda",
    },
    "normalizer": {
        "text": ".actors.voting.normalise:text",
        "numeric": ".actors.voting.normalise:numeric",
        "json": ".actors.voting.normalise:json_value",
        "boolean": ".actors.voting.normalise:boolean",
        "claims": ".adapters.cns.merge:merge_claims",
    },
    "voting function": {},
}


class PluginError(CrucibleError):
    """An installed plug-in cannot be imported."""


@cache
def _plugins(kind: Kind) -> dict[str, metadata.EntryPoint]:
    found = metadata.entry_points(group=GROUPS[kind])
    return {entry.name: entry for entry in found if entry.name not in _BUILT_IN[kind]}


def names(kind: Kind) -> tuple[str, ...]:
    """All names of a kind: built-in ones in their order, then plug-ins by name."""
    return (*_BUILT_IN[kind], *sorted(_plugins(kind)))


def is_built_in(kind: Kind, name: str) -> bool:
    """Whether the part is one of Crucible's own, and not of a plug-in."""
    return name in _BUILT_IN[kind]


def load(kind: Kind, name: str) -> Any:
    """The part called ``name``; UnknownNameError with a near match when there is none."""
    target = _BUILT_IN[kind].get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return getattr(import_module(module, __package__), attribute)
    entry = _plugins(kind).get(name)
    if entry is None:
        raise UnknownNameError(kind, name, names(kind))
    try:
        return entry.load()
    except Exception as error:
        raise PluginError(f"{kind} {name!r} of a plug-in cannot be imported: {error}") from error
