"""Stores of the durable queue, one contract for all: ``actors.store.Store``."""

from .memory import MemoryStore

__all__ = ["MemoryStore"]
