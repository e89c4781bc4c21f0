"""A normalised view of a text for matching, with a map back to the text's own code points.

Detectors match on the view, so look-alike letters, full-width digits, invisible characters and accents do not
hide a pattern; findings are reported in offsets of the original text. Called by the guard once per text.
It deliberately does not touch word order, spelling or spacing: ``hidden.py`` undoes those disguises.

Per character: NFKD, marks and invisible characters dropped, NFC, decimal digits to ASCII, look-alikes of
Latin letters (after Unicode TR 39, the common Cyrillic, Greek and small-capital ones) to Latin, dashes,
quotes and spaces to ASCII, tag characters (U+E0020..7E) to the ASCII they mirror. Rejected:
``unicodedata.normalize`` on the whole text, because it composes across characters and leaves no exact map.
"""

from __future__ import annotations

import re
import unicodedata

from .words import words_of

__all__ = ["View", "fold"]

_LATIN = "ABEKMHOPCTYXIJSDQWabekmhopctyxijsdqwlaeikvoptuxnwyABEZHIKMNOPTYXigalabcdefghijklmnoprstuvwyz"
_ALIKE = "АВЕКМНОРСТУХІЈЅԀԚԜавекмнорстухіјѕԁԛԝӏαεικνορτυχηωγΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡɑⅼᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ"
_LOOK_ALIKE = dict(zip(_ALIKE, _LATIN, strict=True))
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
_QUOTES = {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "−": "-"}
# Characters that folding leaves alone; the others are few in most texts.
_PLAIN = bytes([9, 10, 13, *range(32, 127)])
_FEW = 12
_folds: dict[str, str] = {}


def _fold_part(char: str) -> str:
    category = unicodedata.category(char)
    if category in {"Mn", "Me", "Cf", "Cc"} and char not in "\t\n\r":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    char = _LOOK_ALIKE.get(char) or _QUOTES.get(char) or char
    return char if len(char.lower()) == 1 else char.casefold()


def fold(char: str) -> str:
    """What one character becomes in the view: "" when it is invisible, else one or more characters."""
    known = _folds.get(char)
    if known is None:
        known = _folds[char] = _compute_fold(char)
    return known


def _compute_fold(char: str) -> str:
    code = ord(char)
    if 0xE0020 <= code <= 0xE007E:
        return chr(code - 0xE0000)
    if char in _FILLERS:
        return ""
    if char in {"\u2028", "\u2029", "\x0b", "\x0c", "\x85"}:
        return "\n"
    parts = unicodedata.normalize("NFKD", _LOOK_ALIKE.get(char, char))
    return unicodedata.normalize("NFC", "".join(_fold_part(part) for part in parts))


class View:
    """``cased``, ``lower`` and ``ascii`` have equal length; ``span`` maps offsets of all to the original.

    ``ascii`` is ``lower`` with "?" for what is not ASCII, ``words`` its words, ``numbered`` those of its
    words that do not consist of letters alone.
    """

    __slots__ = ("_origin", "ascii", "cased", "lower", "numbered", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.cased = text
        self._origin: list[int] | None = None
        special = text.encode("utf-8", "surrogatepass").translate(None, _PLAIN)
        if special:
            self._fold_text(set(special.decode("utf-8", "surrogatepass")))
        self.lower = self.cased.lower()
        self.ascii = self.lower.encode("ascii", "replace")
        self.words = words_of(self.lower, self.ascii)
        self.numbered = [word for word in self.words if not word.isalpha()]

    def _fold_text(self, alphabet: set[str]) -> None:
        folded = {char: fold(char) for char in alphabet}
        resized = [char for char, fold_ in folded.items() if len(fold_) != 1]
        if resized:
            self._origin = _origins(self.text, resized, folded)
        changed = {char: fold_ for char, fold_ in folded.items() if fold_ != char}
        if len(changed) > _FEW:
            self.cased = self.text.translate({ord(char): fold_ for char, fold_ in changed.items()})
        else:  # a fold never folds further, so the order does not matter
            for char, fold_ in changed.items():
                self.cased = self.cased.replace(char, fold_)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets [start, end) of the view, ``end > start``, in code points of the original text."""
        if self._origin is None:
            return start, end
        return self._origin[start], self._origin[end - 1] + 1


def _origins(text: str, resized: list[str], folded: dict[str, str]) -> list[int]:
    """The original offset of every view character; built run by run, so that it costs little."""
    origin: list[int] = []
    done = 0
    for match in re.finditer("[" + "".join(map(re.escape, resized)) + "]", text):
        here = match.start()
        origin.extend(range(done, here))
        origin.extend([here] * len(folded[text[here]]))
        done = here + 1
    origin.extend(range(done, len(text)))
    return origin
