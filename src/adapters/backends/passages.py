"""What the backends share that read nothing but the passage of a prompt: ``extractive`` and ``lead``."""

from __future__ import annotations

from ..cns import parse_passage

__all__ = ["NO_PASSAGE", "ReadsPassages"]

_PASSAGE = "'Passage:' and 'Document <id>: <title>'"
NO_PASSAGE = f"the prompt has no passage: expected {_PASSAGE}"


class ReadsPassages:
    """The contract ``Particular`` of these backends."""

    @property
    def needs(self) -> str:
        """A passage."""
        return f"a passage ({_PASSAGE})"

    def takes(self, prompt: str) -> bool:
        """Whether the prompt has a passage with a sentence."""
        return any(document.sentences for document in parse_passage(prompt))
