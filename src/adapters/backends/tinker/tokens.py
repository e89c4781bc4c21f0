"""Text to tokens and back, from a local folder or by what the service names.

A folder with ``tokenizer.json`` needs no network and no transformers. Called in worker threads; safe there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from ....messages.errors import InputError

__all__ = ["Encoded", "Tokens", "load_folder", "of_service"]


class Encoded(NamedTuple):
    """Token ids, and where in the text each begins."""

    ids: list[int]
    starts: list[int]


class Tokens:
    """A tokenizer and its end-of-text token."""

    def __init__(self, tokenizer: Any, end: str | None) -> None:
        """Raises InputError when the end-of-text token is not one of its tokens."""
        self._tokenizer = tokenizer
        number = None if end is None else tokenizer.token_to_id(end)
        if number is None:
            named = "names no end-of-text token" if end is None else f"has no token {end!r}"
            raise InputError(
                f"backend tinker: the tokenizer {named}: expected end_of_text to be one of its tokens"
            )
        self.end: int = number

    def prompt(self, text: str) -> list[int]:
        """With the special tokens that begin a text; one that ends it is left off."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=True).ids
        return ids[:-1] if ids and ids[-1] == self.end else ids

    def completion(self, text: str) -> Encoded:
        """Without special tokens."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return Encoded(list(found.ids), [start for start, _ in found.offsets])

    def text(self, ids: list[int]) -> str:
        """Without special tokens."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


def load_folder(given: str, end: str | None) -> Tokens:
    """The tokenizer of a local folder. Blocking; raises InputError."""
    folder = Path(given).expanduser()
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise InputError(f"backend tinker: tokenizer: {given}: expected a folder with a file tokenizer.json")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises Exception itself
        raise InputError(f"backend tinker: tokenizer: {file}: cannot be read: {error}") from error
    return Tokens(tokenizer, end or _end_in(folder))


def _end_in(folder: Path) -> str | None:
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    end = config.get("eos_token") if isinstance(config, dict) else None
    end = end.get("content") if isinstance(end, dict) else end
    return end if isinstance(end, str) else None


def of_service(client: Any, end: str | None) -> Tokens:
    """The tokenizer that the service names for the model of an SDK client. Blocking; may ask the hub."""
    try:
        found = client.get_tokenizer()
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise InputError(
            f"backend tinker: the tokenizer of the model cannot be had ({text}): expected the option "
            "tokenizer to name a local folder"
        ) from error
    backend = getattr(found, "backend_tokenizer", None)
    if backend is None:
        raise InputError(
            "backend tinker: the tokenizer of the model has no fast form: expected the option tokenizer to "
            "name a folder with tokenizer.json"
        )
    return Tokens(backend, end or found.eos_token)
