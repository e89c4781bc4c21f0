"""A real browser: Debian's Chromium, driven by Playwright; without it these tests are skipped."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright
from tests.integration.daemon import TOKEN, Daemon

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with Daemon(tmp_path).serve() as served:
        yield served


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One browser for all tests: the address that it is driven at."""
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    folder = tmp_path_factory.mktemp("chromium")
    # Whoever runs the tests as root, as a container does, has no sandbox.
    process = subprocess.Popen(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
         f"--user-data-dir={folder}", "about:blank"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        told = next(line for line in process.stderr if line.startswith("DevTools listening on "))
        reading = threading.Thread(target=process.stderr.read)  # or the pipe fills up
        reading.start()
        yield told.removeprefix("DevTools listening on ").strip()
    finally:
        process.terminate()
        process.wait()
    reading.join()
    process.stderr.close()


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[BrowserContext]:
    """A profile of its own for each test."""
    async with async_playwright() as playwright:
        connected = await playwright.chromium.connect_over_cdp(chromium)
        context = await connected.new_context()
        context.set_default_timeout(30_000)
        try:
            yield context
        finally:
            await context.close()
            await connected.close()


class Watched:
    """A page with all that it complained about and all that it asked for."""

    def __init__(self, page: Page, daemon: Daemon) -> None:
        self.page = page
        self.daemon = daemon
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("dialog", lambda dialog: dialog.accept())

    async def open(self, path: str = "/") -> Page:
        """Open an address with the token, as from the link that the daemon prints."""
        await self.page.goto(f"{self.daemon.url}{path}#token={TOKEN}")
        await self.page.wait_for_selector("[data-title]")
        return self.page


@pytest.fixture
async def watched(browser: BrowserContext, daemon: Daemon) -> AsyncIterator[Watched]:
    watched = Watched(await browser.new_page(), daemon)
    yield watched
    assert watched.complaints == []
    strangers = [url for url in watched.asked if not url.startswith((daemon.url, "data:"))]
    assert strangers == []
