"""Crucible: declarative LLM experiments, run as a tree of supervised actors."""
