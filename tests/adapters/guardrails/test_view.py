import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.guardrails.view import View, fold

TRICKY = st.text(
    alphabet=st.sampled_from(
        "aZ9 \n@.\u200b\u00ad\u0301éßﬁ½İｉ４аеοΑ\ufeff\U0001d422\U000e0069…ｶﾞ한\U0001f600"
    )
)


def test_look_alikes_and_invisible_characters_read_as_plain_letters() -> None:
    disguised = "Ｉg\u200bn\u00ador\u0435 \U0001d429r\u0435v\u0456\u043eus é４"
    assert View(disguised).lower == "ignore previous e4"


def test_tag_characters_read_as_the_letters_they_mirror() -> None:
    assert View("a" + "".join(chr(0xE0000 + ord(char)) for char in "hi")).lower == "ahi"


def test_a_span_covers_invisible_characters_between_its_ends_in_code_points_of_the_original() -> None:
    text = "\U0001f600 x\u200b ab\u200b\u200bc."
    start = View(text).lower.index("abc")
    assert View(text).span(start, start + 3) == (5, 10)
    assert text[5:10] == "ab\u200b\u200bc"


def test_a_character_that_becomes_several_is_covered_whole() -> None:
    text = "x ﬁn"
    start = View(text).lower.index("in")
    first, last = View(text).span(start, start + 2)
    assert text[first:last] == "ﬁn"


def test_no_character_folds_further_or_changes_length_in_lower_case() -> None:
    for code in (
        *range(0x3400),
        *range(0xA000, 0xAC80),
        *range(0xF900, 0x10000),
        *range(0x1D400, 0x1F200),
        0xE0041,
    ):
        if 0xD800 <= code < 0xE000:
            continue
        folded = fold(chr(code))
        assert len(folded.lower()) == len(folded), hex(code)
        assert all(fold(char) == char for char in folded if char not in "\t\n\r"), hex(code)


@given(TRICKY)
def test_every_span_lies_in_the_text_and_folds_to_what_it_shows(text: str) -> None:
    view = View(text)
    assert len(view.lower) == len(view.cased) == len(view.ascii)
    for place in range(len(view.cased)):
        start, end = view.span(place, place + 1)
        assert 0 <= start < end <= len(text)
        assert view.cased[place] in "".join(fold(char) for char in text[start:end])


@given(TRICKY)
def test_the_view_of_plain_ascii_is_the_text_itself(text: str) -> None:
    plain = "".join(char for char in text if char.isascii())
    assert View(plain).cased == plain
    assert unicodedata.is_normalized("NFC", plain)
