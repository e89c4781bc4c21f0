"""The OpenAPI document: complete, without remote assets, and kept by the API, as schemathesis finds out."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..daemon import AUTH, Daemon, experiment, sample

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("data")).serve_in_thread() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def document(served: Daemon) -> dict[str, Any]:
    answer = httpx.get(f"{served.url}/api/v1/openapi.json", trust_env=False)
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_has_a_name_of_its_own_a_text_and_its_problems(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for name, operation in operations(document):
        assert operation["description"].endswith("."), name
        assert "401" in operation["responses"], name
        problem = operation["responses"]["401"]["content"]
        assert list(problem) == ["application/problem+json"], name


def test_the_experiment_is_described_in_full(document: dict[str, Any]) -> None:
    submit = document["paths"]["/api/v1/runs"]["post"]["requestBody"]["content"]
    assert set(submit) == {"application/json", "application/toml"}
    schemas = document["components"]["schemas"]
    assert "pipeline" in schemas["Experiment"]["properties"]
    references = {
        text.rpartition("/")[2]
        for text in json.dumps(document).split('"')
        if text.startswith("#/components/schemas/")
    }
    assert references <= schemas.keys()


def test_nothing_remote_is_named(document: dict[str, Any]) -> None:
    assert "http://" not in json.dumps(document)
    assert "cdn" not in json.dumps(document)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_schemathesis_finds_nothing_that_the_document_does_not_say(served: Daemon, tmp_path: Path) -> None:
    answer = httpx.post(
        f"{served.url}/api/v1/runs", json=experiment(served.folder), headers=AUTH, trust_env=False
    )
    run = answer.json()["id"]
    served.there(served.work(run))
    folder = served.run_folder(run)
    (folder / "samples.jsonl").write_bytes(sample(1) + sample(2))
    (folder / "trace.json").write_text("[]")
    (folder / "report.md").write_text("# report")
    # Ids that lead somewhere; the stream of all events has no end to wait for; and what an experiment, a cron
    # expression or a cursor means is more than a schema says.
    config = tmp_path / "schemathesis.toml"
    config.write_text(f'[parameters]\n"path.run_id" = "{run}"\n"path.name" = "report.md"\n')
    checked = subprocess.run(
        [
            *(SCHEMATHESIS, "--config-file", str(config), "run", f"{served.url}/api/v1/openapi.json"),
            *("--header", f"Authorization: {AUTH['authorization']}"),
            *("--phases", "coverage,fuzzing", "--max-examples", "2", "--generation-deterministic"),
            *("--exclude-path", "/api/v1/events", "--exclude-checks", "positive_data_acceptance"),
            *("--suppress-health-check", "all", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert "30 selected" in checked.stdout
