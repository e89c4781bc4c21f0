"""The HTML page of a trace: what is in it, that no text of a run can act, and that a browser shows it."""

import hashlib
import json
import re
import shutil
import subprocess
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from crucible.adapters.tracing import StoredTrace
from crucible.adapters.tracing.query import Query
from crucible.adapters.tracing.viewer import viewer

from .traces import HOSTILE, hostile, raced, span, stored

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """The elements of a page, and what its scripts hold."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._in = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = (dict(attrs).get("id") or tag) if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.texts[self._in] = self.texts.get(self._in, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    @property
    def rows(self) -> list[list[Any]]:
        found: list[list[Any]] = json.loads(self.texts["spans"])
        return found

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.texts["facts"])
        return found


def page(trace: StoredTrace, *conditions: str, **options: int) -> str:
    return b"".join(viewer(trace, Query(conditions), **options)).decode()


def test_the_page_holds_every_span_with_its_decisions(tmp_path: Path) -> None:
    read = Page(page(stored(tmp_path, raced())))
    assert [row[0] for row in read.rows] == [3, 6, 4, 5, 7, 2, 1]
    words = read.facts["strings"]
    hedge = read.rows[1]
    assert [words[number] for number in hedge[4:9]] == [
        "hedge model", "hedge", "backend_call", "backend_call/0 hedge", "ok",
    ]  # fmt: skip
    assert read.rows[2][10][1]["chosen"] == "hedge model"
    assert read.facts["total"] == 7
    assert not read.facts["cutOff"]


def test_text_of_a_run_adds_no_element_to_the_page(tmp_path: Path) -> None:
    sound, bad = Page(page(stored(tmp_path / "a", raced()))), Page(page(stored(tmp_path / "b", hostile())))
    assert bad.tags == sound.tags
    assert {row[9].get("example") for row in bad.rows} >= set(HOSTILE)


def test_the_page_asks_for_nothing_and_allows_only_its_own_script_and_style(tmp_path: Path) -> None:
    content = page(stored(tmp_path, raced()))
    read = Page(content)
    assert not [tag for tag, attributes in read.tags if {"src", "href", "action", "style"} & set(attributes)]
    policy = next(attributes["content"] or "" for tag, attributes in read.tags if "http-equiv" in attributes)
    for name, kind in (("script", "script-src"), ("style", "style-src")):
        digest = b64encode(hashlib.sha256(read.texts[name].encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?://", content)
    assert "innerHTML" not in read.texts["script"]


def test_conditions_choose_the_spans_but_run_and_stages_stay(tmp_path: Path) -> None:
    read = Page(page(stored(tmp_path, raced()), "kind=hedge"))
    assert [row[0] for row in read.rows] == [6, 2, 1]
    assert read.facts["conditions"] == ["kind=hedge"]


def test_a_trace_too_long_for_a_page_is_shortened_and_says_so(tmp_path: Path) -> None:
    many = [*raced(), *(span(number) for number in range(8, 2008))]
    read = Page(page(stored(tmp_path, many), max_spans=1500))
    assert len(read.rows) == 1500
    assert read.facts["total"] == 2007
    assert {1, 2} <= {row[0] for row in read.rows}


def shown(file: Path, filters: str = "") -> str:
    """The document as a browser has it, after the page's script ran."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={file.parent}/profile",
    ]
    command += ["--virtual-time-budget=5000", "--dump-dom", f"{file.as_uri()}#{filters}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    return done.stdout


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_shows_the_tree_a_filter_and_the_details_of_a_span(tmp_path: Path) -> None:
    file = tmp_path / "trace.html"
    file.write_text(page(stored(tmp_path, raced())))
    document = shown(file, "kind=hedge&span=4")
    assert "1 of 7 spans match" in document
    rows = re.findall(r'class="row ([^"]*)".*?class="name">([^<]*)', document)
    assert [(name, "aside" in classes) for classes, name in rows] == [
        ("race me", True), ("backend_call", True), ("model · e4", True), ("hedge model · e4", False),
    ]  # fmt: skip
    assert "<strong>race: hedge model</strong>" in document


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_runs_nothing_that_a_run_said(tmp_path: Path) -> None:
    file = tmp_path / "trace.html"
    file.write_text(page(stored(tmp_path, hostile())))
    document = shown(file, "span=14")
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in document
    assert "⟨U+202E⟩" in document
    assert "<img" not in document


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_draws_only_the_rows_in_view_of_a_long_trace(tmp_path: Path) -> None:
    file = tmp_path / "trace.html"
    file.write_text(page(stored(tmp_path, [*raced(), *(span(number) for number in range(8, 20_008))])))
    document = shown(file, "text=/^model/&span=9000")
    assert "20,003 of 20,007 spans match" in document
    assert document.count('role="row"') < 100
    assert "model · e9000" in document
