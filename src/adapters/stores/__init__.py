"""Stores of the durable queue, one contract for all: ``actors.store.Store``."""

from .memory import MemoryStore
from .opening import open_store
from .sqlite import SqliteStore

__all__ = ["MemoryStore", "SqliteStore", "open_store"]
