"""Crucible: declarative LLM experiments, run as a tree of supervised actors.

    import crucible

    experiment = crucible.load_experiment("config/experiments/claims.toml")
    result = crucible.run(experiment, base="config/experiments")

Names are imported when they are first used, so that ``import crucible`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import testing
    from .client import AsyncClient, Client
    from .engine import RunHandle, Supervisor, run
    from .loading import load_experiment
    from .messages.control import RunResult
    from .messages.errors import (
        ConflictError,
        CrucibleError,
        InputError,
        NotFoundError,
        QuotaError,
        StageError,
    )
    from .messages.experiment import (
        BackendRef,
        CacheConfig,
        DatasetRef,
        EnsembleConfig,
        Experiment,
        GuardrailConfig,
        HedgingConfig,
        LimitsConfig,
        OutputSpec,
        Reliability,
        StageDef,
        StatsConfig,
    )
    from .messages.experiment_file import decode_experiment_json, encode_experiment
    from .messages.settings import DaemonSettings
    from .version import __version__

__all__ = [
    "AsyncClient",
    "BackendRef",
    "CacheConfig",
    "Client",
    "ConflictError",
    "CrucibleError",
    "DaemonSettings",
    "DatasetRef",
    "EnsembleConfig",
    "Experiment",
    "GuardrailConfig",
    "HedgingConfig",
    "InputError",
    "LimitsConfig",
    "NotFoundError",
    "OutputSpec",
    "QuotaError",
    "Reliability",
    "RunHandle",
    "RunResult",
    "StageDef",
    "StageError",
    "StatsConfig",
    "Supervisor",
    "__version__",
    "decode_experiment_json",
    "encode_experiment",
    "load_experiment",
    "run",
    "testing",
]

_HOMES = {
    ".client": ("AsyncClient", "Client"),
    ".engine": ("RunHandle", "Supervisor", "run"),
    ".messages.control": ("RunResult",),
    ".messages.errors": (
        "ConflictError",
        "CrucibleError",
        "InputError",
        "NotFoundError",
        "QuotaError",
        "StageError",
    ),
    ".messages.experiment": (
        "BackendRef",
        "CacheConfig",
        "DatasetRef",
        "EnsembleConfig",
        "Experiment",
        "GuardrailConfig",
        "HedgingConfig",
        "LimitsConfig",
        "OutputSpec",
        "Reliability",
        "StageDef",
        "StatsConfig",
    ),
    ".loading": ("load_experiment",),
    ".messages.experiment_file": ("decode_experiment_json", "encode_experiment"),
    ".messages.settings": ("DaemonSettings",),
    ".version": ("__version__",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "testing":
        return import_module(".testing", __name__)
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
