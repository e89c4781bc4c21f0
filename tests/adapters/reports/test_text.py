import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.reports.numbers import duration, figure, p_value
from crucible.adapters.reports.text import clip, encode_json, fence, markdown_cell, visible


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [("\u202e", "⟨U+202E⟩"), ("\x00", "⟨U+0000⟩"), ("\x1b", "⟨U+001B⟩"), ("\u200b", "⟨U+200B⟩")],
)
def test_hidden_characters_are_shown(hidden: str, shown: str) -> None:
    assert visible(f"a{hidden}b") == f"a{shown}b"


def test_plain_text_tabs_and_line_feeds_stay() -> None:
    assert visible("β₁ = 3\n\tok, naïve 文") == "β₁ = 3\n\tok, naïve 文"


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_keeps_a_hidden_character_and_all_can_be_written(text: str) -> None:
    shown = visible(text)
    assert "\u202e" not in shown
    shown.encode()


def test_long_texts_are_cut_and_say_so() -> None:
    assert clip("x" * 1500, 100) == "x" * 100 + "… (1,400 more characters)"
    assert clip("short", 100) == "short"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a | b", r"a \| b"),
        ("<script>", "&lt;script&gt;"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("# title\nnext", r"\# title next"),
        ("1. item", "&#49;. item"),
        ("0.25 is a number", "0.25 is a number"),
        ("claim_f1", "claim_f1"),
        ("_emphasis_", r"\_emphasis\_"),
        ("see https://evil.example", "see https&#58;//evil.example"),
    ],
)
def test_markdown_signs_lose_their_meaning(text: str, escaped: str) -> None:
    assert markdown_cell(text) == escaped


@given(st.text(alphabet="`~ \na", max_size=40))
def test_no_text_breaks_out_of_its_fence(text: str) -> None:
    lines = fence(text).split("\n")
    ticks = lines[0].removesuffix("text")
    assert lines[-1] == ticks
    assert not any(line.strip().startswith(ticks) for line in lines[1:-1])


def test_half_a_surrogate_pair_does_not_stop_the_json() -> None:
    assert msgspec.json.decode(encode_json({"a\ud800": ["b\udfff", 1, None]})) == {
        "a\ufffd": ["b\ufffd", 1, None]
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.48334, "0.483"),
        (-0.5, "−0.500"),
        (1234567.0, "1,234,567"),
        (0.00001, "1.0e−05"),
        (None, "–"),
        (0.0, "0.000"),
    ],
)
def test_figures_have_sensible_digits(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_small_p_values_and_times_read_well() -> None:
    assert [p_value(0.0123), p_value(0.00001), p_value(None)] == ["0.012", "< 0.001", "–"]
    assert [duration(0.123), duration(12.34), duration(200), duration(7500)] == [
        "0.12 s", "12.3 s", "3 min 20 s", "2 h 05 min",
    ]  # fmt: skip
