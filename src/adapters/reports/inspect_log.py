"""A finished run as an evaluation log of Inspect (inspect.aisi.org.uk), for its viewer and its data frames.

One log for one system, format version 2, as inspect_ai 0.3.285 reads it. It holds what has a place there:
prompts, answers, references, scores, means with their intervals, tokens and times. What has none (races,
ballots, topology, comparisons) stays in the run folder, which the log's metadata names. A score that is not
defined is left out, since the format has no word for that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ...messages.control import RunResult
from ...messages.findings import Metric
from ...messages.records import Output
from ..runs import FinishedRun
from .samples import SampleLine
from .text import encode_json

__all__ = ["file_name", "inspect_log", "systems_of"]

VERSION = 2
STOP = {"length": "max_tokens", "content_filter": "content_filter", "error": "unknown"}


def systems_of(run: FinishedRun) -> list[str]:
    """Names of the systems that answered, the model first."""
    return list(run.sample(run.ids[0]).outputs)


def file_name(run: FinishedRun, system: str) -> str:
    """A name by which Inspect finds a log in a folder: time, task, id."""
    result = run.result
    time = result.started_at.replace(":", "-")
    return f"{time}_{result.experiment.id}_{result.run_id}-{slug(system)}.json"


def slug(text: str) -> str:
    """Letters, digits, '.' and '-' of a name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)


def inspect_log(run: FinishedRun, system: str) -> Iterator[bytes]:
    """The log piece by piece: the head, then sample by sample."""
    head = encode_json(_head(run, system))
    yield head[:-1] + b',"samples":['
    for number, id_ in enumerate(run.ids):
        line = run.sample(id_)
        if system in line.outputs:
            yield (b"," if number else b"") + encode_json(_sample(line, system))
    yield b"]}\n"


def _head(run: FinishedRun, system: str) -> dict[str, Any]:
    result = run.result
    experiment, provenance = result.experiment, result.provenance
    dataset = experiment.dataset
    compared = [comparison.metric for stage in result.stages for comparison in stage.comparisons]
    figures = [f for stage in result.stages for f in stage.figures if f.system == system]
    figures.sort(key=lambda figure: compared.index(figure.name) if figure.name in compared else len(compared))
    began = datetime.fromisoformat(result.started_at)
    return {
        "version": VERSION,
        "status": "success",
        "eval": {
            "eval_id": result.run_id,
            "run_id": result.run_id,
            "created": result.started_at,
            "task": experiment.id,
            "task_id": result.run_id,
            "dataset": {
                "name": None if dataset is None else dataset.name,
                "samples": len(run.ids),
                "sample_ids": run.ids,
                "shuffled": False,
            },
            "model": system,
            "config": {"epochs": 1},
            "packages": {} if provenance is None else {"crucible-framework": provenance.crucible},
            "metadata": {"seed": experiment.seed, "data_sha256": run.sha256, "run_folder": run.folder.name},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": len(run.ids),
            "completed_samples": len(run.ids),
            "scores": [_score(figure) for figure in figures if figure.value is not None],
        },
        "stats": {
            "started_at": result.started_at,
            "completed_at": (began + timedelta(seconds=result.seconds)).isoformat(timespec="seconds"),
            "model_usage": _usage(result, system),
        },
    }


def _score(figure: Metric) -> dict[str, Any]:
    metrics: dict[str, Any] = {"mean": {"name": "mean", "value": figure.value, "params": {}}}
    if figure.interval is not None:
        for name in ("low", "high"):
            limit = f"{figure.interval.level:g}_{name}"
            metrics[limit] = {"name": limit, "value": getattr(figure.interval, name), "params": {}}
    return {
        "name": figure.name,
        "scorer": figure.name,
        "params": {"method": figure.method},
        "scored_samples": figure.n,
        "metrics": metrics,
    }


def _usage(result: RunResult, system: str) -> dict[str, Any]:
    told = next((stage.metrics for stage in result.stages if stage.stage == "backend_call"), {})
    usage = told.get("systems", {}).get(system, {}).get("usage", {})
    prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return {system: _tokens(prompt, completion)} if prompt or completion else {}


def _tokens(prompt: int, completion: int) -> dict[str, int]:
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


def _sample(line: SampleLine, system: str) -> dict[str, Any]:
    output = line.outputs[system]
    methods = line.methods.get(system, {})
    scores: dict[str, dict[str, Any]] = {
        name: {"value": value, "explanation": methods.get(name)}
        for name, value in line.scores.get(system, {}).items()
        if value is not None and math.isfinite(value)
    }
    for first in list(scores)[:1]:  # the viewer shows the answer of one
        scores[first]["answer"] = output.text
    return {
        "id": line.id,
        "epoch": 1,
        "input": line.input,
        "target": [line.reference or "", *line.alternatives] if line.alternatives else line.reference or "",
        "messages": [
            {"role": "user", "content": line.input},
            {"role": "assistant", "content": output.text, "source": "generate"},
        ],
        "output": _output(output),
        "scores": scores,
        "metadata": {"split": line.split, "group": line.group, "source": line.source, "line": line.line},
        "total_time": output.latency_s,
        "error": _error(output),
    }


def _output(output: Output) -> dict[str, Any]:
    usage = output.usage
    return {
        "model": output.system,
        "choices": [
            {
                "message": {"role": "assistant", "content": output.text, "source": "generate"},
                "stop_reason": STOP.get(output.finish_reason, "stop"),
            }
        ],
        "usage": _tokens(usage.prompt_tokens, usage.completion_tokens),
        "time": output.latency_s,
        "error": output.error,
    }


def _error(output: Output) -> dict[str, str] | None:
    if output.error is None:
        return None
    return {"message": output.error, "traceback": "", "traceback_ansi": ""}
