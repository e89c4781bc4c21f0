"""The HTTP API of the daemon: ``create_app`` makes it. Litestar is imported here and nowhere else."""

from .app import App, create_app
from .services import Services

__all__ = ["App", "Services", "create_app"]
