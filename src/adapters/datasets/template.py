"""A prompt template: a text with ``{key}`` in it, filled from each row.

Called by the loaders for ``dataset.options.template``, so that a data file need not hold prompts. It is no
template language: a key (with dots into objects) and nothing else, no formats, no conditions, no code.
Doubled braces stand for the braces themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["Template", "parse_template"]

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NO_KEY = re.compile(r"[\[\]!:]|^\s|\s$|^$")


class Template:
    """Texts and keys by turns."""

    def __init__(self, texts: list[str], keys: list[str]) -> None:
        self._texts, self.keys = texts, tuple(keys)

    def fill(self, value_of: Callable[[str], str]) -> str:
        """The text with the value of each key; a value's own braces mean nothing."""
        filled = [self._texts[0]]
        for key, text in zip(self.keys, self._texts[1:], strict=True):
            filled += (value_of(key), text)
        return "".join(filled)


def parse_template(template: str) -> Template:
    """Raises ValueError for what is no plain ``{key}``, and for a template without one."""
    texts, keys, after = [""], list[str](), 0
    for part in _PART.finditer(template):
        texts[-1] += template[after : part.start()]
        after = part.end()
        if part[0] in ("{{", "}}"):
            texts[-1] += part[0][0]
            continue
        if part[1] is None:
            raise ValueError(f"{part[0]!r} stands alone; write {part[0] * 2!r} for the brace itself")
        if _NO_KEY.search(part[1]):
            raise ValueError(f"expected a plain {{key}}, got {part[0]!r}; write '{{{{' for a brace itself")
        keys.append(part[1])
        texts.append("")
    texts[-1] += template[after:]
    if not keys:
        raise ValueError("no {key} in it: every row would have the same prompt")
    return Template(texts, keys)
