"""The page on which runs are watched: a frame, fragments, drawings. No build, no remote asset."""

from litestar.types import ControllerRouterHandler

from . import pages, shell

__all__ = ["HANDLERS"]

HANDLERS: list[ControllerRouterHandler] = [*shell.HANDLERS, *pages.HANDLERS]
"""At the root, beside the API."""
