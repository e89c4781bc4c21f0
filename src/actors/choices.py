"""Which of the options of a multiple-choice row an answer chose.

Options stand in the row, under ``choices`` or ``options``: a list of texts, an object of texts by letter
(``{"A": "Paris"}``), or ``{"label": [...], "text": [...]}`` as in ARC. Called by the scores that compare an
answer with its reference, and by the loaders to write options into a prompt. An answer that names several
options, or none, chose none; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_uppercase
from typing import Any, NamedTuple

from .answer_words import holds_words, words_of

__all__ = ["CHOICE_KEYS", "Option", "chosen", "lettered", "options_of", "right_option"]

CHOICE_KEYS = ("choices", "options")


class Option(NamedTuple):
    """One of the answers to choose from."""

    label: str
    text: str
    words: tuple[str, ...]


def options_of(fields: Mapping[str, Any]) -> tuple[Option, ...]:
    """The options of a row; none when it has no two of them."""
    for key in CHOICE_KEYS:
        found = _pairs(fields.get(key))
        if len(found) > 1:
            return tuple(Option(label, text, words_of(text)) for label, text in found)
    return ()


def lettered(value: Any) -> str | None:
    """Options as the lines of a prompt, ``A. Paris``; None when ``value`` is not options."""
    found = _pairs(value)
    return "\n".join(f"{label}. {text}" for label, text in found) if found else None


def right_option(options: Sequence[Option], reference: str) -> int | None:
    """The option that the reference names, by its letter or its text; None when it names none."""
    by_text = _only(at for at, option in enumerate(options) if option.words == words_of(reference))
    if by_text is not None:
        return by_text
    label = reference.strip().strip("().")
    return _only(at for at, option in enumerate(options) if option.label.casefold() == label.casefold())


def chosen(options: Sequence[Option], answer: str) -> int | None:
    """The option that ``answer`` names.

    The first rule that finds one decides: the whole answer is a text or a letter; what follows the last
    "answer is", "answer:" and the like; a letter at the start (``B.``, ``(B)``, ``B because``); one letter in
    brackets or bold anywhere; the text of just one option; a letter at the end.
    """
    whole = right_option(options, answer.strip().strip("*_`"))
    if whole is not None:
        return whole
    labels = {option.label: at for at, option in enumerate(options)}
    label = f"(?:{'|'.join(re.escape(each) for each in sorted(labels, key=len, reverse=True))})"
    said = list(_SAID.finditer(answer))
    if said:
        rest = answer[said[-1].end() :]
        found = re.match(rf"[\W_]*({label})(?!\w)(?!['’])", rest)
        if found is not None and not _is_article(found[1], rest[found.end() :]):
            return labels[found[1]]
        begun = _longest(options, [at for at, o in enumerate(options) if _begins(words_of(rest), o.words)])
        if begun is not None:
            return begun
    found = re.match(rf"[\s*_(\[]*({label})(?:[*_]*[.):\]](?!\w)|[*_]+(?!\w)|\s)", answer)
    if found is not None and (found[1] not in ("A", "I") or not found[0][-1].isspace()):
        return labels[found[1]]
    marks = rf"(?:[(\[{{]|\*\*|(?i:option|choice|answer)[ *_]+)({label})(?:[)\]}}.:]|\*\*|(?!\w))"
    marked = {each[1] for each in re.finditer(marks, answer)}
    if len(marked) == 1:
        return labels[marked.pop()]
    named = _named(options, words_of(answer))
    last = re.search(rf"(?<!\w)({label})[\s.!)\]*_]*$", answer[-_END:]) if named is None else None
    return named if last is None else labels[last[1]]


_END = 40
_SAID = re.compile(
    r"(?:answer|option|choice)(?:[\s*_]+(?:is|would be|should be|must be))?[\s*_]*(?:[:=]|(?<=is|be))",
    re.IGNORECASE,
)


def _is_article(label: str, rest: str) -> bool:
    """Whether this ``A`` is an article rather than the name of an option."""
    return label == "A" and re.match(r"[ \t]+[a-z]", rest) is not None


def _named(options: Sequence[Option], words: tuple[str, ...]) -> int | None:
    """The one option whose text stands in the answer; of two that overlap the longer."""
    return _longest(options, [at for at, option in enumerate(options) if holds_words(words, option.words)])


def _longest(options: Sequence[Option], found: Sequence[int]) -> int | None:
    return _only(
        at
        for at in found
        if not any(
            other != at
            and len(options[other].words) > len(options[at].words)
            and holds_words(options[other].words, options[at].words)
            for other in found
        )
    )


def _begins(words: tuple[str, ...], part: tuple[str, ...]) -> bool:
    return bool(part) and words[: len(part)] == part


def _only(found: Iterable[int]) -> int | None:
    """The one thing that was found; None when there are none or several."""
    each = list(found)
    return each[0] if len(each) == 1 else None


def _pairs(value: Any) -> list[tuple[str, str]]:
    """Labels and texts."""
    if isinstance(value, Mapping):
        if isinstance(value.get("text"), list) and isinstance(value.get("label"), list):
            labels, texts = value["label"], value["text"]
        else:
            labels, texts = list(value), list(value.values())
    elif isinstance(value, list):
        labels, texts = list(ascii_uppercase[: len(value)]), value
    else:
        return []
    plain = all(isinstance(each, str | int | float) and str(each).strip() for each in (*labels, *texts))
    if not plain or len(labels) != len(texts) or len(set(map(str, labels))) != len(labels):
        return []
    return [(str(label), str(text)) for label, text in zip(labels, texts, strict=True)]
