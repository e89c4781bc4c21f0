"""Model files that a Python package carries: found without importing it, and checked by SHA-256.

For ``minilm`` and ``wordllama``. Every fault is an OptionError that names the embedding.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...messages.errors import OptionError

__all__ = ["load_tensors", "load_tokenizer", "package_folder"]


def package_folder(embedding: str, module: str, package: str) -> Path:
    """The folder of an installed package."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise OptionError(
            f"embedding: {embedding!r} needs the package {package} (not installed); "
            "installed with --no-deps it brings the model and nothing else"
        )
    return Path(found.origin).parent


def load_tokenizer(embedding: str, path: Path, sha256: str, *, max_tokens: int) -> Any:
    """A tokenizer that takes the first ``max_tokens`` of a text."""
    library = _library(embedding, "tokenizers")
    tokenizer = library.Tokenizer.from_buffer(_published(embedding, path, sha256))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def load_tensors(embedding: str, path: Path, sha256: str) -> Mapping[str, Any]:
    """The numpy arrays of a safetensors file by name."""
    loaded: Mapping[str, Any] = _library(embedding, "safetensors.numpy").load(
        _published(embedding, path, sha256)
    )
    return loaded


def _published(embedding: str, path: Path, sha256: str) -> bytes:
    """The content of a file that must be the published one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OptionError(f"embedding: {embedding!r} cannot read {path.name}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise OptionError(f"embedding: {embedding!r}: {path.name} is not the published file (by SHA-256)")
    return content


def _library(embedding: str, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise OptionError(f"embedding: {embedding!r} needs the package {package} (not installed)") from error
