"""Reads the documents and the stated claim out of a prompt.

    Passage:
    Document 12: Title

    Abstract as one paragraph or several.

    Task:
    ...

Called by the metrics and by backends that work from the passage. Markers stand at the start of a line and are
matched as written. A line ``Claim: ...`` states the claim of a verification prompt and ends the passage like
``Task:`` does. Nothing is guessed: a prompt without these markers has no documents.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ...messages.claims import PassageDocument
from .sentences import split_sentences

__all__ = ["parse_passage", "stated_claim"]

_PASSAGE = re.compile(r"^Passage:[ \t]*", re.MULTILINE)
_END = re.compile(r"^(?:Task|Claim):", re.MULTILINE)
_HEADER = re.compile(r"^Document ([^\s():]{1,100}):([^\n]*)$", re.MULTILINE)
_CLAIM = re.compile(r"^Claim:([^\n]*)$", re.MULTILINE)


@lru_cache(maxsize=32)  # all systems and stages ask about the same prompt one after another
def parse_passage(prompt: str) -> tuple[PassageDocument, ...]:
    """The documents of the passage in order.

    A passage without any ``Document <id>:`` line is one document with an empty id and title. An id that
    comes twice gives two documents.
    """
    marker = _PASSAGE.search(prompt)
    start = marker.end() if marker else 0
    end = _END.search(prompt, start)
    passage = prompt[start : end.start() if end else len(prompt)]
    headers = list(_HEADER.finditer(passage))
    if not headers:
        sentences = _sentences(passage) if marker else ()
        return (PassageDocument(id="", title="", sentences=sentences),) if sentences else ()
    bounds = [header.start() for header in headers[1:]] + [len(passage)]
    return tuple(
        PassageDocument(
            id=header[1],
            title=" ".join(header[2].split()),
            sentences=_sentences(passage[header.end() : bound]),
        )
        for header, bound in zip(headers, bounds, strict=True)
    )


def stated_claim(prompt: str) -> str | None:
    """The claim that a prompt asks to verify: the first ``Claim:`` line with text, None when there is none.

    When nothing follows on the line itself, the next line that is not blank is taken.
    """
    match = _CLAIM.search(prompt)
    if match is None:
        return None
    text = " ".join(match[1].split())
    if not text:
        rest = prompt[match.end() :].lstrip()
        text = " ".join(rest.partition("\n")[0].split())
    return text or None


def _sentences(text: str) -> tuple[str, ...]:
    return tuple(sentence for line in text.split("\n") for sentence in split_sentences(line))
