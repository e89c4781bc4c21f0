"""Personal data: e-mail and IP addresses, telephone, social security, payment card and bank account numbers.

Called by the guard with a view. Check sums (Luhn 1960, ISO 7064 mod 97) and shapes decide, not length:
plain numbers, identifiers and URLs are not personal data. It deliberately does not look for names, postal
addresses or dates of birth, which need a language model, nor for credentials, see ``credentials.py``.

Digit shapes are looked for in a skeleton of the text in which every digit is "0"; a pattern runs only when
its shape is there, so that text full of numbers stays cheap.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from .rules import Hit
from .view import View

__all__ = ["CATEGORIES", "find", "iban_valid", "luhn_valid"]

CATEGORIES = ("email", "phone", "ssn", "card", "iban", "ip")

_SKELETON = bytes(48 if 48 <= code <= 57 else code for code in range(256))
_LOCAL = "abcdefghijklmnopqrstuvwxyz0123456789._%+-'àâäçéèêëîïôöùûü"
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,62})\.){1,6}[a-z]{2,24}(?![\w-])")
_SPELLED_EMAIL = re.compile(
    r"(?<![\w.])[\w.+-]{1,40} ?[\[(] ?at ?[\])] ?"
    r"(?:[\w-]{1,40} ?[\[(] ?dot ?[\])] ?|[\w-]{1,40}\.){1,4}[a-z]{2,24}\b"
)
_INTERNATIONAL = re.compile(r"(?<![\w+./=])\+[1-9](?:[ .()/-]{0,2}[0-9]){7,14}(?![0-9])")
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.+/=-])(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?[0-9]{3}[ .-]|[2-9][0-9]{2}([-. ])[0-9]{3}\1)"
    r"[0-9]{4}(?![\w-]|\.[0-9])"
)
_LONG_NUMBER = re.compile(r"(?<![\w.+/=-])\(?[0-9](?:[ .()/-]{0,2}[0-9]){6,13}(?![0-9])")
_PHONE_WORD = re.compile(
    r"\b(?:tel|telephone|phone(?: number| no\.?)?|mobile|fax|whatsapp|call(?: me)?(?: on| at)?"
    r"|ring|sms)(?: is)?[ .:#]{1,4}\Z"
)
_NORTH_AMERICAN_SHAPES = (b"000-000-0000", b"000.000.0000", b"000 000 0000", b"00) 000", b"00)000")
_PHONE_WORDS = frozenset({"tel", "telephone", "phone", "mobile", "fax", "whatsapp", "call", "ring", "sms"})
_SSN = re.compile(
    r"(?<![\w.+/=-])(?!000|666|9)[0-9]{3}([- ])(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![\w-]|\.[0-9])"
)
_NAMED_SSN = re.compile(
    r"\b(?:ssn|social security(?: (?:number|no\.?))?)[ :#]{0,3}(?:is )?((?!000|666|9)[0-9]{9})(?![0-9])"
)
# In a lookahead, because a wrong candidate must not swallow the beginning of a right one.
_CARD = re.compile(
    r"(?<![\w.+/=-])(?=((?:[2-6][0-9]{3}([ -])[0-9]{4}\2[0-9]{4}\2[0-9]{4}"
    r"|3[47][0-9]{2}([ -])[0-9]{6}\3[0-9]{5}|[2-6][0-9]{12,18})(?![\w-]|\.[0-9])))"
)
_IBAN_START = re.compile(r"(?<![\w-])[a-z]{2}[0-9]{2}")
_IPV4 = re.compile(r"(?<![\w.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f:]{6,39}(?![\w:])")
_NOT_AN_IP = re.compile(r"(?:\bec|\btc|version|\bver\.?|\bv|release|section|chapter|build)[ .:#]{0,3}\Z")
_IP_CONTEXT = re.compile(r"\b(?:ip|ips|ipv4|address|host|server|client|from|ping|ssh|logged)\b")
_IBAN_LENGTHS = {
    "ad": 24, "ae": 23, "al": 28, "at": 20, "az": 28, "ba": 20, "be": 16, "bg": 22, "bh": 22, "br": 29,
    "by": 28, "ch": 21, "cr": 22, "cy": 28, "cz": 24, "de": 22, "dk": 18, "do": 28, "ee": 20, "eg": 29,
    "es": 24, "fi": 18, "fo": 18, "fr": 27, "gb": 22, "ge": 22, "gi": 23, "gl": 18, "gr": 27, "gt": 28,
    "hr": 21, "hu": 28, "ie": 22, "il": 23, "iq": 23, "is": 26, "it": 27, "jo": 30, "kw": 30, "kz": 20,
    "lb": 28, "lc": 32, "li": 21, "lt": 20, "lu": 20, "lv": 21, "mc": 27, "md": 24, "me": 22, "mk": 19,
    "mr": 27, "mt": 31, "mu": 30, "nl": 18, "no": 15, "pk": 24, "pl": 28, "ps": 29, "pt": 25, "qa": 29,
    "ro": 24, "rs": 22, "sa": 24, "sc": 31, "se": 24, "si": 19, "sk": 24, "sm": 27, "sv": 28, "tl": 23,
    "tn": 24, "tr": 26, "ua": 29, "va": 22, "vg": 24, "xk": 20,
}  # fmt: skip


def luhn_valid(digits: str) -> bool:
    """Whether the check digit of a digit string holds (Luhn, US patent 2 950 048, 1960)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_valid(compact: str) -> bool:
    """Whether an IBAN without spaces has its country's length and check digits (ISO 13616, ISO 7064)."""
    if _IBAN_LENGTHS.get(compact[:2].lower()) != len(compact):
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def find(view: View) -> list[Hit]:
    """Hits at offsets of the original text."""
    return [hit.at(view.span(hit.start, hit.end)) for hit in _search(view)]


def _search(view: View) -> Iterator[Hit]:
    text = view.lower
    if "@" in text:
        yield from _emails(text)
    if "at" in view.words and any(shape in text for shape in ("at]", "at)", "at ]", "at )")):
        yield from (
            Hit("spelled_email", "email", 0.85, *match.span()) for match in _SPELLED_EMAIL.finditer(text)
        )
    if not view.numbered:
        return
    skeleton = view.ascii.translate(_SKELETON)
    yield from _phones(view, skeleton)
    yield from _ssns(text, skeleton)
    yield from _cards(text, skeleton)
    if any(word[2:4].isdigit() and word[:2] in _IBAN_LENGTHS for word in view.numbered):
        yield from _ibans(text)
    yield from _ips(text, skeleton)


def _emails(text: str) -> Iterator[Hit]:
    at = text.find("@")
    while at >= 0:
        before = text[max(0, at - 64) : at]
        local = before[len(before.rstrip(_LOCAL)) :].lstrip(".-'%")
        domain = _DOMAIN.match(text, at + 1)
        if domain and local and local != "git" and not _in_url_path(text[max(0, at - 256) : at]):
            yield Hit("email", "email", 0.95, at - len(local), domain.end())
        at = text.find("@", at + 1)


def _in_url_path(before: str) -> bool:
    word = before[max(before.rfind(" "), before.rfind("\n")) + 1 :]
    scheme = word.find("://")
    return scheme >= 0 and "/" in word[scheme + 3 :]


def _phones(view: View, skeleton: bytes) -> Iterator[Hit]:
    text = view.lower
    if b"+" in skeleton:
        for match in _INTERNATIONAL.finditer(text):
            if max(map(len, re.findall("[0-9]+", match.group()))) >= 3:
                yield Hit("international", "phone", 0.9, *match.span())
    if any(shape in skeleton for shape in _NORTH_AMERICAN_SHAPES):
        for match in _NORTH_AMERICAN.finditer(text):
            confident = "(" in match.group() or "-" in match.group() or "." in match.group()
            yield Hit("north_american", "phone", 0.85 if confident else 0.6, *match.span())
    if not _PHONE_WORDS.isdisjoint(view.words):
        for match in _LONG_NUMBER.finditer(text):
            if _PHONE_WORD.search(text[max(0, match.start() - 24) : match.start()]):
                yield Hit("named_phone", "phone", 0.85, *match.span())


def _ssns(text: str, skeleton: bytes) -> Iterator[Hit]:
    named = "ssn" in text or "social security" in text
    if b"000-00-0000" in skeleton or (b"000 00 0000" in skeleton and named):
        for match in _SSN.finditer(text):
            if named or match.group(1) == "-":
                yield Hit("ssn", "ssn", 0.95 if named else 0.85, *match.span())
    if named:
        for match in _NAMED_SSN.finditer(text):
            yield Hit("named_ssn", "ssn", 0.9, *match.span(1))


def _cards(text: str, skeleton: bytes) -> Iterator[Hit]:
    shapes = (
        b"0000 0000 0000 0000",
        b"0000-0000-0000-0000",
        b"0000 000000 00000",
        b"0000-000000-00000",
        b"0" * 13,
    )
    if not any(shape in skeleton for shape in shapes):
        return
    for match in _CARD.finditer(text):
        digits = match.group(1).replace(" ", "").replace("-", "")
        if _issued(digits) and luhn_valid(digits):
            yield Hit("card", "card", 0.98, *match.span(1))


def _issued(digits: str) -> bool:
    """Whether prefix and length belong to a large card scheme."""
    first, length = int(digits[:4]), len(digits)
    if digits[0] == "4":
        return length in {13, 16, 19}
    if digits[:2] in {"34", "37"}:
        return length == 15
    if 3000 <= first <= 3059 or digits[:2] in {"36", "38"}:
        return length == 14
    master = 5100 <= first <= 5599 or 2221 <= first <= 2720
    return length == 16 and (master or first == 6011 or 6440 <= first <= 6599 or 3528 <= first <= 3589)


def _ibans(text: str) -> Iterator[Hit]:
    for match in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(match.group()[:2])
        if length is None:
            continue
        start, end, compact = match.start(), match.start(), ""
        while end < min(len(text), start + 2 * length) and len(compact) < length and _in_iban(text[end]):
            compact += text[end].strip()
            end += 1
        whole = end == len(text) or not text[end].isalnum()
        if whole and iban_valid(compact):
            yield Hit("iban", "iban", 0.97, start, end)


def _in_iban(char: str) -> bool:
    return char == " " or (char.isascii() and char.isalnum())


def _ips(text: str, skeleton: bytes) -> Iterator[Hit]:
    if skeleton.count(b".0") >= 3 and b"0.0.0.0" in skeleton.replace(b"000", b"0").replace(b"00", b"0"):
        for match in _IPV4.finditer(text):
            confidence = _ipv4_confidence(match.group(), text[max(0, match.start() - 40) : match.start()])
            if confidence:
                yield Hit("ipv4", "ip", confidence, *match.span())
    if b"::" in skeleton or skeleton.count(b":") >= 7:
        for match in _IPV6.finditer(text):
            if _is_ipv6(match.group()):
                yield Hit("ipv6", "ip", 0.88, *match.span())


def _ipv4_confidence(address: str, before: str) -> float:
    parts = [int(part) for part in address.split(".")]
    if max(parts) > 255 or parts[0] in {0, 127, 255} or _NOT_AN_IP.search(before):
        return 0.0
    if _IP_CONTEXT.search(before):
        return 0.9
    if parts[0] == 10 or parts[:2] == [192, 168] or parts[0] <= 8:
        return 0.5  # a private address, or a section or enzyme number
    return 0.85


def _is_ipv6(token: str) -> bool:
    if token.count(":") < 3 or not any(char.isdigit() for char in token):
        return False
    try:
        address = ipaddress.IPv6Address(token)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)
