"""The key of a request: two requests share it exactly when their answers may be exchanged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crucible.actors.cached_replies import CachedReplies, reply_key, system_identity
from crucible.adapters.backends.mock import MockBackend
from crucible.adapters.backends.openai import OpenAIBackend, OpenAIOptions
from crucible.messages.records import CheckpointRef, Completion, Prompt, Race, SamplingParams
from crucible.messages.requests import BackendReply, BackendRequest, StoredReply

REQUEST = BackendRequest(
    key="k", example_id="e", prompt=Prompt(text="?"), params=SamplingParams(temperature=0.5, seed=1)
)
BASE: dict[str, Any] = {"model": "m", "base_url": "http://a/v1"}


def identity(checkpoint: CheckpointRef | None = None, **options: Any) -> bytes | None:
    return system_identity("openai", OpenAIBackend(), OpenAIOptions(**{**BASE, **options}), checkpoint)


def checkpoint(sha256: str | None) -> CheckpointRef:
    return CheckpointRef(name="epoch-1", uri="somewhere", step=1, sha256=sha256)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "n"},
        {"base_url": "http://b/v1"},
        {"api": "completions"},
        {"system": "be brief"},
        {"extra_body": {"top_k": 5}},
        {"omit": ("seed",)},
        {"json_mode": True},
        {"headers": {"x-team": "nlp"}},
        {"logprobs": True},
        {"logprobs": 5},
        {"max_tokens_field": "max_completion_tokens"},
    ],
)
def test_what_changes_an_answer_changes_the_identity(changed: dict[str, Any]) -> None:
    assert identity(**changed) != identity()


@pytest.mark.parametrize(
    "changed",
    [
        {"api_key": "env:SOME_KEY"},
        {"headers": {"x-key": "env:OTHER"}},
        {"stream": True},
        {"read_timeout_s": 5.0},
        {"connect_timeout_s": 5.0},
        {"max_wait_s": 5.0},
        {"max_connections": 3},
        {"max_reply_bytes": 1_000_000},
        {"http2": True},
        {"idempotency_key": False},
        {"price_per_million_input_usd": 1.0, "price_per_million_output_usd": 2.0},
        {
            "price_per_million_input_usd": 1.0,
            "price_per_million_cached_input_usd": 0.5,
            "price_per_million_output_usd": 2.0,
        },
    ],
)
def test_keys_prices_and_connections_do_not(changed: dict[str, Any]) -> None:
    assert identity(**changed) == identity()


def test_every_option_of_the_backend_is_tried_above() -> None:
    marks = [*test_what_changes_an_answer_changes_the_identity.pytestmark]
    marks += test_keys_prices_and_connections_do_not.pytestmark
    tried = {name for mark in marks for changed in mark.args[1] for name in changed}
    assert tried == set(OpenAIOptions.__struct_fields__)


def test_the_order_of_free_options_does_not_matter() -> None:
    assert identity(extra_body={"a": 1, "b": 2}) == identity(extra_body={"b": 2, "a": 1})


def test_the_same_options_of_another_backend_are_another_system() -> None:
    options = MockBackend.Options()
    assert system_identity("mock", MockBackend(), options, None) != system_identity(
        "x", MockBackend(), options, None
    )


def test_a_trained_model_is_known_by_the_content_of_its_checkpoint() -> None:
    assert identity(checkpoint("aa")) == identity(checkpoint("aa"))
    assert len({identity(checkpoint("aa")), identity(checkpoint("bb")), identity()}) == 3
    assert identity(checkpoint(None)) is None  # nothing to go by: not cached


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "other"},
        {"prompt": Prompt(text="??")},
        {"prompt": Prompt(text="?", system="s")},
        {"prompt": Prompt(text="?", system="")},
        {"prompt": Prompt(text="\ud800")},
        {"params": SamplingParams(temperature=0.5, seed=2)},
        {"params": SamplingParams(temperature=0.6, seed=1)},
        {"params": SamplingParams(temperature=0.5, seed=1, max_tokens=5)},
        {"params": SamplingParams(temperature=0.5, seed=1, stop=("x",))},
        {"params": SamplingParams(temperature=0.5, seed=1, n=2)},
        {"params": SamplingParams(temperature=0.5, seed=1, top_p=0.5)},
    ],
)
def test_each_part_of_a_request_counts(changed: dict[str, Any]) -> None:
    assert reply_key(b"i", msgspec.structs.replace(REQUEST, **changed)) != reply_key(b"i", REQUEST)


def test_a_retry_is_the_same_request() -> None:
    assert reply_key(b"i", msgspec.structs.replace(REQUEST, attempt=3)) == reply_key(b"i", REQUEST)


class InMemory:
    """A cache without a disk."""

    def __init__(self) -> None:
        self.kept: dict[str, StoredReply] = {}

    def __contains__(self, key: str) -> bool:
        return key in self.kept

    async def get(self, key: str) -> StoredReply | None:
        return self.kept.get(key)

    async def put(self, key: str, stored: StoredReply) -> None:
        self.kept[key] = stored

    def figures(self) -> dict[str, Any]:
        return {"entries": 0, "stored": len(self.kept), "damaged": 0}

    def close(self) -> None:
        pass


def reply(**first: Any) -> BackendReply:
    return BackendReply(completions=(Completion(text="!", **first),), cost_usd=0.25)


@pytest.mark.parametrize("no_answer", [None, BackendReply(completions=()), reply(finish_reason="error")])
async def test_what_is_no_answer_is_not_kept(no_answer: BackendReply | None) -> None:
    cache = InMemory()
    await CachedReplies(cache, races=False).keep(b"i", REQUEST, no_answer, None)
    assert cache.kept == {}


async def test_a_biased_answer_serves_only_runs_that_race_and_a_fair_one_goes_before_it() -> None:
    cache = InMemory()
    plain, racing = CachedReplies(cache, races=False), CachedReplies(cache, races=True)
    await racing.keep(b"i", REQUEST, reply(), Race(race_biased=True, backend="m"))
    assert await plain.find(b"i", REQUEST) is None
    assert not plain.knows(b"i", REQUEST)
    found = await racing.find(b"i", REQUEST)
    assert found is not None
    assert found[1]
    await plain.keep(b"i", REQUEST, reply(), None)
    for each in (plain, racing):
        fair = await each.find(b"i", REQUEST)
        assert fair is not None
        assert not fair[1]
    assert racing.figures() == {
        "hits": 2, "misses": 0, "entries": 0, "stored": 2, "damaged": 0, "saved_tokens": 0, "saved_usd": 0.5
    }  # fmt: skip


async def test_a_system_without_an_identity_is_asked_each_time_and_that_is_said() -> None:
    replies = CachedReplies(InMemory(), races=False)
    await replies.keep(None, REQUEST, reply(), None)
    assert await replies.find(None, REQUEST) is None
    assert replies.figures()["not_cached_without_a_checkpoint_hash"] == 1
