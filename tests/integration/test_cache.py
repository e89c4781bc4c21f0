"""The cache in whole runs: what is asked again, what is counted, what a kill leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

import crucible
from crucible.adapters.cli.app import invoke
from crucible.messages.experiment import (
    BackendRef,
    CacheConfig,
    EnsembleConfig,
    HedgingConfig,
    LimitsConfig,
    Reliability,
    StageDef,
)
from crucible.messages.records import Output

from .model_server import ModelServer
from .support import COMMAND

ROWS = 40
PRICES = {"price_per_million_input_usd": 1.0, "price_per_million_output_usd": 2.0}
COST = 20e-6


def model(url: str, name: str = "model", **options: Any) -> BackendRef:
    return BackendRef(id="openai", name=name, options={"model": name, "base_url": url, **PRICES, **options})


def cached(url: str, folder: Path, rows: int = ROWS, **changes: Any) -> crucible.Experiment:
    stages: dict[str, dict[str, Any]] = {
        "data_load": {},
        "backend_call": {"concurrency": 4, "backoff_s": 0.0, **changes.pop("call", {})},
        "report": {},
    }
    data = [{"id": f"r{i}", "prompt": f"question {i}", "completion": "a"} for i in range(rows)]
    filled: dict[str, Any] = {
        "id": "cached",
        "dataset": crucible.DatasetRef(name="q", provider="memory", split="all", options={"rows": data}),
        "backend": model(url),
        "pipeline": tuple(StageDef(name=name, options=given) for name, given in stages.items()),
        "reliability": Reliability(cache=CacheConfig(folder=str(folder)), **changes.pop("reliability", {})),
        "outputs": (crucible.OutputSpec(formats=("json",)),),
    }
    return crucible.Experiment(**{**filled, **changes})


def figures(result: crucible.RunResult) -> dict[str, Any]:
    return result.stage("backend_call").metrics


def outputs(folder: Path, system: str = "model") -> dict[str, Output]:
    lines = next(folder.rglob("samples.jsonl")).read_text().splitlines()
    return {line["id"]: msgspec.convert(line["outputs"][system], Output) for line in map(json.loads, lines)}


def echo(prompt: str, before: int) -> tuple[float, str]:
    return 0.0, f"{prompt}, asked {before + 1} times"


def test_a_second_run_asks_nothing_answers_the_same_and_costs_nothing(tmp_path: Path) -> None:
    with ModelServer(echo) as server:
        first = crucible.run(cached(server.url, tmp_path / "cache"), out=tmp_path / "one")
        assert len(server.asked) == ROWS
        second = crucible.run(cached(server.url, tmp_path / "cache"), out=tmp_path / "two")
        assert len(server.asked) == ROWS
    before, after = outputs(tmp_path / "one"), outputs(tmp_path / "two")
    assert {name: each.text for name, each in before.items()} == {
        name: each.text for name, each in after.items()
    }
    assert all(each.cached is None for each in before.values())
    was = after["r7"].cached
    assert was is not None
    assert (was.usage.prompt_tokens, was.usage.completion_tokens) == (10, 5)
    assert was.cost_usd == pytest.approx(COST)
    assert was.latency_s == before["r7"].latency_s
    assert (after["r7"].attempts, after["r7"].latency_s, after["r7"].cost_usd) == (0, 0.0, 0.0)

    assert figures(first)["cache"]["stored"] == ROWS
    told = figures(second)
    assert told["cache"] == {
        "hits": ROWS, "misses": 0, "entries": ROWS, "stored": 0, "damaged": 0,
        "saved_tokens": 15 * ROWS, "saved_usd": pytest.approx(COST * ROWS),
    }  # fmt: skip
    system = told["systems"]["model"]
    assert (system["asked"], system["cached"], system["retries"], system["failed"]) == (ROWS, ROWS, 0, 0)
    assert (system["cost_usd"], system["prompt_tokens"], system["completion_tokens"]) == (0.0, 0, 0)
    assert set(system["latency_s"].values()) == {None}


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    with ModelServer(echo) as server:
        made = msgspec.structs.replace(cached(server.url, tmp_path), reliability=Reliability())
        for name in ("one", "two"):
            assert "cache" not in figures(crucible.run(made, out=tmp_path / name))
        assert len(server.asked) == 2 * ROWS


def test_only_what_is_new_is_asked_and_only_that_has_a_latency(tmp_path: Path) -> None:
    with ModelServer(echo) as server:
        crucible.run(cached(server.url, tmp_path / "cache", rows=30), out=tmp_path / "one")
        told = figures(crucible.run(cached(server.url, tmp_path / "cache"), out=tmp_path / "two"))
        assert len(server.asked) == ROWS
    assert (told["cache"]["hits"], told["cache"]["misses"]) == (30, 10)
    assert told["systems"]["model"]["cost_usd"] == pytest.approx(COST * 10)
    assert told["systems"]["model"]["latency_s"]["p50"] > 0


@pytest.mark.parametrize("changed", [{"temperature": 0.5}, {"max_tokens": 9}])
def test_another_parameter_is_another_request(tmp_path: Path, changed: dict[str, Any]) -> None:
    with ModelServer(echo) as server:
        for call in ({}, changed):
            crucible.run(cached(server.url, tmp_path / "cache", rows=3, call=call), out=tmp_path / "runs")
        assert len(server.asked) == 6


def test_failures_are_not_kept(tmp_path: Path) -> None:
    failing = BackendRef(id="mock", name="model", options={"errors": {"bad_request": 1.0}})
    working = BackendRef(id="mock", name="model")
    made = cached("", tmp_path / "cache", rows=3, backend=failing, call={"max_failed": 1.0})
    crucible.run(made, out=tmp_path / "one")
    told = figures(crucible.run(msgspec.structs.replace(made, backend=working), out=tmp_path / "two"))
    assert told["cache"]["hits"] == 0
    assert told["systems"]["model"]["failed"] == 0


def test_a_run_killed_with_9_has_lost_no_answer_that_it_counted(tmp_path: Path) -> None:
    """Twenty answers, then silence: with four in flight the 24th request shows that twenty were counted."""
    going_on, seen = threading.Event(), threading.Event()

    def answer(prompt: str, before: int) -> tuple[float, str]:
        number = len(server.asked) + 1
        if number == 24:
            seen.set()
        return (0.0 if number <= 20 or going_on.is_set() else 60.0), f"{prompt}, asked {before + 1} times"

    with ModelServer(answer) as server:
        file = tmp_path / "experiment.json"
        file.write_bytes(msgspec.json.encode(cached(server.url, Path("cache"))))  # counts from the file
        command = [COMMAND, "run", str(file), "--out", str(tmp_path / "runs"), "--quiet"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            assert seen.wait(30)
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        answered, killed_at = set(server.asked[:20]), len(server.asked)
        going_on.set()
        assert killed_at == 24
        subprocess.run(command, check=True, capture_output=True)
        again = server.asked[killed_at:]
    assert sorted(again) == sorted({f"question {i}" for i in range(ROWS)} - answered)
    (folder,) = [path.parent for path in (tmp_path / "runs").rglob("run.json")]
    found = outputs(folder)
    assert len(found) == ROWS
    assert sum(each.cached is not None for each in found.values()) == 20


def test_a_hit_is_not_raced_and_a_biased_one_stays_flagged(tmp_path: Path) -> None:
    def slow_once(prompt: str, before: int) -> tuple[float, str]:
        return (30.0 if prompt == "question 39" and before == 0 else 0.0), f"{before}"

    hedging = HedgingConfig(strategy="fixed", delay_ms=400, control_percent=0)
    raced = {"hedging": hedging}
    call = {"temperature": 0.7}
    with ModelServer(slow_once) as server:
        crucible.run(
            cached(server.url, tmp_path / "cache", reliability=raced, call=call), out=tmp_path / "one"
        )
        asked = len(server.asked)
        told = figures(
            crucible.run(
                cached(server.url, tmp_path / "cache", reliability=raced, call=call), out=tmp_path / "two"
            )
        )
        assert len(server.asked) == asked  # no hit was raced
        plain = crucible.run(cached(server.url, tmp_path / "cache", call=call), out=tmp_path / "three")
        anew = server.asked[asked:]
    flagged = [
        name
        for name, each in outputs(tmp_path / "two").items()
        if each.race is not None and each.race.race_biased
    ]
    assert "r39" in flagged
    assert sorted(anew) == sorted(
        f"question {name[1:]}" for name in flagged
    )  # it wants answers that are fair
    assert told["hedging"]["requests"] == 0
    assert all(each.race is None for each in outputs(tmp_path / "three").values())
    assert figures(plain)["cache"]["hits"] == ROWS - len(flagged)


def test_a_tier_s_answer_is_told_as_the_tier_s_and_never_taken_for_the_model_s(tmp_path: Path) -> None:
    unsure = {"replies": [{"text": "guess", "confidence": 0.2}]}
    tiers = [{"name": "model", "min_quality": 0.5}, {"name": "large"}]
    tiered = {
        "hedging": HedgingConfig(strategy="tiered", options={"tiers": tiers}),
        "ensemble": EnsembleConfig(
            members=(BackendRef(id="mock", name="large", options={"default": "sure"}),)
        ),
    }
    backend = BackendRef(id="mock", name="model", options=unsure)
    for name in ("one", "two"):
        result = crucible.run(
            cached("", tmp_path / "cache", rows=3, backend=backend, reliability=tiered), out=tmp_path / name
        )
    assert figures(result)["cache"]["hits"] == 3
    race = outputs(tmp_path / "two")["r1"].race
    assert race is not None
    assert (race.backend, outputs(tmp_path / "two")["r1"].text) == ("large", "sure")
    crucible.run(cached("", tmp_path / "cache", rows=3, backend=backend), out=tmp_path / "three")
    assert outputs(tmp_path / "three")["r1"].text == "guess"


def test_a_model_that_learned_the_same_hits_and_one_that_learned_more_does_not(tmp_path: Path) -> None:
    claims = Path(__file__).parents[2] / "config" / "experiments"
    made = crucible.load_experiment(claims / "claims.toml")
    call = [stage for stage in made.pipeline if stage.name in ("data_load", "backend_call", "report")]
    made = msgspec.structs.replace(
        made,
        pipeline=tuple(call),
        baselines=(),
        reliability=Reliability(cache=CacheConfig(folder=str(tmp_path / "cache"))),
    )
    hits = []
    for number, epochs in enumerate((1, 1, 2)):
        options = {**made.backend.options, "epochs": epochs}
        backend = msgspec.structs.replace(made.backend, options=options)
        result = crucible.run(
            msgspec.structs.replace(made, backend=backend), out=tmp_path / str(number), base=claims
        )
        told = figures(result)["cache"]
        hits.append((told["hits"] > 0, told["misses"] > 0))
    assert hits == [(False, True), (True, False), (False, True)]


def test_a_vote_that_was_stopped_early_is_repeated_without_a_request(tmp_path: Path) -> None:
    """The third member is slow and cancelled, so it has no reply in the cache; it is not asked again."""
    with ModelServer(lambda _prompt, _before: (0.0, "yes")) as server:
        late = BackendRef(id="mock", name="c", options={"latency_ms": 60_000.0})
        ensemble = EnsembleConfig(
            strategy="majority", members=(model(server.url, "a"), model(server.url, "b"), late)
        )
        reliability = {"ensemble": ensemble}
        made = cached("", tmp_path / "cache", rows=5, backend=model(server.url), reliability=reliability)
        crucible.run(made, out=tmp_path / "one")
        assert len(server.asked) == 10
        result = crucible.run(made, out=tmp_path / "two")
        assert len(server.asked) == 10
    before, after = (outputs(tmp_path / name)["r1"].ballots for name in ("one", "two"))
    assert before is not None
    assert after is not None
    assert (before.cancelled, before.not_asked) == (("c",), ())
    assert (after.cancelled, after.not_asked) == ((), ("c",))
    assert outputs(tmp_path / "two")["r1"].text == "yes"
    told = figures(result)["systems"]["model"]
    assert (told["cost_usd"], told["cached"]) == (0.0, 5)
    assert set(told["latency_s"].values()) == {None}


def test_hits_pass_by_the_limits(tmp_path: Path) -> None:
    with ModelServer(echo) as server:
        crucible.run(cached(server.url, tmp_path / "cache"), out=tmp_path / "one")
        limits = LimitsConfig(requests_per_minute=1, max_cost_usd=1e-9)
        result = crucible.run(
            cached(server.url, tmp_path / "cache", reliability={"limits": limits}), out=tmp_path / "two"
        )
    assert (result.status, result.stopped) == ("completed", None)
    assert figures(result)["limits"]["money"]["spent_usd"] == 0


def test_damaged_replies_are_asked_again_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ModelServer(echo) as server:
        file = tmp_path / "experiment.json"
        file.write_bytes(msgspec.json.encode(cached(server.url, tmp_path / "cache")))
        command = ["run", str(file), "--out", str(tmp_path / "runs"), "--quiet"]
        assert invoke(command) == 0
        (kept,) = (tmp_path / "cache").iterdir()
        kept.write_bytes(kept.read_bytes().replace(b"question 3,", b"question X,"))
        assert invoke(["cache", "info", str(tmp_path / "cache")]) == 0
        said = capsys.readouterr().out
        kilobytes = f"{kept.stat().st_size / 1e3:,.0f}"
        assert f"cache: replies {ROWS - 1}, files 1, kilobytes {kilobytes}\n" in said
        assert "damaged entries, which are skipped: 1" in said
        assert invoke(command) == 0
        assert server.asked[ROWS:] == ["question 3"]
    assert "note: backend_call: damaged entries of the cache that were skipped: 1" in capsys.readouterr().out
    assert invoke(["cache", "clear", str(tmp_path / "cache")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'cache'}: files deleted: 1\n"


def test_a_run_without_the_cache_asks_everything_anew_and_keeps_nothing(tmp_path: Path) -> None:
    with ModelServer(echo) as server:
        file = tmp_path / "experiment.json"
        file.write_bytes(msgspec.json.encode(cached(server.url, tmp_path / "cache", rows=3)))
        command = ["run", str(file), "--out", str(tmp_path / "runs"), "--quiet"]
        for expected, options in ((3, ["--no-cache"]), (6, []), (9, ["--no-cache"]), (9, [])):
            assert invoke([*command, *options]) == 0
            assert len(server.asked) == expected


def test_no_secret_and_no_prompt_is_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    with ModelServer(lambda _prompt, _before: (0.0, "a")) as server:
        backend = model(server.url, api_key="env:SOME_KEY", headers={"x-own": "env:SOME_KEY"})
        crucible.run(cached("", tmp_path / "cache", backend=backend), out=tmp_path / "runs")
    content = b"".join(path.read_bytes() for path in (tmp_path / "cache").iterdir())
    assert content
    for hidden in (b"sk-very-secret", b"SOME_KEY", b"question"):
        assert hidden not in content


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with ModelServer(echo) as server:
        with pytest.raises(crucible.messages.errors.OutputError, match="cannot keep the cache"):
            crucible.run(cached(server.url, tmp_path / "cache"), out=tmp_path / "runs")
        assert server.asked == []
    assert list((tmp_path / "runs").iterdir()) == []


async def test_two_runs_at_once_share_a_folder(tmp_path: Path) -> None:
    with ModelServer(echo) as server:
        async with crucible.Supervisor(out=tmp_path / "runs") as supervisor:
            runs = [await supervisor.submit(cached(server.url, tmp_path / "cache")) for _ in range(2)]
            results = [await run.result() for run in runs]
        assert [result.status for result in results] == ["completed", "completed"]
        asked = len(server.asked)
    with ModelServer(echo) as unused:
        made = cached(server.url, tmp_path / "cache")
        async with crucible.Supervisor(out=tmp_path / "again") as supervisor:
            result = await (await supervisor.submit(made)).result()
        assert unused.asked == []
    assert asked <= 2 * ROWS
    assert figures(result)["cache"]["hits"] == ROWS
