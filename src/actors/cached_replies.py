"""Which reply of the cache answers a request: the key of a request, and what is kept.

Called by the asker before anything is sent, so that a hit neither waits for a limit nor takes part in a race,
and no policy learns from it. The key is a hash of all that an answer depends on:

- the backend's id and its options, without those that it calls neutral and without secrets;
- the SHA-256 of the checkpoint, if the system was trained;
- the prompt, all sampling parameters with the seed, and the request's own key, which stands for experiment,
  system, example and sample. Two examples with the same text are two samples and never share a reply.

A request that may go to several tiers depends on all of them. An answer that a race may have biased is kept
under a key of its own, which only runs that race themselves look up.

Errors are never kept. Equal requests that are in flight at the same time, in two runs that share a cache, are
both sent: waiting for the other run would tie one to the fate of the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..messages.records import CheckpointRef, Race
from ..messages.requests import BackendReply, BackendRequest, StoredReply
from ..messages.secret_keys import is_reference, is_secret_key
from .ports import Backend, ReplyCache

__all__ = ["CachedReplies", "reply_key", "system_identity"]

FORMAT = b"crucible reply 1"


def system_identity(
    backend_id: str,
    backend: Backend,
    options: msgspec.Struct,
    checkpoint: CheckpointRef | None,
    *,
    by_uri: bool = False,
) -> bytes | None:
    """All that answers depend on besides the request; None when a checkpoint has no hash to go by.

    ``by_uri``: within one run its address will do, because the run's own record says what is there.
    """
    if checkpoint is not None and checkpoint.sha256 is None and not by_uri:
        return None
    neutral = backend.capabilities.neutral_options
    given = {name: value for name, value in msgspec.to_builtins(options).items() if name not in neutral}
    trained = b"" if checkpoint is None else (checkpoint.sha256 or checkpoint.uri).encode()
    plain = msgspec.json.encode(_without_secrets(given), order="deterministic")
    return _digest(backend_id.encode(), plain, trained).digest()


def reply_key(identity: bytes, request: BackendRequest, *, biased: bool = False) -> str:
    """The key of the reply to a request, 32 hexadecimal digits."""
    prompt = request.prompt
    parts = [request.key, prompt.text, "" if prompt.system is None else f"={prompt.system}"]
    params = msgspec.json.encode(request.params)
    texts = [part.encode("utf-8", "surrogatepass") for part in parts]
    return _digest(FORMAT, identity, params, b"biased" if biased else b"", *texts).hexdigest()


def _digest(*parts: bytes) -> hashlib.blake2b:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest


def _without_secrets(value: Any) -> Any:
    """References to secrets are left out too: another key of the same server gives the same answers."""
    if isinstance(value, Mapping):
        return {
            key: _without_secrets(inner)
            for key, inner in value.items()
            if not is_secret_key(str(key)) and not (isinstance(inner, str) and is_reference(inner))
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list | tuple) else value


class CachedReplies:
    """The cache as one run sees it, with what its hits saved."""

    def __init__(self, cache: ReplyCache, *, races: bool) -> None:
        """``races``: whether the run itself may bias answers by racing."""
        self._cache = cache
        self._races = races
        self._hits = self._misses = self._uncacheable = 0
        self._saved_tokens, self._saved_usd, self._price_known = 0, 0.0, True

    @property
    def hits(self) -> int:
        """Replies found so far."""
        return self._hits

    def knows(self, identity: bytes | None, request: BackendRequest) -> bool:
        """Whether ``find`` will likely find a reply."""
        return identity is not None and any(key in self._cache for key, _ in self._keys(identity, request))

    async def find(self, identity: bytes | None, request: BackendRequest) -> tuple[StoredReply, bool] | None:
        """A reply, and whether a race may have biased it."""
        if identity is None:
            self._uncacheable += 1
            return None
        for key, biased in self._keys(identity, request):
            found = await self._cache.get(key)
            if found is not None:
                self._count(found.reply)
                return found, biased
        self._misses += 1
        return None

    def _keys(self, identity: bytes, request: BackendRequest) -> Sequence[tuple[str, bool]]:
        fair = (reply_key(identity, request), False)
        return (fair, (reply_key(identity, request, biased=True), True)) if self._races else (fair,)

    async def keep(
        self, identity: bytes | None, request: BackendRequest, reply: BackendReply | None, race: Race | None
    ) -> None:
        """Keep an answer; it is on disk when this returns. What is no answer is not kept."""
        if identity is None or reply is None or not reply.completions:
            return
        if any(each.finish_reason == "error" for each in reply.completions):
            return
        key = reply_key(identity, request, biased=race is not None and race.race_biased)
        await self._cache.put(key, StoredReply(reply=reply, backend=None if race is None else race.backend))

    def _count(self, reply: BackendReply) -> None:
        self._hits += 1
        self._saved_tokens += reply.usage.prompt_tokens + reply.usage.completion_tokens
        self._price_known &= reply.cost_usd is not None
        self._saved_usd += reply.cost_usd or 0.0

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        told = {
            "hits": self._hits,
            "misses": self._misses,
            **self._cache.figures(),
            "saved_tokens": self._saved_tokens,
            "saved_usd": self._saved_usd if self._price_known else None,
        }
        if self._uncacheable:
            told["not_cached_without_a_checkpoint_hash"] = self._uncacheable
        return told
