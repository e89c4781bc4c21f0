"""What a submission may name: backends, servers and folders, by the settings of the API."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crucible.adapters.http.allowed import default_base, forbidden
from crucible.messages.experiment_file import decode_experiment_json
from crucible.messages.settings import ApiSettings

OPENAI = {"id": "openai", "options": {"model": "m", "base_url": "http://10.0.0.5:8000/v1"}}
FOREIGN: dict[str, Any] = {"host": "0.0.0.0"}


def paths(folder: Path, settings: dict[str, Any], **changes: Any) -> list[str]:
    """Paths of all that is refused."""
    (folder / "data.jsonl").touch()
    content = {
        "id": "small",
        "dataset": {"name": "small", "options": {"path": "data.jsonl"}},
        "backend": {"id": "mock"},
        "pipeline": [{"name": "data_load"}],
    } | changes
    experiment = decode_experiment_json(json.dumps(content).encode())
    found = forbidden(experiment, folder, msgspec.convert(settings, ApiSettings))
    return [problem.path for problem in found]


def data(path: str) -> dict[str, Any]:
    return {"name": "small", "options": {"path": path}}


def members(*refs: dict[str, Any]) -> dict[str, Any]:
    return {"ensemble": {"strategy": "majority", "members": refs}}


def test_on_loopback_everything_but_code_by_name_is_allowed(tmp_path: Path) -> None:
    assert paths(tmp_path, {}, backend=OPENAI) == []
    custom = {"strategy": "custom", "normalizer": "os:system", "options": {"function": "os:remove"}}
    assert paths(tmp_path, {}, reliability={"ensemble": custom}) == [
        "reliability.ensemble.normalizer",
        "reliability.ensemble.options.function",
    ]


def test_only_listed_backends_may_be_named_wherever_they_stand(tmp_path: Path) -> None:
    settings = {"backends": ["mock"]}
    assert paths(tmp_path, settings) == []
    found = paths(
        tmp_path,
        settings,
        backend={"id": "lead"},
        baselines=[{"id": "mock"}, {"id": "extractive"}],
        reliability=members({"id": "mock"}, {"id": "local"}),
    )
    assert found == ["backend.id", "baselines[1].id", "reliability.ensemble.members[1].id"]


@pytest.mark.parametrize("settings", [FOREIGN | {"data_roots": ["/"]}, {"base_urls": ["http://other/v1"]}])
def test_other_servers_are_refused_off_loopback_or_when_some_are_listed(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    assert paths(tmp_path, settings, backend=OPENAI) == ["backend.options.base_url"]
    assert paths(tmp_path, settings, reliability=members({"id": "mock"}, OPENAI)) == [
        "reliability.ensemble.members[1].options.base_url"
    ]


def test_a_listed_server_may_be_named_and_only_as_it_is_listed(tmp_path: Path) -> None:
    settings = {"base_urls": ["http://10.0.0.5:8000/v1/"]}
    assert paths(tmp_path, settings, backend=OPENAI) == []
    for url in ("http://10.0.0.5:8000/v1/../admin", "http://10.0.0.5:8000", "http://10.0.0.5:8000/v1@evil"):
        ref = {"id": "openai", "options": {"model": "m", "base_url": url}}
        assert paths(tmp_path, settings, backend=ref) == ["backend.options.base_url"], url


def test_an_address_under_another_key_is_seen_too(tmp_path: Path) -> None:
    ref = {"id": "plugin", "options": {"server": "HTTP://evil", "deep": [{"endpoint": "evil:80"}]}}
    assert paths(tmp_path, {"base_urls": []}, backend=ref) == [
        "backend.options.server",
        "backend.options.deep[0].endpoint",
    ]


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside.jsonl", "link.jsonl", "~/x.jsonl"])
def test_data_outside_the_roots_is_refused_wherever_a_link_leads(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.jsonl").touch()
    (root / "link.jsonl").symlink_to(tmp_path / "outside.jsonl")
    assert "dataset.options.path" in paths(root, {"data_roots": [str(root)]}, dataset=data(path))
    assert paths(root, {"data_roots": [str(root)]}) == []


def test_off_loopback_an_experiment_without_files_is_allowed(tmp_path: Path) -> None:
    memory = {"name": "m", "provider": "memory", "options": {"rows": [{"prompt": "p"}]}}
    content = {"id": "x", "dataset": memory, "backend": {"id": "mock"}, "pipeline": [{"name": "data_load"}]}
    experiment = decode_experiment_json(json.dumps(content).encode())
    settings = msgspec.convert(FOREIGN, ApiSettings)
    assert forbidden(experiment, tmp_path, settings, base_given=False) == []
    assert [each.path for each in forbidden(experiment, tmp_path, settings)] == ["base"]


def test_off_loopback_no_file_may_be_read_unless_roots_are_listed(tmp_path: Path) -> None:
    assert paths(tmp_path, FOREIGN) == ["base", "dataset.options.path"]
    assert paths(tmp_path, FOREIGN | {"data_roots": [str(tmp_path)]}) == []


def test_secrets_models_and_caches_are_files_too(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    local = {"id": "local", "options": {"base_model": str(tmp_path), "adapter": "../adapter"}}
    keyed = {"id": "openai", "options": {"model": "m", "api_key": "file:/root/.ssh/id_rsa"}}
    found = paths(
        root,
        {"data_roots": [str(root)]},
        backend=local,
        baselines=[keyed],
        reliability={"cache": {"folder": "../cache"}},
    )
    assert sorted(found) == [
        "backend.options.adapter",
        "backend.options.base_model",
        "baselines[0].options.api_key",
        "reliability.cache.folder",
    ]


def test_a_name_from_a_hub_is_no_file(tmp_path: Path) -> None:
    local = {"id": "local", "options": {"base_model": "org/model"}}
    assert paths(tmp_path, {"data_roots": [str(tmp_path)]}, backend=local) == []


def test_a_data_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert paths(tmp_path, {}, dataset=data("nowhere.jsonl")) == ["dataset.options.path"]
    assert paths(tmp_path, {}, dataset=data("x" * 5000)) == ["dataset.options.path"]


def test_relative_paths_count_from_the_first_root_if_there_are_any(tmp_path: Path) -> None:
    assert default_base(ApiSettings(data_roots=(str(tmp_path),))) == tmp_path
    assert default_base(ApiSettings()) == Path.cwd()
