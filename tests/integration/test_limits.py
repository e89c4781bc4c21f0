"""Limits in whole runs, against a real server: money, waiting, overload, preflight."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

import crucible
from crucible.adapters.cli.app import invoke
from crucible.composition import prepare
from crucible.messages.control import Progress
from crucible.messages.errors import ExperimentError, StageError
from crucible.messages.experiment import (
    BackendRef,
    EnsembleConfig,
    HedgingConfig,
    LimitsConfig,
    PoolLimits,
    Reliability,
    StageDef,
)
from crucible.messages.flow import StageResult

from .model_server import ModelServer

PRICES = {"price_per_million_input_usd": 100.0, "price_per_million_output_usd": 1000.0}
REAL = 10 * 100e-6 + 5 * 1000e-6
"""What an answer of the server costs: 10 tokens in, 5 out."""


def model(url: str, name: str = "model", **options: Any) -> BackendRef:
    return BackendRef(id="openai", name=name, options={"model": name, "base_url": url, **PRICES, **options})


def limited(url: str, limits: LimitsConfig, rows: int = 40, **changes: Any) -> crucible.Experiment:
    reliability = changes.pop("reliability", {})
    stages: dict[str, dict[str, Any]] = {
        "data_load": {},
        "backend_call": {"concurrency": 4, "backoff_s": 0.0, "max_tokens": 8, **changes.pop("call", {})},
        "report": {},
    }
    data = [{"id": f"r{i}", "prompt": f"question {i}", "completion": "a"} for i in range(rows)]
    filled: dict[str, Any] = {
        "id": "limited",
        "dataset": crucible.DatasetRef(name="q", provider="memory", split="all", options={"rows": data}),
        "backend": model(url),
        "pipeline": tuple(StageDef(name=name, options=given) for name, given in stages.items()),
        "reliability": Reliability(limits=limits, **reliability),
        "outputs": (crucible.OutputSpec(formats=("json", "html", "markdown")),),
    }
    return crucible.Experiment(**{**filled, **changes})


def call(result: crucible.RunResult) -> StageResult:
    return result.stage("backend_call")


def answered(folder: Path) -> list[str]:
    lines = next(folder.rglob("samples.jsonl")).read_text().splitlines()
    return [json.loads(line)["id"] for line in lines]


def at_once(_prompt: str, _before: int) -> tuple[float, str]:
    return 0.0, "a"


def test_a_run_stops_before_its_money_is_overspent_and_keeps_what_was_answered(tmp_path: Path) -> None:
    most = (len("question 00") - 1 + 2 + 256) * 100e-6 + 8 * 1000e-6
    budget = 12 * REAL + most
    with ModelServer(at_once) as server:
        result = crucible.run(limited(server.url, LimitsConfig(max_cost_usd=budget)), out=tmp_path)
        asked = len(server.asked)
    assert (result.status, result.failure) == ("completed", None)
    assert result.stopped is not None
    assert result.stopped.startswith("backend_call: the money budget of $")
    assert result.stopped.endswith(f"; {asked} rows were answered")
    assert 12 <= asked <= 14
    assert asked * REAL <= budget < asked * REAL + most + 1e-9
    assert answered(tmp_path) == [f"r{i}" for i in range(asked)]
    told = call(result).metrics
    assert told["systems"]["model"]["cost_usd"] == pytest.approx(asked * REAL)
    assert told["limits"]["money"]["spent_usd"] == pytest.approx(asked * REAL)
    assert (told["not_asked"], told["left_out"]) == (40 - asked, 0)
    report = next(tmp_path.rglob("report.md")).read_text()
    assert "The run stopped early" in report
    run = json.loads(next(tmp_path.rglob("run.json")).read_text())
    assert run["stopped"] == result.stopped


def test_duplicates_tiers_and_retries_are_paid_from_the_same_money(tmp_path: Path) -> None:
    """Every request is slow once, so that each is duplicated."""
    budget = 0.6
    with ModelServer(lambda _prompt, before: (0.0 if before else 0.3, "a")) as server:
        hedging = HedgingConfig(strategy="fixed", delay_ms=20, budget_percent=100, control_percent=0)
        result = crucible.run(
            limited(
                server.url,
                LimitsConfig(max_cost_usd=budget),
                reliability={"hedging": hedging},
                call={"concurrency": 1},
            ),
            out=tmp_path,
        )
        asked = len(server.asked)
    told = call(result).metrics
    assert result.stopped is not None
    assert told["hedging"]["extra_requests"] >= 1
    assert told["limits"]["pools"][f"openai {server.url}"]["sent"] == asked
    money = told["limits"]["money"]
    assert money["spent_usd"] <= budget
    lost = told["hedging"]["cancelled"]  # what a cancelled request costs is not known: the most is taken
    assert lost >= 1
    assert money["of_it_unconfirmed_usd"] == pytest.approx(lost * (268 * 100e-6 + 0.008), rel=0.01)


def test_members_and_baselines_share_the_money_and_half_answered_rows_are_left_out(tmp_path: Path) -> None:
    with ModelServer(at_once) as server:
        ensemble = EnsembleConfig(
            strategy="majority", early_stop="off", members=tuple(model(server.url, name) for name in "abc")
        )
        made = limited(
            server.url,
            LimitsConfig(max_cost_usd=0.2),
            reliability={"ensemble": ensemble},
            baselines=(model(server.url, "base"),),
        )
        result = crucible.run(made, out=tmp_path)
        asked = len(server.asked)
    assert result.stopped is not None
    assert asked * REAL <= 0.2
    rows = [json.loads(line) for line in next(tmp_path.rglob("samples.jsonl")).read_text().splitlines()]
    assert 1 <= len(rows) < 40
    told = call(result).metrics
    assert told["left_out"] == 40 - told["not_asked"] - len(rows)
    assert all(set(row["outputs"]) == {"model", "base"} for row in rows)
    assert all(row["outputs"]["model"]["ballots"]["votes"] == 3 for row in rows)


def test_rows_that_come_after_the_money_is_used_up_hold_nobody_up(tmp_path: Path) -> None:
    with ModelServer(at_once) as server:
        made = limited(server.url, LimitsConfig(max_cost_usd=0.1), rows=600, call={"gate": False})
        result = crucible.run(made, out=tmp_path)
        asked = len(server.asked)
    assert result.stopped is not None
    assert call(result).metrics["not_asked"] == 600 - asked
    assert result.stage("data_load").emitted == 600


def test_money_for_not_even_one_request_fails_the_run(tmp_path: Path) -> None:
    with (
        ModelServer(at_once) as server,
        pytest.raises(StageError, match="no row was answered: the money budget"),
    ):
        crucible.run(limited(server.url, LimitsConfig(max_cost_usd=0.001)), out=tmp_path)
    assert server.asked == []


def test_the_command_says_why_it_stopped_and_does_not_exit_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ModelServer(at_once) as server:
        file = tmp_path / "experiment.json"
        file.write_bytes(msgspec.json.encode(limited(server.url, LimitsConfig(max_cost_usd=0.1))))
        assert invoke(["run", str(file), "--out", str(tmp_path / "runs"), "--quiet"]) == 1
    captured = capsys.readouterr()
    assert "crucible: run stopped early: backend_call: the money budget of $0.1 is used up" in captured.err
    assert "completed in" in captured.out


async def test_the_limit_of_a_minute_is_kept_and_the_wait_is_told(tmp_path: Path) -> None:
    limits = LimitsConfig(pools={"openai": PoolLimits(requests_per_minute=5)})
    with ModelServer(at_once) as server:
        async with crucible.Supervisor(out=tmp_path) as supervisor:
            run = await supervisor.submit(limited(server.url, limits))
            async for event in run.events():
                if isinstance(event, Progress) and event.note:
                    break
            assert isinstance(event, Progress)
            assert event.note == "4 wait: requests_per_minute"
            result = await run.cancel()
    assert len(server.asked) == 5
    assert result.status == "cancelled"


def test_a_server_that_is_overloaded_is_asked_less_at_once(tmp_path: Path) -> None:
    options = {"errors": {"overloaded": 0.5}, "latency_ms": 1.0}
    made = limited(
        "http://127.0.0.1:9/v1",
        LimitsConfig(),
        rows=60,
        backend=BackendRef(id="mock", name="model", options=options),
        call={"concurrency": 16, "max_attempts": 50},
    )
    told = call(crucible.run(made, out=tmp_path / "on")).metrics
    assert told["limits"]["pools"]["mock"]["concurrency"]["cuts"] > 0
    off = limited(
        "http://127.0.0.1:9/v1",
        LimitsConfig(adaptive_concurrency=False),
        rows=60,
        backend=made.backend,
        call={"concurrency": 16, "max_attempts": 50},
    )
    told_off = call(crucible.run(off, out=tmp_path / "off")).metrics
    assert "limits" not in told_off
    assert told_off["systems"]["model"]["retries"] == told["systems"]["model"]["retries"]


@pytest.mark.parametrize(
    ("changes", "limits", "said"),
    [
        (
            {"backend": BackendRef(id="openai", name="m", options={"model": "m"})},
            LimitsConfig(max_cost_usd=1),
            "reliability.limits.max_cost_usd: cannot be guaranteed: what a request to 'm'",
        ),
        (
            {"backend": model("http://127.0.0.1:9/v1", omit=["max_tokens"])},
            LimitsConfig(max_cost_usd=1),
            "reliability.limits.max_cost_usd: cannot be guaranteed: what a request to 'model'",
        ),
        (
            {"baselines": (BackendRef(id="mock", name="b"),)},
            LimitsConfig(max_cost_usd=1),
            "reliability.limits.max_cost_usd: cannot be guaranteed: what a request to 'b'",
        ),
        (
            {},
            LimitsConfig(pools={"mock": PoolLimits(requests_per_minute=1)}),
            "reliability.limits.pools.mock: no system is asked there; expected one of openai, http://127.0.0.1:9/v1",
        ),
    ],
)
def test_limits_that_cannot_be_kept_are_refused_in_one_line(
    changes: dict[str, Any], limits: LimitsConfig, said: str
) -> None:
    with pytest.raises(ExperimentError) as caught:
        prepare(limited("http://127.0.0.1:9/v1", limits, **changes))
    assert str(caught.value).startswith(said)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("backend", ["lead", "extractive"])
def test_what_is_free_fits_every_budget(backend: str) -> None:
    made = limited("", LimitsConfig(max_cost_usd=1), backend=BackendRef(id=backend))
    assert prepare(made).experiment.backend.id == backend


@pytest.mark.parametrize(("page", "blocks"), [("limits", 2), ("cache", 1)])
def test_the_settings_on_the_pages_are_good_ones(page: str, blocks: int) -> None:
    text = (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(found) == blocks
    for block in found:
        told = msgspec.convert(tomllib.loads(block)["reliability"], Reliability)
        assert told != Reliability()
