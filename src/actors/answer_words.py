"""The words of a short answer, so that ``**Paris.**`` and ``paris`` are the same answer.

Called by the scores that compare an answer with its reference. The rules are those of SQuAD's official
script (Rajpurkar et al. 2016: lower case, punctuation out, articles out, blanks fixed), with Unicode's
punctuation as in MLQA's (Lewis et al. 2020), on the form NFKC. They differ from the script where it makes
different answers equal:

- A number keeps its sign, and ``.``, ``,``, ``:``, ``/``, ``^`` and ``-`` between two digits (``-3.5``,
  ``1/2``, ``10:30``); other marks there are a blank (``2+3=5``). A comma that groups thousands goes.
- ``+`` and ``#`` at the end of a word stay (``C++``, ``C#``).
- An article goes only in front of a word of its line, so an answer ``A`` and ``vitamin A`` keep theirs.
- A text that is nothing but punctuation is compared as it stands, without the Markdown around it.
- Scripts that put no blanks between words (Chinese, Japanese, Thai, ...) count each character as a word.

It does not judge meaning: ``NYC`` and ``New York City`` are different words.
"""

from __future__ import annotations

import re
import string
import unicodedata
from functools import lru_cache

__all__ = ["METHOD", "holds_words", "unified", "words_of"]

METHOD = "words normalised as in SQuAD"

_MINUS = re.compile("[\u2010-\u2013\u2212]")
_LONG_DASH = re.compile("[\u2014\u2015]")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴-⁹]+")
_MIXED = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
_THOUSANDS = re.compile(r"(?<![\w.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_ARTICLE = re.compile(r"(?<!\S)[^\w\s]*(?:an?|the)(?=[^\S\n][^\w\n]*\w)")
_MARK = re.compile(
    r"(?=[^\w\s]|_)(?:"  # a mark at all: letters are passed over at once
    r"((?<=[0-9])[.,:/^-](?=[0-9])"  # between two digits
    r"|(?<!\w)-(?=[^\w\s]?\.?[0-9])"  # the sign of a number, also before a currency sign
    r"|(?<!\w)\.(?=[0-9])"  # .5
    r"|(?<=\w)(?:\+{1,2}|\#)(?!\w))"  # C++, C#
    r"|((?<=[0-9])[^\w\s](?=[0-9]))"  # between two digits, which it keeps apart: 2+3=5
    r"|.)"
)
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"  # Japanese and Chinese
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_ASCII = frozenset(string.punctuation)


@lru_cache(maxsize=16)  # several scores ask for the same answer, several systems for the same reference
def words_of(text: str) -> tuple[str, ...]:
    """The words of ``text`` as they are compared; none for a text of blanks."""
    plain = unified(text)
    bare = _MARK.sub(_kept, _ARTICLE.sub(" ", plain))
    words = bare.split() if bare.isascii() else _WORD.findall(bare)
    return tuple(words or (plain.strip("*_`~ \t\n") or plain).split())


def holds_words(words: tuple[str, ...], part: tuple[str, ...]) -> bool:
    """Whether ``part`` stands in ``words``, whole and in a row."""
    size = len(part)
    return bool(size) and any(
        words[at] == part[0] and words[at : at + size] == part for at in range(len(words) - size + 1)
    )


def unified(text: str) -> str:
    """Lower case, form NFKC, one kind of minus; 10² stays apart from 102, and 3½ from 31/2."""
    if not text.isascii():
        text = _MIXED.sub(" ", _SUPERSCRIPT.sub(lambda found: "^" + found[0], text))
        text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
        text = _LONG_DASH.sub(" ", _MINUS.sub("-", text))
    return _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text.casefold())


def _kept(mark: re.Match[str]) -> str:
    """A mark that makes a difference, or that is no punctuation; else nothing, or a blank between digits."""
    found = mark[0]
    if mark[1]:
        return found
    if mark[2]:
        return " "
    if found in _ASCII:
        return ""
    category = unicodedata.category(found)
    return "" if category[0] == "P" or category == "Sc" else found
