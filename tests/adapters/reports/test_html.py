import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import msgspec
import pytest

from crucible.adapters.reports.build import build_document
from crucible.adapters.reports.html import render_html
from crucible.adapters.reports.numbers import figure, interval_text
from crucible.adapters.reports.plots import draw_plots
from crucible.messages.findings import Metric
from crucible.messages.report import RunReport

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects the tags, attributes, texts and ids of a page, and notes tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.cells: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.cells and ({"td", "th"} & set(self.open)):
            self.cells[-1] += data

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def render(report: RunReport) -> str:
    return render_html(build_document(report), report)


def render_texts(report: RunReport) -> str:
    """Without plots, which take most of the time."""
    document = build_document(report)
    sections = tuple(replace(section, figures=()) for section in document.sections)
    return render_html(replace(document, sections=sections), report)


@pytest.fixture(scope="module")
def html(report: RunReport) -> str:
    return render(report)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    assert page.tags.count("h1") == page.tags.count("main") == 1


def test_every_figure_and_comparison_is_shown_as_the_report_has_it(page: Page, report: RunReport) -> None:
    cells = [" ".join(cell.split()) for cell in page.cells]
    shown = [(metric.value, metric.interval) for stage in report.stages for metric in stage.figures]
    shown += [(c.difference, c.interval) for stage in report.stages for c in stage.comparisons]
    assert len(shown) == 12
    for value, interval in shown:
        assert f"{figure(value)} {interval_text(interval)}" in cells


def test_the_page_asks_nothing_of_anyone(page: Page) -> None:
    assert not {"script", "iframe", "object", "embed", "link", "form", "base"} & set(page.tags)
    policy = [value for value in page.values("content") if "default-src" in value]
    assert policy == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ]
    targets = page.values("href") + page.values("src") + page.values("xlink:href")
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert not any("url(http" in value for value in page.values("style"))


def test_links_inside_the_page_have_their_targets_and_ids_are_unique(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in page.values("href")} <= set(ids)


def test_every_plot_has_a_caption_and_words_for_those_who_do_not_see_it(page: Page) -> None:
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("div", "aria-label")]
    assert page.tags.count("figure") == page.tags.count("figcaption") == page.tags.count("svg") == 8
    assert any("claim_f1, tuned: 0.538 (0.499 to 0.576)" in words for words in labels)
    assert any("epoch 5: 0.320" in words for words in labels)


def test_plots_take_their_colours_from_the_page(html: str) -> None:
    assert "#0102" not in html
    assert "var(--s0)" in html
    assert "prefers-color-scheme: dark" in html


def contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_text_has_the_contrast_of_wcag_aa_in_both_themes(html: str) -> None:
    light, dark = html.split("prefers-color-scheme: dark")
    for theme in (light, dark.split("* { box-sizing")[0]):
        colours = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", theme))
        for ground in ("page", "card"):
            for name in ("ink", "muted", "better", "worse", "quiet", "link"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        assert all(contrast(colours[f"s{i}"], colours["page"]) >= 3 for i in range(6))


HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></details></script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<a href='javascript:alert(1)'>x</a>",
    "</style><style>*{display:none}</style>",
    "<svg onload=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "]]> <!-- -->",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_model_writes_is_shown_and_never_runs(build: Callable[[str], RunReport], text: str) -> None:
    hostile = Page(render_texts(build(text)))
    assert hostile.tags == Page(render_texts(build("harmless"))).tags
    assert text in "".join(hostile.text)


def test_names_cannot_carry_markup_either(report: RunReport) -> None:
    text = " ".join(HOSTILE)
    stages = []
    for stage in report.stages:
        figures = tuple(msgspec.structs.replace(m, name=text + m.name, reason=text) for m in stage.figures)
        comparisons = tuple(msgspec.structs.replace(c, metric=text, summary=text) for c in stage.comparisons)
        spread = tuple(msgspec.structs.replace(d, metric=text) for d in stage.distributions)
        shapes = tuple(msgspec.structs.replace(p, system=text) for p in stage.set_persistence)
        stages.append(
            msgspec.structs.replace(
                stage,
                figures=figures,
                comparisons=comparisons,
                distributions=spread,
                set_persistence=shapes,
                metrics={text: [text, {text: text}]},
                reason=text,
            )
        )
    spans = tuple(msgspec.structs.replace(span, name=text) for span in report.spans)
    changed = msgspec.structs.replace(report, stages=tuple(stages), spans=spans, failure=text, run_id=text)
    page = Page(render(changed))
    assert "svg" in page.tags
    assert not {name for _, name, _ in page.attributes if name.startswith("on")}
    assert not {"script", "img", "iframe"} & set(page.tags)


def test_hidden_characters_are_visible(build: Callable[[str], RunReport]) -> None:
    html = render_texts(build("safe\u202eelif\u202c \x1b[31m \u200b \ud800"))
    assert "safe⟨U+202E⟩elif⟨U+202C⟩ ⟨U+001B⟩[31m ⟨U+200B⟩ ⟨U+D800⟩" in html


def test_huge_answers_are_cut_in_the_report(build: Callable[[str], RunReport]) -> None:
    html = render_texts(build("x" * 1_000_000))
    assert len(html) < 100_000
    assert "more characters)" in html


def test_an_empty_failed_run_still_makes_a_page(report: RunReport) -> None:
    bare = msgspec.structs.replace(
        report,
        status="failed",
        failure="data_load: no such file",
        stages=(),
        spans=(),
        excerpts=(),
        dataset=None,
    )
    page = Page(render(bare))
    assert "svg" not in page.tags
    assert "The run failed: data_load: no such file" in " ".join("".join(page.text).split())


def test_names_in_any_script_stay_text_in_plots(report: RunReport) -> None:
    names = ("主张 F1", "تكرار", "$\\frac{1}{$", "a\nb", "🙂" * 40)
    figures = tuple(Metric(name=name, value=0.5, n=1, method="", system="tuned") for name in names)
    stage = msgspec.structs.replace(report.stages[4], figures=figures, distributions=())
    changed = msgspec.structs.replace(report, stages=(stage,))
    svg = draw_plots(changed, {"intervals"})["intervals"][0].svg
    for text in ("主张 F1", "تكرار", "$\\frac{1}{$", "a b", "🙂" * 27 + "…"):
        assert text in svg


def test_extreme_figures_can_be_drawn(report: RunReport) -> None:
    odd = tuple(
        Metric(name=f"m{i}", value=value, n=1, method="", system="tuned")
        for i, value in enumerate((1e300, -5.0, 0.0, 1e-300))
    )
    stage = msgspec.structs.replace(report.stages[4], figures=odd, distributions=())
    changed = msgspec.structs.replace(report, stages=(stage,))
    assert draw_plots(changed, {"intervals"})["intervals"]
