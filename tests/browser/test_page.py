"""The page in a browser: what people see, what they can do, and what a hostile text cannot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page, expect
from tests.integration.daemon import TOKEN, Daemon, as_stored, experiment, sample

from crucible.messages.experiment_file import encode_experiment
from crucible.messages.findings import Comparison, Interval, Metric
from crucible.messages.flow import StageResult
from crucible.messages.live import ActorView, LiveEvent, LiveRun, LiveStage
from crucible.messages.queue import DaemonRecord, NewRun, NewSchedule, Settlement, StageRecord

from .conftest import Watched

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\'"&\u202e</pre>'
CLAIMS = "CLAIM[c1]: Lamps shine\nCLAIM[c2] (Document 1): Wires glow\nRELATION: c2 supports c1\n"


async def submit(daemon: Daemon, run_id: str, **changes: Any) -> None:
    spec = encode_experiment(as_stored(experiment(daemon.folder)))
    new = {"id": run_id, "experiment_id": "small", "spec": spec, "spec_hash": run_id, "base": "/"} | changes
    await daemon.store.submit(NewRun(**new))


async def claim(daemon: Daemon, run_id: str) -> int:
    record = DaemonRecord(
        id="test", boot_id="1", host="here", pid=1, started_at=0.0, heartbeat_at=0.0, capacity=2
    )
    await daemon.store.register(record, max_interruptions=3)
    [lease] = [
        each for each in await daemon.store.claim("test", limit=100, ttl_s=300.0) if each.run.id == run_id
    ]
    return lease.token


async def submit_measured(daemon: Daemon, run_id: str) -> None:
    """A completed run whose model was held against a baseline."""
    content = experiment(daemon.folder, baselines=[{"id": "lead"}])
    await submit(daemon, run_id, spec=encode_experiment(as_stored(content)))
    token = await claim(daemon, run_id)
    means = {"mock": 0.7, "lead": 0.1}
    figures = tuple(
        Metric(name="f1", value=value, n=12, method="mean", system=system) for system, value in means.items()
    )
    interval = Interval(low=0.1, high=0.9, level=0.95, method="bootstrap")
    comparison = Comparison(
        metric="f1", system="mock", baseline="lead", n=12, n_clusters=None, mean_system=0.7,
        mean_baseline=0.1, difference=0.6, interval=interval, verdict="better",
    )  # fmt: skip
    result = StageResult(stage="bench", status="completed", figures=figures, comparisons=(comparison,))
    record = StageRecord(
        run_id=run_id, name="bench", input_hash="h", status="completed", result=msgspec.json.encode(result),
        token=token,
    )  # fmt: skip
    await daemon.store.record_stage(record)
    metrics = {"seconds": 1.0, "f1": 0.7, "verdict": "f1: better than lead"}
    settled = Settlement(state="completed", metrics=metrics)
    await daemon.store.settle(run_id, token, settled)


def moves(daemon: Daemon, run_id: str, done: int) -> None:
    stages = (
        LiveStage(name="data_load", state="completed", done=90, total=90),
        LiveStage(
            name="backend_call", state="running", done=done, total=90, mailbox=8, mailbox_capacity=8, rate=3.0
        ),
    )
    daemon.live.under_way[run_id] = LiveRun(run_id=run_id, experiment_id="small", since=0.0, stages=stages)
    daemon.live.tell(LiveEvent(run_id=run_id, kind="stage.progress", at=0.0, body={"done": done}))


async def test_without_the_token_the_page_asks_for_it(browser: BrowserContext, daemon: Daemon) -> None:
    await submit(daemon, "secret-run")
    page = await browser.new_page()
    await page.goto(daemon.url)
    await expect(page.get_by_label("Token")).to_be_visible()
    assert "secret-run" not in await page.content()
    await page.get_by_label("Token").fill("wrong")
    await page.get_by_role("button", name="Open").click()
    await expect(page.get_by_role("alert")).to_have_text("That token is not the one of this daemon.")
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Open").click()
    await expect(page.get_by_role("link", name="secret-run")).to_be_visible()


async def test_the_token_leaves_the_address_and_outlives_a_reload(watched: Watched) -> None:
    page = await watched.open()
    assert page.url == f"{watched.daemon.url}/"
    await page.reload()
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert await page.context.cookies() == []


async def test_a_run_that_is_submitted_appears_by_itself(watched: Watched) -> None:
    page = await watched.open()
    await expect(page.get_by_text("No run yet.")).to_be_visible()
    await expect(page.locator("#link")).to_have_text("live")
    await submit(watched.daemon, "first-run")
    await expect(page.get_by_role("link", name="first-run")).to_be_visible()
    await expect(page.locator("#counts .tile").first).to_contain_text("1")


async def test_a_run_is_watched_while_it_moves(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    token = await claim(daemon, "r1")
    moves(daemon, "r1", 10)
    page = await watched.open("/runs/r1")
    stage = page.locator(".stage", has_text="backend_call")
    await expect(stage).to_contain_text("10 of 90")
    await expect(stage).to_contain_text("8 of 8 batches wait: it holds the others up")
    await page.locator("#do-pause").focus()
    moves(daemon, "r1", 37)
    await expect(stage).to_contain_text("37 of 90")
    assert await page.evaluate("document.activeElement.id") == "do-pause"
    del daemon.live.under_way["r1"]
    await daemon.store.settle("r1", token, Settlement(state="completed"))
    await expect(page.locator("#head .state")).to_contain_text("completed")
    await expect(page.locator("#link")).to_have_text("up to date")


async def test_curves_grow_with_the_samples(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    await claim(daemon, "r1")
    file = daemon.run_folder("r1") / "samples.jsonl.partial"
    file.write_bytes(sample(1) + sample(2))
    moves(daemon, "r1", 2)
    page = await watched.open("/runs/r1")
    legend = page.locator("#curves .legend")
    await expect(legend).to_contain_text("mock 0.500")
    with file.open("ab") as more:
        more.write(sample(3) + sample(5))
    moves(daemon, "r1", 4)
    await expect(legend).to_contain_text("mock 0.750")


async def test_a_run_is_cancelled_from_the_page(watched: Watched) -> None:
    await submit(watched.daemon, "r1")
    page = await watched.open("/runs/r1")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#head .state")).to_contain_text("cancelled")
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()
    assert (await watched.daemon.store.run("r1")).state == "cancelled"


async def test_hostile_texts_are_shown_and_do_nothing(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1", owner=HOSTILE, labels={HOSTILE: HOSTILE}, experiment_id=HOSTILE)
    await daemon.store.cancel("r1", HOSTILE)
    output = {"example_id": "s", "system": HOSTILE, "backend": "mock", "text": CLAIMS + HOSTILE}
    (daemon.run_folder("r1") / "samples.jsonl").write_bytes(
        sample(
            1,
            id=HOSTILE,
            input=HOSTILE,
            reference=HOSTILE,
            outputs={HOSTILE: output},
            scores={HOSTILE: {HOSTILE: 1.0}},
            methods={HOSTILE: {HOSTILE: HOSTILE}},
        )
    )
    (daemon.run_folder("r1") / HOSTILE.replace("/", "")).write_text("x")
    page = await watched.open("/")
    for path in ("/runs/r1", "/runs/r1/samples", "/runs/r1/samples/0"):
        await page.goto(daemon.url + path)
        await page.wait_for_selector("[data-title]")
        assert "onerror" in await page.inner_text("main")
        assert await page.evaluate("window.pwned") is None
        assert await page.locator("main img, main script, main iframe").count() == 0
        assert "\u202e" not in await page.inner_text("main")


async def test_samples_are_found_by_text_and_filtered_by_score(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    (daemon.run_folder("r1") / "samples.jsonl").write_bytes(b"".join(sample(number) for number in range(60)))
    page = await watched.open("/runs/r1/samples")
    await expect(page.locator("tbody tr")).to_have_count(25)
    await page.get_by_role("link", name="more").click()
    await expect(page.locator("tbody tr").first).to_contain_text("s25")
    await page.keyboard.press("/")
    await page.keyboard.type("answer 41")
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert "text=answer+41" in page.url
    await page.get_by_label("Find").fill("")
    await page.get_by_label("Score").fill("exact")
    await page.get_by_label("to", exact=True).fill("0.5")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("tbody tr").nth(1)).to_contain_text("s2")
    await page.go_back()
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_a_sample_shows_what_differs_and_draws_its_claims(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    output = {"example_id": "s1", "system": "m", "backend": "mock", "text": CLAIMS}
    reference = CLAIMS.replace("Wires", "Coals")
    (daemon.run_folder("r1") / "samples.jsonl").write_bytes(
        sample(1, outputs={"m": output}, reference=reference) + sample(2)
    )
    page = await watched.open("/runs/r1/samples/0")
    await expect(page.locator(".diff ins")).to_have_text("Wires")
    await expect(page.locator(".diff del")).to_have_text("Coals")
    await expect(page.locator(".claims .node")).to_have_count(2)
    assert await page.locator(".claims").get_attribute("aria-label") == "c2 supports c1; "
    await page.get_by_role("link", name="next").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("s2")


async def test_a_file_opens_in_a_tab_of_its_own(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    (daemon.run_folder("r1") / "report.md").write_text("# It works\n")
    page = await watched.open("/runs/r1")
    async with page.context.expect_page() as opening:
        await page.get_by_role("button", name="report.md").click()
    tab = await opening.value
    await tab.wait_for_url("**/files/report.md?ticket=*")
    assert (await tab.inner_text("body")).strip() == "# It works"


async def test_files_in_folders_are_folded_in_the_order_of_their_numbers_and_stay_unfolded(
    watched: Watched,
) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    await claim(daemon, "r1")
    folder = daemon.run_folder("r1") / "checkpoints"
    folder.mkdir()
    for number in (1, 2, 10):
        (folder / f"epoch-{number}.npz").write_text("x")
    page = await watched.open("/runs/r1")
    await page.locator("#files summary").click()
    names = page.locator("#files details button")
    await expect(names).to_have_text([f"checkpoints/epoch-{number}.npz" for number in (1, 2, 10)])
    (folder / "epoch-11.npz").write_text("x")
    moves(daemon, "r1", 1)
    await expect(names).to_have_count(4)
    await expect(names.last).to_be_visible()


async def test_the_results_of_a_run_come_first(watched: Watched) -> None:
    await submit_measured(watched.daemon, "r1")
    page = await watched.open("/runs/r1")
    assert await page.locator("h2").first.inner_text() == "Results"
    row = page.get_by_role("row", name="f1")
    await expect(row).to_contain_text("0.700")
    await expect(row).to_contain_text("better")
    await expect(row).to_contain_text("+0.600, 0.100 to 0.900, 12 pairs")
    await page.get_by_role("link", name="Runs").first.click()
    await expect(page.locator("#row-r1 .now")).to_have_text("f1 0.700f1: better than lead")


async def test_runs_of_one_experiment_are_told_apart_in_the_list(watched: Watched) -> None:
    daemon = watched.daemon
    printable = HOSTILE.replace("\u202e", "")
    for name, changes, labels in (
        ("r1", {"seed": 1}, {"team": "search"}),
        ("r2", {"seed": 2, "backend": {"id": "mock", "name": "large"}}, {printable: printable}),
    ):
        spec = encode_experiment(as_stored(experiment(daemon.folder, **changes)))
        await submit(daemon, name, spec=spec, labels=labels)
    page = await watched.open()
    await expect(page.locator("#row-r1 .apart")).to_have_text("mockseed 1team: search")
    await expect(page.locator("#row-r2 .apart")).to_contain_text("largeseed 2")
    assert await page.evaluate("window.pwned") is None
    await page.get_by_role("link", name="team: search").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_label("Label", exact=True)).to_have_value("team:search")
    await page.get_by_role("link", name="show all").click()
    await page.locator("#row-r2 .tag").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("#row-r2")).to_be_visible()


async def test_while_a_run_is_tried_again_the_page_says_what_went_wrong_before(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    token = await claim(daemon, "r1")
    page = await watched.open("/runs/r1")
    await expect(page.locator("#head .state")).to_contain_text("running")
    assert await page.locator(".failing").count() == 0
    said = "attempt 1 of 3 failed: no connection to nowhere.invalid"
    await daemon.store.settle("r1", token, Settlement(state="queued", reason=said))
    await expect(page.locator("#head .reason").first).to_have_text(said)
    token = await claim(daemon, "r1")
    await expect(page.locator("#head .failing")).to_have_text(said)
    await daemon.store.settle("r1", token, Settlement(state="queued", reason="again", delay_s=600.0))
    await expect(page.locator("#head")).to_contain_text("Tried again in 9 min")
    await daemon.store.cancel("r1", "enough")
    await expect(page.locator("#head .state")).to_contain_text("cancelled")
    await expect(page.locator(".failing")).to_have_count(0)


async def test_there_is_no_heading_of_curves_without_a_curve(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    await claim(daemon, "r1")
    file = daemon.run_folder("r1") / "samples.jsonl.partial"
    file.write_bytes(sample(1, scores={}))
    moves(daemon, "r1", 1)
    page = await watched.open("/runs/r1")
    await expect(page.get_by_role("heading", name="Stages")).to_be_visible()
    assert await page.get_by_role("heading", name="Curves").count() == 0
    with file.open("ab") as more:
        more.write(sample(2))
    moves(daemon, "r1", 2)
    await expect(page.get_by_role("heading", name="Curves")).to_be_visible()


@pytest.mark.parametrize("width", [360, 640, 700, 900, 1280])
async def test_the_words_of_a_form_stand_beside_their_inputs(watched: Watched, width: int) -> None:
    await fill(watched.daemon)
    page = await watched.open()
    await page.set_viewport_size({"width": width, "height": 740})
    for path in ("/", "/runs/r1/samples"):
        await page.goto(watched.daemon.url + path)
        await page.wait_for_selector("[data-title]")
        for label in await page.locator(".filters label").all():
            word = await label.bounding_box()
            box = await page.locator(f"#{await label.get_attribute('for')}").bounding_box()
            assert word is not None
            assert box is not None
            assert word["x"] + word["width"] <= box["x"]
            assert box["y"] <= word["y"] + word["height"] / 2 <= box["y"] + box["height"], (path, width)


async def test_a_page_without_a_stream_says_that_the_daemon_is_gone_and_when_it_is_back(
    watched: Watched,
) -> None:
    page = await watched.open("/actors")
    await expect(page.locator("#link")).to_have_text("up to date")
    await page.context.set_offline(True)
    await expect(page.locator("#link")).to_have_text("reconnecting")
    await page.context.set_offline(False)
    await expect(page.locator("#link")).to_have_text("up to date")
    watched.complaints[:] = [line for line in watched.complaints if "ERR_INTERNET_DISCONNECTED" not in line]


async def test_races_and_votes_are_counted_while_they_go_on(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    await claim(daemon, "r1")
    output = {"example_id": "s1", "system": "mock", "backend": "mock", "text": "answer"}
    race = {"hedged": True, "winner": "hedge", "duplicates": 1, "cancelled": 1}
    votes = {"status": "decided", "strategy": "majority", "reason": "two of three", "agreement": 0.75}
    file = daemon.run_folder("r1") / "samples.jsonl.partial"
    file.write_bytes(sample(1, outputs={"mock": output | {"race": race}}))
    page = await watched.open("/runs/r1")
    panel = page.locator("#racing .panel")
    await expect(panel).to_have_count(1)
    await expect(panel).to_contain_text("hedged1 (100.0%)")
    with file.open("ab") as more:
        more.write(sample(2, outputs={"mock": output | {"race": race | {"hedged": False}}}))
        more.write(sample(3, outputs={"mock": output | {"ballots": votes}}))
    moves(daemon, "r1", 3)
    await expect(panel).to_have_count(2)
    await expect(panel.first).to_contain_text("hedged1 (50.0%)")
    await expect(panel.last).to_contain_text("mean agreement0.750")
    await expect(page.locator("#racing")).to_contain_text("Agreement, mean so far")


async def test_actors_are_a_tree_with_what_waits_and_what_restarted(watched: Watched) -> None:
    page = await watched.open("/actors")
    leaf = page.locator("#tree ul .actor")
    await expect(leaf).to_contain_text("run-1")
    await expect(leaf).to_contain_text("3 waiting")
    stage = ActorView(
        name="stage", kind="StageActor", state="running", mailbox=8, mailbox_capacity=8, restarts=2
    )
    watched.daemon.live.actors = lambda: ActorView(  # type: ignore[method-assign]
        name="crucible", kind="root", state="running", children=(stage,)
    )
    await expect(leaf).to_contain_text("8 of 8 waiting")  # by itself
    await expect(leaf).to_contain_text("2 restarts")


async def test_flagged_samples_are_found(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    finding = {"detector": "regex", "category": "injection", "confidence": 0.9, "start": 0, "end": 3}
    verdict = {"side": "input", "flagged": True, "findings": [finding]}
    lines = sample(1) + sample(2, verdicts=[verdict]) + sample(3, outputs={})
    (daemon.run_folder("r1") / "samples.jsonl").write_bytes(lines)
    page = await watched.open("/runs/r1/samples")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.get_by_label("Verdict").select_option("flagged")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody tr")).to_contain_text("flagged")
    await page.get_by_role("link", name="s2").click()
    await expect(page.locator("main")).to_contain_text("input: injection (regex, 0.900)")


async def test_doubtful_answers_are_found_and_labelled_by_keyboard(watched: Watched) -> None:
    daemon = watched.daemon
    await submit(daemon, "r1")
    outputs = {
        name: {"example_id": "s2", "system": name, "backend": "mock", "text": "x"} for name in ("m", HOSTILE)
    }
    scores = {HOSTILE: {"citation_hallucination_rate": 0.5}}
    (daemon.run_folder("r1") / "samples.jsonl").write_bytes(
        sample(1) + sample(2, outputs=outputs, scores=scores) + sample(3)
    )
    page = await watched.open("/runs/r1/samples")
    await page.get_by_label("Verdict").select_option("doubtful")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator("tbody")).to_have_count(1)
    await page.get_by_role("link", name="s2").click()
    await expect(page.locator(".doubt")).to_contain_text("Doubtful: ")
    await page.get_by_label("Label as").fill(HOSTILE)
    await tab_to(page, "#judge-2-reject")
    await page.keyboard.press("Enter")
    await expect(page.locator("#judge-2 .given")).to_contain_text("reject by <img")
    assert await page.evaluate("document.activeElement.id") == "judge-2-reject"
    assert await page.evaluate("window.pwned") is None
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#judge-2 .given")).to_contain_text("unsure by <img")
    assert await page.locator("#judge-1 .given").count() == 0
    [kept] = (daemon.run_folder("r1") / "page-labels.jsonl").read_bytes().splitlines()
    told = json.loads(kept)
    assert (told["example"], told["system"], told["label"]) == ("s2", HOSTILE, "unsure")
    await page.reload()
    await expect(page.get_by_label("Label as")).to_have_value(HOSTILE)
    await page.get_by_role("button", name="take mine back").click()
    await expect(page.locator("#judge-2 .given")).to_have_count(0)
    assert await violations(page) == []


async def test_what_is_not_there_is_said(watched: Watched) -> None:
    await watched.page.goto(f"{watched.daemon.url}/runs/nobody#token={TOKEN}")
    await expect(watched.page.get_by_role("heading", name="Not found")).to_be_visible()
    await expect(watched.page.locator("main")).to_contain_text("nobody")
    watched.complaints[:] = [line for line in watched.complaints if "404" not in line]


async def test_the_page_comes_back_when_the_stream_breaks(watched: Watched) -> None:
    page = await watched.open()
    await expect(page.locator("#link")).to_have_text("live")
    await page.context.set_offline(True)
    for _, queue in list(watched.daemon.live.queues):
        queue.put_nowait(None)
    await page.context.set_offline(False)
    await submit(watched.daemon, "later-run")
    await expect(page.get_by_role("link", name="later-run")).to_be_visible()
    watched.complaints[:] = [line for line in watched.complaints if "ERR_INTERNET_DISCONNECTED" not in line]


async def plan(daemon: Daemon, name: str, next_at: float, **changes: Any) -> None:
    spec = encode_experiment(as_stored(experiment(daemon.folder)))
    new = {"experiment_id": "small", "spec": spec, "spec_hash": "h", "base": "/", "cron": "0 3 * * *"}
    await daemon.store.put_schedule(NewSchedule(**{"id": name, "next_at": next_at, **new, **changes}))


async def test_schedules_tell_when_they_are_due_and_what_became_of_the_last_run(watched: Watched) -> None:
    daemon = watched.daemon
    page = await watched.open("/schedules")
    await expect(page.get_by_text("No schedule yet.")).to_be_visible()
    await plan(daemon, "later", 4102459200.0, owner=HOSTILE, experiment_id=HOSTILE)
    await plan(daemon, "sooner", 4102452000.0, cron="0 2 * * 1", owner="ada", priority=7)
    await page.get_by_role("link", name="Schedules").click()
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(2)
    for told in ("sooner", "priority 7", "0 2 * * 1", "on", "2100-01-01 02:00", "none yet", "small", "ada"):
        await expect(rows.first).to_contain_text(told)
    assert await page.evaluate("window.pwned") is None
    assert "onerror" in await rows.nth(1).inner_text()
    await expect(page.locator("#link")).to_have_text("live")
    await daemon.store.fire("sooner", due_at=4102452000.0, next_at=4102462800.0, run_id="by-clock")
    await expect(rows.nth(1)).to_contain_text("2100-01-01 05:00")  # it is due after the other one by now
    await expect(rows.nth(1)).to_contain_text("queued")
    await daemon.work("by-clock")
    await expect(rows.nth(1)).to_contain_text("completed")
    await page.get_by_role("button", name="Pause sooner").click()
    await expect(rows.nth(1)).to_contain_text("paused")
    assert [each.enabled for each in await daemon.store.schedules()] == [True, False]
    await page.get_by_role("button", name="Resume sooner").click()
    await expect(page.get_by_role("button", name="Pause sooner")).to_be_visible()
    assert all(each.enabled for each in await daemon.store.schedules())
    rows = page.locator("tbody tr", has_text="sooner")  # due at its next time again, which is the first
    await rows.get_by_role("link", name="by-clock").click()
    await expect(page.locator("#head .state")).to_contain_text("completed")


async def fill(daemon: Daemon) -> None:
    """Runs in several states, with samples of claims."""
    await submit_measured(daemon, "done-1")
    await submit(daemon, "r1", priority=3)
    await claim(daemon, "r1")
    moves(daemon, "r1", 20)
    await submit(daemon, "waits")
    await submit(daemon, "gone")
    await daemon.store.cancel("gone", "not wanted any more")
    output = {"example_id": "s1", "system": "m", "backend": "mock", "text": CLAIMS, "error": None}
    lines = sample(1, outputs={"m": output}, reference=CLAIMS.replace("glow", "melt")) + sample(2)
    (daemon.run_folder("r1") / "samples.jsonl.partial").write_bytes(lines)
    await plan(daemon, "nightly", 4102444800.0, priority=2)
    await plan(daemon, "weekly", 4102444900.0)
    await plan(daemon, "paused", 4102444800.0)
    await daemon.store.pause_schedule("paused")
    await daemon.store.fire("weekly", due_at=4102444900.0, next_at=4102449900.0, run_id="from-the-clock")


PATHS = (
    *(
        "/",
        "/runs/done-1",
        "/runs/r1",
        "/runs/gone",
        "/runs/r1/samples",
        "/runs/r1/samples/0",
        "/compare",
        "/schedules",
    ),
    "/actors",
)


async def violations(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds against WCAG 2.1 AA."""
    found = await Axe().run(
        page, options={"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
    )
    return [
        (each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found.response["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_meets_wcag_aa_in_light_and_dark(watched: Watched, scheme: Any) -> None:
    await fill(watched.daemon)
    page = await watched.open()
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for path in PATHS:
        await page.goto(watched.daemon.url + path)
        await page.wait_for_selector("[data-title]")
        assert await violations(page) == [], path


async def test_a_phone_need_not_scroll_sideways(watched: Watched) -> None:
    await fill(watched.daemon)
    page = await watched.open()
    await page.set_viewport_size({"width": 360, "height": 740})
    for path in PATHS:
        await page.goto(watched.daemon.url + path)
        await page.wait_for_selector("[data-title]")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path


async def tab_to(page: Page, selector: str) -> None:
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


async def test_everything_is_reached_by_keyboard(watched: Watched) -> None:
    await fill(watched.daemon)
    page = await watched.open()
    await tab_to(page, "a[href='/runs/r1']")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("small")
    await tab_to(page, "#do-cancel")
    await page.keyboard.press("Enter")
    await expect(page.locator("#head")).to_contain_text("Will be cancelled")
    await page.goto(watched.daemon.url)
    await page.wait_for_selector("[data-title]")
    await tab_to(page, "a[href='/schedules']")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Schedules")
    await tab_to(page, "a[href='/runs/from-the-clock']")


async def test_runs_are_compared(watched: Watched, tmp_path: Path) -> None:
    import asyncio

    from tests.integration.support import COMMAND

    daemon = watched.daemon
    for number, answers in enumerate(("c", "no")):
        content = experiment(
            tmp_path,
            backend={"id": "mock", "name": f"m{number}", "options": {"replies": [{"text": answers}]}},
            pipeline=[{"name": name} for name in ("data_load", "backend_call", "bench", "report")],
        )
        file = tmp_path / f"e{number}.json"
        file.write_text(json.dumps(content))
        process = await asyncio.create_subprocess_exec(
            COMMAND, "run", str(file), "--out", str(tmp_path / "made"), "--quiet"
        )
        assert await process.wait() == 0
        [made] = (tmp_path / "made").iterdir()
        shutil.move(made, daemon.folder / "runs" / f"run-{number}")
        await submit(daemon, f"run-{number}")
        await daemon.work(f"run-{number}")
    page = await watched.open("/runs/run-0/trace")
    bars = page.locator(".timeline .bar")
    assert await bars.count() > 5
    await expect(page.locator(".timeline")).to_contain_text("backend_call")
    await page.get_by_text("The same as a table").click()
    await expect(page.locator("#spans tbody tr")).to_have_count(await bars.count())
    await page.get_by_role("link", name="Runs").first.click()
    for number in range(2):
        await page.get_by_label(f"Compare run-{number}").check()
    await page.get_by_role("button", name="Compare chosen").click()
    await expect(page.get_by_role("heading", name="Differences")).to_be_visible()
    row = page.get_by_role("row", name="exact_match").first
    await expect(row).to_contain_text("1.000")
    runs = page.url.partition("?runs=")[2]
    assert sorted(runs.split(",")) == ["run-0", "run-1"]
    await watched.open(f"/compare?runs={runs}")  # somebody else opens the link
    await expect(page.get_by_role("heading", name="Differences")).to_be_visible()
    assert await violations(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
