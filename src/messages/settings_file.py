"""The settings file of a daemon, ``config/crucible.toml``: from TOML to Settings, strictly.

Used by ``crucible serve``. The same reader and decoder as for experiments, so errors name file, line and
field in the same way. ``RELOADABLE`` says which settings a running daemon can take over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from .decoding import collect
from .errors import ExperimentError, Problem
from .experiment_file import Document, parse_document, read_document
from .secret_keys import is_reference
from .settings import Settings

__all__ = ["RELOADABLE", "changed_settings", "environment_overrides", "load_settings"]

RELOADABLE = frozenset(
    {
        "daemon.max_running",
        "daemon.max_running_by_owner",
        "daemon.poll_s",
        "daemon.rescue_s",
        "daemon.stop_s",
        "daemon.max_interruptions",
        "daemon.retry_base_s",
        "daemon.retry_max_s",
        "daemon.keep_days",
        "log.level",
    }
)


def environment_overrides(environment: Mapping[str, str] | None = None) -> list[str]:
    """What the environment says, as overrides: CRUCIBLE_DATA goes before the file, and flags before both."""
    folder = (os.environ if environment is None else environment).get("CRUCIBLE_DATA")
    return [f"data={json.dumps(folder)}"] if folder else []


def load_settings(path: Path | None, overrides: Sequence[str] = ()) -> Settings:
    """The settings of a file, or the defaults; raises ExperimentError naming file, line and field."""
    if path is None:
        document = parse_document(b"{}", source="settings", syntax="json", overrides=overrides)
    else:
        document = read_document(path, overrides)
    settings, problems = collect(document.data, Settings)
    if settings is None:
        raise ExperimentError(document.located(problems), document.source)
    _check(settings, document)
    return settings


def _check(settings: Settings, document: Document) -> None:
    """What the fields do not say by themselves."""
    problems = []
    daemon, store = settings.daemon, settings.store
    if daemon.renew_s > daemon.lease_s / 2:
        problems.append(
            Problem("daemon.renew_s", "expected at most half of daemon.lease_s, so that one may fail")
        )
    if store.kind == "postgres" and not (store.url and is_reference(store.url)):
        told = "" if store.url is None else "; the address itself does not belong here"
        problems.append(
            Problem("store.url", f"expected a reference such as env:CRUCIBLE_DATABASE_URL or file:PATH{told}")
        )
    if store.kind != "postgres" and store.url is not None:
        problems.append(Problem("store.url", f"has no effect: store.kind is {store.kind!r}"))
    if daemon.retry_max_s < daemon.retry_base_s:
        problems.append(Problem("daemon.retry_max_s", "expected at least daemon.retry_base_s"))
    if problems:
        raise ExperimentError(document.located(problems), document.source)


def changed_settings(old: Settings, new: Settings) -> list[str]:
    """Dotted names of the settings that differ, in order."""
    before, after = (msgspec.to_builtins(each) for each in (old, new))
    found = []
    for key, value in after.items():
        if not isinstance(value, dict):
            found += [key] if before[key] != value else []
            continue
        found += [f"{key}.{name}" for name, inner in value.items() if before[key][name] != inner]
    return found
