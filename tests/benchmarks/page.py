"""How long the page takes to show: 10,000 runs in the queue, and the first samples of a run of 5,000.

    PYTHONPATH=. python tests/benchmarks/page.py

A real Chromium over loopback, the queue in SQLite. First paint is the browser's own first-contentful-paint;
content is when the list of runs stands in the page; both are counted from the start of navigation. The
processor time of a request is that of this process, which serves and does nothing else at that moment.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import msgspec
from playwright.async_api import async_playwright
from tests.browser.conftest import CHROMIUM
from tests.integration.daemon import TOKEN, Daemon, sample

from crucible.adapters.stores.sqlite import SqliteStore
from crucible.messages.experiment_file import encode_experiment, load_experiment
from crucible.messages.queue import NewRun

RUNS, SAMPLES, REPEATS = 10_000, 5_000, 7
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


async def fill(daemon: Daemon) -> None:
    claims = load_experiment(Path("config/experiments/claims.toml"))
    for start in range(0, RUNS, 500):
        await asyncio.gather(
            *(
                daemon.store.submit(
                    NewRun(
                        id=f"run-{number}",
                        experiment_id="claims",
                        spec=encode_experiment(msgspec.structs.replace(claims, seed=number)),
                        spec_hash=str(number),
                        base="/",
                    )
                )
                for number in range(start, start + 500)
            )
        )
    text = "CLAIM[c1]: " + "lamps shine and wires glow " * 40
    output = {"example_id": "s", "system": "m", "backend": "mock", "text": text}
    lines = b"".join(sample(number, input=text * 2, outputs={"m": output}) for number in range(SAMPLES))
    (daemon.run_folder("run-1") / "samples.jsonl").write_bytes(lines)


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon = Daemon(folder, store=await SqliteStore.open(folder))
        async with daemon.serve(), async_playwright() as playwright:
            await fill(daemon)
            async with daemon.client() as client:
                for path, what in (
                    ("/api/v1/runs?limit=50", f"API, first page of {RUNS:,} runs"),
                    ("/view/runs/run-1/samples", f"page, first samples of {SAMPLES:,}"),
                ):
                    wall, cpu = [], []
                    for _ in range(REPEATS):
                        began, used = time.perf_counter(), time.process_time()
                        (await client.get(path)).raise_for_status()
                        wall.append(time.perf_counter() - began)
                        cpu.append(time.process_time() - used)
                    print(f"{what}: first {1000 * wall[0]:.0f} ms ({cpu[0]:.3f} s CPU), then median "
                          f"{1000 * statistics.median(wall[1:]):.0f} ms")  # fmt: skip
            assert CHROMIUM is not None, "needs chromium"
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            paints, contents = [], []
            for _ in range(REPEATS):
                page = await (await browser.new_context()).new_page()
                await page.goto(f"{daemon.url}/#token={TOKEN}")
                await page.wait_for_selector("tbody tr")
                contents.append(await page.evaluate("performance.now()"))
                paints.append(await page.evaluate(PAINT))
            print(f"first paint with {RUNS:,} runs: median {statistics.median(paints):.0f} ms, "
                  f"runs in the list after {statistics.median(contents):.0f} ms")  # fmt: skip
            await browser.close()
        await daemon.store.aclose()


if __name__ == "__main__":
    asyncio.run(main())
