"""`crucible checkpoints`: list, look at, download with flat memory, delete."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.backends.tinker.options import TinkerOptions
from crucible.adapters.backends.tinker.storage import Storage, parse_path
from crucible.adapters.cli.app import invoke
from crucible.messages.errors import BackendError, InputError

from ..support import row
from .support import MARKS, Tenant, opened

pytestmark = MARKS


@pytest.fixture
async def saved(tenant: Tenant, tokenizer: Path, tmp_path: Path) -> str:
    """The path of a saved state; there are sampler weights beside it."""
    async with opened(tokenizer, tmp_path / "run", lora_rank=4) as session:
        await (await session.submit_step([row()], 0.05)).result()
        await session.save_checkpoint("epoch-1", step=1, epoch=1, loss=None)
    (made,) = [asked["path"] for asked in tenant.asked("save_weights")]
    return f"tinker://{tenant.asked('get_info')[0]['model_id']}/weights/{made}"


def run(*arguments: str) -> int:
    return invoke(["checkpoints", *arguments])


def test_checkpoints_are_listed_for_people_and_for_programs(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert any(line.endswith(saved) and "training" in line for line in lines)
    assert run("list", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["kind"] for each in rows} == {"training", "sampler"}
    assert all(each["bytes"] > 0 for each in rows)


def test_a_checkpoint_says_which_model_it_is_of(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", saved) == 0
    told = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert told == {"base_model": "tiny/lora", "is_lora": "true", "lora_rank": "4"}


def test_a_checkpoint_is_downloaded_file_by_file(
    saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("download", saved, "--output", str(tmp_path / "out")) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.bin"}
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["r"] == 4
    assert "adapter_model.bin" in capsys.readouterr().out


async def test_a_download_keeps_memory_flat(tenant: Tenant, saved: str, tmp_path: Path) -> None:
    size = 64 << 20
    tenant.control(pad_bytes=size)
    seen = list[int]()
    storage = Storage(TinkerOptions(base_model="-"))
    await storage.info(saved)  # imports and connections are not what is measured
    tracemalloc.start()
    try:
        await storage.download(saved, tmp_path / "out", lambda _name, done: seen.append(done))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out" / "padding.bin").stat().st_size == size
    assert size in seen
    assert peak < size / 4


async def test_a_download_that_breaks_off_leaves_no_file(tenant: Tenant, saved: str, tmp_path: Path) -> None:
    tenant.control(pad_bytes=1 << 20, faults=[{"at": "file", "from": 3}])
    storage = Storage(TinkerOptions(base_model="-"))
    with pytest.raises(BackendError, match=r"padding\.bin: the download broke off"):
        await storage.download(saved, tmp_path / "out", lambda _name, _done: None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "adapter_config.json",
        "adapter_model.bin",
    }


async def test_a_file_name_cannot_lead_out_of_the_folder(
    saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(TinkerOptions(base_model="-"))
    await storage.info(saved)
    from types import SimpleNamespace

    future: Any = SimpleNamespace(future=lambda: _done(SimpleNamespace(urls={"../evil": "http://x"})))
    monkeypatch.setattr(storage._rest, "get_external_weights_urls", lambda _path: future)
    with pytest.raises(BackendError, match=r"names a file '\.\./evil'"):
        await storage.download(saved, tmp_path / "out", lambda _name, _done: None)


def _done(value: Any) -> Any:
    from concurrent.futures import Future

    future = Future[Any]()
    future.set_result(value)
    return future


def test_deleting_needs_a_yes_and_is_for_good(
    tenant: Tenant, saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("delete", saved) == 2
    assert "1 would be deleted for good: add --yes" in capsys.readouterr().err
    assert run("delete", saved, "--yes") == 0
    assert capsys.readouterr().out == f"deleted {saved}\n"
    assert run("info", saved) == 1
    assert "no checkpoint tinker://" in capsys.readouterr().err
    assert tenant.counts()["training_runs"] == 1


@pytest.mark.parametrize(
    "path", ["x", "tinker://a/b", "tinker://a/other/c", "tinker://a/weights/", "tinker:///weights/x"]
)
def test_what_is_no_path_is_bad_input(path: str) -> None:
    with pytest.raises(InputError, match=r"expected tinker://RUN/weights/NAME"):
        parse_path(path)


@pytest.mark.usefixtures("tenant")
def test_sampler_weights_cannot_be_downloaded(tmp_path: Path) -> None:
    storage = Storage(TinkerOptions(base_model="-"))
    with pytest.raises(InputError, match="sampler weights cannot be downloaded"):
        asyncio.run(storage.download("tinker://a/sampler_weights/x", tmp_path, lambda _n, _d: None))


def test_a_missing_key_is_bad_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TINKER_API_KEY", raising=False)
    assert run("list") == 2
    assert "TINKER_API_KEY" in capsys.readouterr().err
