"""Other evaluation harnesses on the same samples; run by the Python of the peers' environment.

    PYTHON tests/benchmarks/peer_samples.py inspect|lm-eval URL COUNT IN_FLIGHT

Prints JSON: how many answers scored as right, of how many.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

TASK = """
task: bench
dataset_path: json
dataset_kwargs:
  data_files:
    test: {path}
test_split: test
output_type: generate_until
doc_to_text: "{{{{input}}}}"
doc_to_target: "{{{{target}}}}"
generation_kwargs:
  until: []
  max_gen_toks: 16
metric_list:
  - metric: exact_match
"""


def rows(count: int) -> list[dict[str, str]]:
    return [{"input": f"question {number}", "target": "42"} for number in range(count)]


def with_inspect(url: str, count: int, in_flight: int, folder: str) -> dict[str, Any]:
    from inspect_ai import Task, eval  # noqa: A004
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import get_model
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    samples = [Sample(id=number, **row) for number, row in enumerate(rows(count), 1)]
    model = get_model("openai-api/local/m", base_url=f"{url}/v1", api_key="none")
    task = Task(dataset=MemoryDataset(samples), solver=generate(), scorer=match())
    (log,) = eval(
        task,
        model=model,
        max_connections=in_flight,
        max_samples=in_flight,
        max_tokens=16,
        display="none",
        log_dir=folder,
    )
    assert log.results is not None
    return {"right": log.results.scores[0].metrics["accuracy"].value * count, "count": count}


def with_lm_eval(url: str, count: int, in_flight: int, folder: str) -> dict[str, Any]:
    import lm_eval
    from lm_eval.tasks import TaskManager

    data = Path(folder) / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows(count)))
    (Path(folder) / "bench.yaml").write_text(TASK.format(path=data))
    found = lm_eval.simple_evaluate(
        model="local-chat-completions",
        model_args={
            "model": "m",
            "base_url": f"{url}/v1/chat/completions",
            "num_concurrent": in_flight,
            "max_retries": 3,
            "tokenizer_backend": None,
        },
        tasks=["bench"],
        task_manager=TaskManager(include_path=folder, include_defaults=False),
        apply_chat_template=True,
        log_samples=True,
        bootstrap_iters=0,
    )
    return {"right": found["results"]["bench"]["exact_match,none"] * count, "count": count}


def main() -> None:
    name, url, count, in_flight = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        run = with_inspect if name == "inspect" else with_lm_eval
        print(json.dumps(run(url, int(count), int(in_flight), folder)))


if __name__ == "__main__":
    main()
