"""Document to one self-contained HTML file: no scripts, no requests, light and dark, phone and desk.

Every string goes through ``visible`` and Jinja's autoescape; the only markup let in is our own SVG. A content
security policy forbids all but inline styles, should an escape ever fail.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from ...messages.report import RunReport
from .document import Document
from .text import visible

__all__ = ["render_html"]


def render_html(document: Document, report: RunReport) -> str:
    """The page as text."""
    from jinja2 import BaseLoader, Environment, StrictUndefined
    from markupsafe import Markup

    from .plots import draw_plots

    folder = files(__package__) / "templates"

    class Packaged(BaseLoader):
        def get_source(self, environment: Environment, template: str) -> tuple[str, None, None]:  # noqa: ARG002
            return (folder / template).read_text(encoding="utf-8"), None, None

    def finalize(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=Packaged(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    wanted = {name for section in document.sections for name in section.figures}
    plots = {
        name: [(Markup(plot.svg), plot) for plot in drawn]  # noqa: S704 - drawn by us, its texts escaped
        for name, drawn in draw_plots(report, wanted).items()
    }
    css = Markup((folder / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return environment.get_template("report.html.j2").render(document=document, plots=plots, css=css)
