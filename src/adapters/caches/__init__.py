"""Caches of replies: ``ReplyFolder`` keeps them in a folder of plain files."""

from .folder import ReplyFolder
from .inspection import CacheFacts, clear, inspect

__all__ = ["CacheFacts", "ReplyFolder", "clear", "inspect"]
