"""Guards: text that should not reach a model, and text that should not leave it."""

from .guard import RuleGuard
from .options import GuardOptions

__all__ = ["GuardOptions", "RuleGuard"]
