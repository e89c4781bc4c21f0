"""Plots as files: whole, in real colours, the same for the same report."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from crucible.adapters.reports import plots
from crucible.adapters.reports.plots.figure import VARIABLES
from crucible.adapters.reports.plots.files import LIGHT, plot_files
from crucible.adapters.reports.sink import FileReportSink
from crucible.messages.experiment import OutputSpec
from crucible.messages.report import RunReport


@pytest.fixture
def files(report: RunReport) -> dict[str, bytes]:
    return dict(plot_files(report, ("svg", "png")))


def test_every_plot_has_a_drawing_and_a_picture(files: dict[str, bytes]) -> None:
    stems = {name.rsplit(".", 1)[0] for name in files}
    assert {"differences", "intervals", "detectable", "distributions", "losses"} <= stems
    assert set(files) == {f"{stem}.{ending}" for stem in stems for ending in ("svg", "png")}


def test_a_drawing_is_whole_without_a_page(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if name.endswith(".svg"):
            root = ET.fromstring(content)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert b"var(" not in content
            described = root.find("{http://www.w3.org/2000/svg}desc")
            assert described is not None
            assert described.text


def test_a_picture_has_300_dots_an_inch_and_no_stand_in_colour(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if name.endswith(".png"):
            image = Image.open(io.BytesIO(content))
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
            assert tuple(pixels[0]) == (255, 255, 255)
            for stand_in in VARIABLES:
                wrong = np.rint(np.array(to_rgb(stand_in)) * 255)
                assert not (pixels == wrong).all(axis=1).any(), (name, stand_in)


def test_the_model_has_its_colour_in_the_picture_of_scores(files: dict[str, bytes]) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(files["intervals.png"])).convert("RGB")).reshape(-1, 3)
    assert (pixels == np.rint(np.array(to_rgb(LIGHT["--s0"])) * 255)).all(axis=1).sum() > 100


def test_the_colours_are_those_of_the_light_page() -> None:
    css = (Path(plots.__file__).parents[1] / "templates" / "report.css").read_text()
    light = css[: css.index("@media")]
    assert {name: value for name, value in re.findall(r"(--\w+): (#\w+)", light) if name in LIGHT} == LIGHT


def test_equal_reports_give_equal_bytes(report: RunReport, files: dict[str, bytes]) -> None:
    assert dict(plot_files(report, ("svg", "png"))) == files


def test_the_sink_names_plots_after_the_report(tmp_path: Path, build: Callable[[str], RunReport]) -> None:
    outputs = (OutputSpec(name="paper", formats=("png",)), OutputSpec(name="talk", formats=("svg", "json")))
    written = FileReportSink(tmp_path, outputs).finish(build("CLAIM[c1]: water boils"))
    names = {artifact.name: artifact.media_type for artifact in written}
    assert names["paper-differences.png"] == "image/png"
    assert names["talk-differences.svg"] == "image/svg+xml"
    assert "talk.json" in names
    assert "paper-differences.svg" not in names
    assert "paper.png" not in names
