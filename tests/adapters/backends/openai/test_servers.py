"""Replies in the forms of servers that the tests cannot run: what each writes that OpenAI does not.

Refusals of vLLM 0.32, llama.cpp 0.6 and LiteLLM 1.108 and LiteLLM's stream are as they were seen; all else
follows the servers' documentation, and the texts are ours.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from crucible.adapters.backends.openai.faults import fault
from crucible.adapters.backends.openai.reply import parse_reply
from crucible.adapters.backends.openai.stream import Assembly
from crucible.messages.errors import BackendError, RateLimitedError

WHOLE: dict[str, dict[str, Any]] = {
    "vLLM": {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "yes", "refusal": None, "reasoning": None},
                "logprobs": None, "finish_reason": "stop", "stop_reason": None, "token_ids": None,
            }
        ],
        "usage": {"prompt_tokens": 22, "completion_tokens": 8, "prompt_tokens_details": None},
        "prompt_logprobs": None, "kv_transfer_params": None,
    },
    "llama.cpp": {
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
        "model": "FILE.gguf", "system_fingerprint": "b0-unknown",
        "usage": {
            "prompt_tokens": 22, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 21},
        },
        "timings": {"prompt_n": 1, "predicted_ms": 12.5},
    },
    "Ollama": {
        "id": "chatcmpl-7", "system_fingerprint": "fp_ollama",
        "choices": [
            {
                "index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "yes", "reasoning": "The user asks..."},
            }
        ],
        "usage": {"prompt_tokens": 22, "completion_tokens": 8, "total_tokens": 30},
    },
}  # fmt: skip


@pytest.mark.parametrize("server", WHOLE)
def test_a_whole_reply_is_understood_with_all_that_the_server_adds(server: str) -> None:
    parsed = parse_reply(json.dumps(WHOLE[server]).encode())
    assert [(each.text, each.finish_reason) for each in parsed.completions] == [("yes", "stop")]
    assert parsed.usage is not None
    assert (parsed.usage.prompt_tokens, parsed.usage.completion_tokens) == (22, 8)


def assembled(*chunks: dict[str, Any]) -> Assembly:
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(json.dumps(chunk).encode())
    assembly.add(b"[DONE]")
    return assembly


def test_text_and_finish_reason_in_one_chunk_are_both_taken() -> None:
    """As Ollama does with short answers."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": "yes"}, "finish_reason": "length"}
    usage = {"prompt_tokens": 22, "completion_tokens": 8}
    parsed = assembled({"choices": [choice]}, {"choices": [], "usage": usage}).result()
    assert [(each.text, each.finish_reason) for each in parsed.completions] == [("yes", "length")]
    assert parsed.usage is not None
    assert parsed.usage.completion_tokens == 8


def test_a_choice_whose_finish_reason_was_lost_is_whole_once_the_stream_is_done() -> None:
    """As LiteLLM's proxy does with all choices but the first."""
    parsed = assembled(
        {"choices": [{"index": 0, "delta": {"content": "a"}}]},
        {"choices": [{"index": 1, "delta": {"content": "b"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]},
    ).result()
    assert [(each.text, each.finish_reason) for each in parsed.completions] == [
        ("a", "length"),
        ("b", "stop"),
    ]


def test_reasoning_begins_an_answer_but_is_no_part_of_it() -> None:
    assembly = Assembly()
    thinking = {"choices": [{"index": 0, "delta": {"content": "", "reasoning": "Hm."}}]}
    assert assembly.add(json.dumps(thinking).encode())
    assembly.add(b'{"choices":[{"index":0,"delta":{"content":"yes"},"finish_reason":"stop"}]}')
    assert [each.text for each in assembly.result().completions] == ["yes"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (404, {"error": {"message": "model 'm' not found", "type": "not_found_error", "code": None}},
         BackendError, "HTTP 404: model 'm' not found"),
        (404, {"error": {"message": "The model `m` does not exist.", "type": "NotFoundError", "code": 404}},
         BackendError, "HTTP 404: The model `m` does not exist."),
        (400, {"error": {"message": "No connected db.", "type": "no_db_connection", "code": "400"}},
         BackendError, "HTTP 400: No connected db."),
        (429, {"error": {"message": "No deployments available", "type": "None", "code": "429"}},
         RateLimitedError, "HTTP 429: No deployments available"),
        (400, {"error": {"code": 400, "message": "request (40031 tokens) exceeds the available context size",
                         "type": "exceed_context_size_error", "n_prompt_tokens": 40031, "n_ctx": 2048}},
         BackendError, "HTTP 400: request (40031 tokens) exceeds the available context size"),
    ],
    ids=["Ollama", "vLLM", "LiteLLM, key", "LiteLLM, limit", "llama.cpp"],
)  # fmt: skip
def test_a_refusal_is_told_in_the_servers_words(
    status: int, body: dict[str, Any], kind: type[Exception], said: str
) -> None:
    error = fault(status, {}, json.dumps(body).encode(), now=0.0)
    assert (type(error), str(error)) == (kind, said)
