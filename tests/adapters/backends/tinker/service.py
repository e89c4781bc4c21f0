"""What the Tinker service answers: training, checkpoints, sampling. ``server`` speaks HTTP for it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from tinker.proto import tinker_public_pb2 as pb

from .model import Lora
from .state import (
    BASE,
    END,
    ENDPOINTS,
    FOLDER,
    MODELS,
    NUMBERS,
    NUMPY,
    PROTO,
    TEXTS,
    Answer,
    Failed,
    Model,
    Refusal,
    Tenant,
    endpoint,
    reply,
)


def config(_tenant: Tenant, _asked: dict[str, Any]) -> Any:
    return {}


def dynamic_config(_tenant: Tenant, _asked: dict[str, Any]) -> Any:
    return {"refresh_interval_sec": 300, "sample_cancel_enabled": True}


ENDPOINTS |= {"client/config": config, "client/dynamic_config": dynamic_config}


@endpoint
def create_session(tenant: Tenant, _asked: dict[str, Any]) -> Any:
    session = f"session-{next(NUMBERS)}"
    tenant.sessions[session] = "open"
    return {"session_id": session, "type": "create_session"}


@endpoint
def session_heartbeat(tenant: Tenant, asked: dict[str, Any]) -> Any:
    tenant.alive(asked["session_id"])
    return {"type": "session_heartbeat"}


@endpoint
def telemetry(_tenant: Tenant, _asked: dict[str, Any]) -> Any:
    return {"status": "accepted"}


@endpoint
def get_server_capabilities(_tenant: Tenant, _asked: dict[str, Any]) -> Any:
    known = [
        {"model_name": name, "max_context_length": length, "trainable": True, "sampleable": True}
        for name, length in MODELS.items()
    ]
    return {"supported_models": known}


@endpoint
def create_model(tenant: Tenant, asked: dict[str, Any]) -> Any:
    tenant.alive(asked["session_id"])
    lora = asked["lora_config"]
    name = f"{asked['session_id']}:train:{asked['model_seq_id']}"
    request, promise = tenant.promise("CreateModel")
    if asked["base_model"] not in MODELS:
        promise.resolve({"error": f"unknown base model {asked['base_model']}", "category": "user"})
    elif not 1 <= lora["rank"] <= 64:
        promise.resolve({"error": f"rank {lora['rank']} is not between 1 and 64", "category": "user"})
    else:
        tenant.models[name] = Model(
            name, asked["base_model"], Lora(BASE, lora["rank"], lora.get("seed")), lora
        )
        promise.resolve({"model_id": name, "type": "create_model"})
    return {"request_id": request, "model_id": name}


@endpoint
def get_info(tenant: Tenant, asked: dict[str, Any]) -> Any:
    model = tenant.model(asked["model_id"])
    data = {"arch": "tiny", "model_name": model.base_model, "tokenizer_id": str(FOLDER)}
    return {
        "type": "get_info",
        "model_id": model.name,
        "model_data": data,
        "is_lora": True,
        "lora_rank": model.lora.rank,
        "model_name": model.base_model,
    }


def tensor(message: Any) -> Any:
    return np.frombuffer(message.dense, dtype=NUMPY[message.dtype])


@endpoint
def forward_backward(tenant: Tenant, asked: dict[str, Any]) -> Any:
    message = pb.ForwardBackwardRequest.FromString(asked["raw"])
    model = tenant.model(message.model_id)
    request, promise = tenant.promise("Forward" if message.forward_only else "ForwardBackward")

    def job() -> tuple[Any, str]:
        fault = tenant.fault(f"job:{promise.kind}")
        if "failed" in fault:
            raise Failed("the worker fell over", fault["failed"])
        if message.loss_fn != "cross_entropy":
            raise Failed(f"unknown loss {message.loss_fn}")
        total, found = 0.0, []
        for datum in message.data:
            tokens = np.concatenate(
                [np.frombuffer(c.encoded_text.tokens, np.int32) for c in datum.model_input]
            )
            targets = tensor(datum.loss_fn_inputs["target_tokens"])
            weights = tensor(datum.loss_fn_inputs["weights"]).astype(float)
            if not len(tokens) == len(targets) == len(weights):
                raise Failed(f"lengths differ: {len(tokens)}, {len(targets)}, {len(weights)}")
            if len(tokens) > MODELS[model.base_model]:
                raise Failed(f"{len(tokens)} tokens are more than {MODELS[model.base_model]}")
            loss, chosen = model.lora.loss(tokens, targets, weights, gather=not message.forward_only)
            total += loss
            found.append(chosen.astype(np.float32))
        if "nan" in fault:
            total = float("nan")
        return output(total, found), PROTO

    model.submit(message.seq_id, promise, job)
    return {"request_id": request, "model_id": model.name}


def output(total: float, found: list[Any]) -> bytes:
    ends = np.cumsum([0, *(len(each) * 4 for each in found)]).astype(np.int64)
    batched = pb.BatchedTensor(
        data=b"".join(each.tobytes() for each in found), offsets=ends.tobytes(), dtype=pb.DTYPE_FLOAT32
    )
    record = pb.ArrayRecord(type_tag="logprobs", num_datums=len(found))
    record.fields["logprobs"].CopyFrom(batched)
    made = pb.ForwardBackwardOutput(loss_fn_output_type="logprobs", loss_fn_outputs=[record])
    made.metrics["loss:sum"] = total
    return bytes(made.SerializeToString())


@endpoint
def optim_step(tenant: Tenant, asked: dict[str, Any]) -> Any:
    model = tenant.model(asked["model_id"])
    request, promise = tenant.promise("OptimStep")

    def job() -> tuple[Any, str]:
        if "failed" in (fault := tenant.fault("job:OptimStep")):
            raise Failed("the worker fell over", fault["failed"])
        model.lora.step(asked["adam_params"])
        return {"metrics": {"step": float(model.lora.adam.step)}}, "application/json"

    model.submit(asked["seq_id"], promise, job)
    return {"request_id": request, "model_id": model.name}


def save(tenant: Tenant, asked: dict[str, Any], kind: str, promise_kind: str) -> Any:
    model = tenant.model(asked["model_id"])
    request, promise = tenant.promise(promise_kind)

    def job() -> tuple[Any, str]:
        name = asked.get("path")
        if name is None:
            path = None
        else:
            path = f"tinker://{model.name}/{kind}/{name}"
            if path in tenant.saved and not asked.get("overwrite"):
                raise Failed(f"{path} exists")
        kept = model.lora.saved(optimizer=kind == "weights")
        kept |= {"base_model": model.base_model, "config": model.config, "time": now()}
        kept["size"] = sum(value.nbytes for value in kept["params"].values())
        if path is None:
            path = f"tinker://{model.name}/sampler_weights/unnamed-{next(NUMBERS)}"
            sampler = f"{model.name.split(':')[0]}:sample:{asked['sampling_session_seq_id']}"
            tenant.samplers[sampler] = (model.base_model, path)
            tenant.saved[path] = kept
            return {"path": None, "sampling_session_id": sampler}, "application/json"
        tenant.saved[path] = kept
        return {"path": path, "type": asked["type"]}, "application/json"

    model.submit(asked["seq_id"], promise, job)
    return {"request_id": request, "model_id": model.name}


@endpoint
def save_weights(tenant: Tenant, asked: dict[str, Any]) -> Any:
    return save(tenant, asked, "weights", "SaveWeights")


@endpoint
def save_weights_for_sampler(tenant: Tenant, asked: dict[str, Any]) -> Any:
    return save(tenant, asked, "sampler_weights", "SaveWeightsForSampler")


@endpoint
def save_weights_external(tenant: Tenant, asked: dict[str, Any]) -> Any:
    return save(tenant, asked, "external_weights", "SaveWeightsExternal")


@endpoint
def load_weights(tenant: Tenant, asked: dict[str, Any]) -> Any:
    tenant.alive(asked["session_id"])
    name = f"{asked['session_id']}:train:{asked['model_seq_id']}"
    request, promise = tenant.promise("LoadWeights")
    kept = tenant.saved.get(asked["path"])
    if kept is None:
        promise.resolve({"error": f"no checkpoint {asked['path']}", "category": "user"})
    else:
        lora = Lora.restored(BASE, kept, optimizer=asked["optimizer"])
        tenant.models[name] = Model(name, kept["base_model"], lora, kept["config"])
        promise.resolve({"path": asked["path"], "model_id": name, "type": "load_weights"})
    return {"request_id": request, "model_id": name}


@endpoint
def create_sampling_session(tenant: Tenant, asked: dict[str, Any]) -> Any:
    tenant.alive(asked["session_id"])
    path, base_model = asked.get("model_path"), asked.get("base_model")
    if path is not None and path not in tenant.saved:
        raise Refusal(404, f"no weights {path}")
    if path is None and base_model not in MODELS:
        raise Refusal(400, f"unknown base model {base_model}")
    name = f"{asked['session_id']}:sample:{asked['sampling_session_seq_id']}"
    known = str(base_model) if path is None else tenant.saved[path]["base_model"]
    tenant.samplers[name] = (known, path)
    return {"sampling_session_id": name, "type": "create_sampling_session"}


@endpoint
def asample(tenant: Tenant, asked: dict[str, Any]) -> Any:
    tenant.alive(asked["sampling_session_id"].split(":")[0])
    base_model, path = tenant.samplers[asked["sampling_session_id"]]
    request, promise = tenant.promise("Sample")
    given = asked["sampling_params"]
    prompt = [token for chunk in asked["prompt"]["chunks"] for token in chunk["tokens"]]
    if len(prompt) + (given.get("max_tokens") or 0) > MODELS[base_model]:
        raise Refusal(400, "prompt and answer are longer than the context")
    lora = Lora(BASE, 1, 0) if path is None else Lora.restored(BASE, tenant.saved[path], optimizer=False)
    ids = [f"{request}-{number}" for number in range(asked["num_samples"])]
    made = pb.SampleResponse()
    if asked.get("prompt_logprobs"):
        made.prompt_logprobs = prompt_logprobs(lora, prompt, asked.get("prompt_logprobs_last_n"))
    stop = given.get("stop") or []
    texts = [stop] if isinstance(stop, str) else stop
    for number in range(len(ids)):
        tokens, logprobs, ended = lora.sample(
            prompt,
            limit=given.get("max_tokens") or 64,
            temperature=given.get("temperature", 1.0),
            top_p=given.get("top_p", 1.0),
            seed=(given.get("seed") or 0) + number,
            stop={END},
        )
        cut = next((k for k in range(1, len(tokens) + 1) if any(t in text(tokens[:k]) for t in texts)), None)
        tokens, logprobs = tokens[:cut], logprobs[:cut]
        made.sequences.append(
            pb.SampledSequence(
                stop_reason=pb.STOP_REASON_STOP if ended or cut else pb.STOP_REASON_LENGTH,
                tokens=np.asarray(tokens, np.int32).tobytes(),
                logprobs=np.asarray(logprobs, np.float32).tobytes(),
            )
        )
    fault = tenant.fault("job:Sample")
    if "failed" in fault:
        promise.resolve({"error": "the sampler fell over", "category": fault["failed"]})
    else:
        promise.resolve(bytes(made.SerializeToString()), PROTO)
    return {"request_id": request, "sample_sequence_ids": ids}


def prompt_logprobs(lora: Lora, prompt: list[int], last: int | None) -> bytes:
    tokens = np.asarray(prompt)
    found = np.full(len(tokens), np.nan, np.float32)
    found[1:] = lora.logprobs(tokens[:-1])[np.arange(len(tokens) - 1), tokens[1:]]
    found[: 0 if last is None else len(tokens) - last] = np.nan
    return found.tobytes()


def text(tokens: list[int]) -> str:
    return str(TEXTS.decode(tokens, skip_special_tokens=True))


async def retrieve_future(tenant: Tenant, asked: dict[str, Any]) -> Answer:
    promise = tenant.promises.get(asked["request_id"])
    if promise is None:
        raise Refusal(410, "the promise is gone")
    fault = tenant.fault(f"future:{promise.kind}")
    if fault.get("never"):
        await tenant.note(f"never:{promise.kind}")
        await asyncio.sleep(3600)
    if "try_again" in fault:
        state = {"queue_state": fault["try_again"], "queue_state_reason": fault.get("reason")}
        return reply({"type": "try_again", "request_id": asked["request_id"], **state})
    if "status" in fault:
        raise Refusal(fault["status"], fault.get("detail", "by request"), **fault.get("headers", {}))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(promise.done.wait(), tenant.hold_s)
    if not promise.done.is_set():
        state = {"queue_state": tenant.queue_state}
        return reply({"type": "try_again", "request_id": asked["request_id"], **state})
    if asked.get("allow_metadata_only") and len(promise.body) > tenant.metadata_over:
        return reply({"status": "complete_metadata", "response_payload_size": len(promise.body)})
    return 200, {"content-type": promise.content_type}, promise.body


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


def samplers(tenant: Tenant, name: str) -> Any:
    if name not in tenant.samplers:
        raise Refusal(404, f"no sampler {name}")
    base_model, path = tenant.samplers[name]
    return {"sampler_id": name, "base_model": base_model, "model_path": path}


KINDS = {"weights": "training", "sampler_weights": "sampler", "external_weights": "external"}


def checkpoint(path: str, kept: dict[str, Any]) -> dict[str, Any]:
    _, kind, name = path.removeprefix("tinker://").split("/")
    return {
        "checkpoint_id": f"{kind}/{name}",
        "checkpoint_type": KINDS[kind],
        "time": kept["time"],
        "tinker_path": path,
        "size_bytes": kept["size"],
        "public": False,
    }


@endpoint
def checkpoints(tenant: Tenant, asked: dict[str, Any]) -> Any:
    found = [checkpoint(path, kept) for path, kept in tenant.saved.items()]
    start, limit = int(asked.get("offset", 0)), int(asked.get("limit", 100))
    cursor = {"offset": start, "limit": limit, "total_count": len(found)}
    return {"checkpoints": found[start : start + limit], "cursor": cursor}


@endpoint
def weights_info(tenant: Tenant, asked: dict[str, Any]) -> Any:
    kept = tenant.saved.get(asked["tinker_path"])
    if kept is None:
        raise Refusal(404, f"no checkpoint {asked['tinker_path']}")
    return {"base_model": kept["base_model"], "is_lora": True, "lora_rank": kept["rank"]}


def training_runs(tenant: Tenant, method: str, rest: str, origin: str) -> Any:
    found = re.fullmatch(r"training_runs/([^/]+)/checkpoints/([^/]+/[^/]+)(/external_weights_urls)?", rest)
    if found is None:
        raise Refusal(404, "no such resource")
    path = f"tinker://{found[1]}/{found[2]}"
    if path not in tenant.saved:
        raise Refusal(404, f"no checkpoint {path}")
    if found[3]:
        files = ["adapter_config.json", "adapter_model.bin"] + ["padding.bin"] * (tenant.pad_bytes > 0)
        urls = {name: f"{origin}/files/{found[1]}/{found[2]}/{name}" for name in files}
        return {"urls": urls, "expires": now()}
    if method == "DELETE":
        del tenant.saved[path]
        return None
    raise Refusal(405, "expected DELETE")


async def file(tenant: Tenant, rest: str) -> AsyncIterator[bytes]:
    path, _, name = rest.rpartition("/")
    kept = tenant.saved[f"tinker://{path}"]
    if name == "adapter_config.json":
        yield json.dumps({"r": kept["rank"], "base_model_name_or_path": kept["base_model"]}).encode()
    elif name == "adapter_model.bin":
        yield b"".join(value.tobytes() for value in kept["params"].values())
    else:
        for start in range(0, tenant.pad_bytes, 1 << 16):
            yield b"\0" * min(1 << 16, tenant.pad_bytes - start)
