"""What a submission may name: backends, servers and folders, by the settings of the API. Pure, but for paths.

Checked before the engine looks at an experiment, because the engine opens what it names. Code by name
(``package.module:function``) is never run for somebody who is not at the command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ...messages.errors import Problem
from ...messages.experiment import BackendRef, Experiment
from ...messages.paths import child, item
from ...messages.secret_keys import is_reference
from ...messages.settings import ApiSettings
from ...preflight import DATA_KEYS, FOLDERS, missing_file
from ..backends.openai.address import is_loopback

__all__ = ["default_base", "forbidden"]

_URL_KEY = re.compile(r"(?:^|_)(?:url|uri|endpoint|base)$")
_WEB = re.compile(r"(?i)https?://")
_DATA_KEYS = DATA_KEYS | {"file", "folder"}
_MODEL_KEYS = frozenset({"base_model", "adapter", "gguf_file", "tokenizer", "model_path", "model"})


def default_base(api: ApiSettings) -> Path:
    """Folder that relative paths count from when the submission names none."""
    roots = _roots(api)
    return roots[0] if roots else Path.cwd()


def forbidden(
    experiment: Experiment, base: Path, api: ApiSettings, *, base_given: bool = True
) -> list[Problem]:
    """All that the experiment names and the settings do not allow; ``base`` only if somebody named it."""
    return [
        *_code(experiment),
        *_backends(experiment, api),
        *_servers(experiment, api),
        *_files(experiment, base, api, base_given=base_given),
    ]


def _refs(experiment: Experiment) -> Iterator[tuple[str, BackendRef]]:
    yield "backend", experiment.backend
    for index, ref in enumerate(experiment.baselines):
        yield item("baselines", index), ref
    for index, ref in enumerate(experiment.reliability.ensemble.members):
        yield item("reliability.ensemble.members", index), ref


def _code(experiment: Experiment) -> Iterator[Problem]:
    ensemble = experiment.reliability.ensemble
    named = {"normalizer": ensemble.normalizer, "options.function": ensemble.options.get("function")}
    for key, value in named.items():
        if isinstance(value, str) and ":" in value:
            text = "functions by module and name are run by `crucible run` only: install them as a plug-in"
            yield Problem(f"reliability.ensemble.{key}", text)


def _backends(experiment: Experiment, api: ApiSettings) -> Iterator[Problem]:
    if api.backends is None:
        return
    for path, ref in _refs(experiment):
        if ref.id not in api.backends:
            known = ", ".join(api.backends) or "none"
            yield Problem(f"{path}.id", f"this daemon allows only the backends {known}")


def _servers(experiment: Experiment, api: ApiSettings) -> Iterator[Problem]:
    """Addresses that are not allowed: under a key that says so, or any text that begins like one."""
    if api.base_urls is None and is_loopback(api.host):
        return
    known = {url.rstrip("/") for url in api.base_urls or ()}
    places = [(f"{path}.options", ref.options) for path, ref in _refs(experiment)]
    if experiment.dataset is not None:
        places += [("dataset.options", experiment.dataset.options)]
    for where, options in places:
        for path, key, text in _texts(options, where):
            if (_URL_KEY.search(key) or _WEB.match(text)) and text.rstrip("/") not in known:
                told = ", ".join(sorted(known)) or "none"
                yield Problem(path, f"this daemon allows only the servers of its api.base_urls: {told}")


def _files(experiment: Experiment, base: Path, api: ApiSettings, *, base_given: bool) -> Iterator[Problem]:
    """Files and folders outside the roots, wherever a link leads; and data files that are not there."""
    roots = _roots(api)
    places = []
    dataset = experiment.dataset
    for key, value in ({} if dataset is None else dataset.options).items():
        if key in _DATA_KEYS and isinstance(value, str):
            path = child("dataset.options", key)
            places.append((path, value))
            for told in missing_file(value, base, folder=key in FOLDERS):
                yield Problem(path, told)
    if roots is None:
        return
    if base_given and not _is_below(base, roots):
        yield Problem("base", "is outside the folders of this daemon's api.data_roots")
    for path, key, text in _texts(msgspec.to_builtins(experiment), ""):
        if is_reference(text) and text.startswith("file:"):
            places.append((path, text.removeprefix("file:")))
        elif ".options." in path and key in _MODEL_KEYS and _looks_like_path(text, base):
            places.append((path, text))
    folder = experiment.reliability.cache.folder
    if folder is not None:
        places.append(("reliability.cache.folder", folder))
    for path, text in places:
        found = [parent / Path(text).expanduser() for parent in (base, Path.cwd())]
        used = next((each for each in found if _exists(each)), found[0])
        if not _is_below(used, roots):
            yield Problem(path, "is outside the folders of this daemon's api.data_roots")


def _roots(api: ApiSettings) -> list[Path] | None:
    """Folders that may be read; None: all."""
    if api.data_roots is None:
        return None if is_loopback(api.host) else []
    return [Path(root).expanduser().resolve() for root in api.data_roots]


def _looks_like_path(text: str, base: Path) -> bool:
    return text.startswith(("/", "~", ".")) or _exists(base / text) or _exists(Path(text))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or a NUL in it
        return False


def _is_below(path: Path, roots: list[Path]) -> bool:
    try:
        real = path.resolve()
    except (OSError, ValueError, RuntimeError):
        return False
    return any(real == root or root in real.parents for root in roots)


def _texts(node: Any, path: str, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Every text in a document: its path, the last key on it, and the text."""
    if isinstance(node, str):
        yield path, key, node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _texts(value, child(path, str(name)), str(name))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _texts(value, item(path, index), key)
