"""The report in a browser: what stands in view, on a phone and on a desk, in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page
from tests.adapters.reports.conftest import make_report

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.html import render_html

pytestmark = pytest.mark.browser

WIDTHS = (400, 1024, 1280, 1920)


@pytest.fixture(scope="module")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = make_report()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(build_document(report), report))
    return path


async def opened(browser: BrowserContext, path: Path, width: int) -> Page:
    page = await browser.new_page()
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("width", WIDTHS)
async def test_every_verdict_stands_in_view_and_the_page_never_scrolls_sideways(
    browser: BrowserContext, report_page: Path, width: int
) -> None:
    page = await opened(browser, report_page, width)
    ends = await page.eval_on_selector_all(
        "#comparisons .tone", "(all) => all.map((each) => each.getBoundingClientRect().right)"
    )
    assert len(ends) == 4
    assert all(0 < end <= width for end in ends)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_on_a_desk_no_table_that_is_open_is_cut(browser: BrowserContext, report_page: Path) -> None:
    page = await opened(browser, report_page, 1280)
    cut = await page.eval_on_selector_all(
        ".band > .scroll",
        "(all) => all.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.ariaLabel)",
    )
    assert cut == []


async def test_on_paper_no_table_of_comparisons_is_cut_and_letters_are_told(
    browser: BrowserContext, report_page: Path
) -> None:
    page = await opened(browser, report_page, 718)  # A4 with margins of 1 cm
    await page.emulate_media(media="print")
    fits = "(table) => table.scrollWidth <= table.clientWidth"
    assert await page.eval_on_selector("#comparisons .band > .scroll", fits)
    assert await page.locator("#results .on-paper").first.is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_report_meets_wcag_aa(
    browser: BrowserContext, report_page: Path, theme: Literal["light", "dark"]
) -> None:
    page = await opened(browser, report_page, 1280)
    await page.emulate_media(color_scheme=theme)
    await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
    found = await Axe().run(page, options=options)
    assert found.violations_count == 0, found.generate_report()
