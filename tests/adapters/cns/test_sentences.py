from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crucible.adapters.cns import match_sentence, split_sentences


@pytest.mark.parametrize(
    "text",
    [
        "We saw a rise (Smith et al. 2009) in all groups.",
        "Several agents, e.g. Aspirin, were used, i.e. None was new.",
        "The effect (Fig. 2B) was large (P < 0.05; 95% CI 0.24-1.12).",
        "Strain E. Coli K12 vs. Wild type was compared.",
        "Data by J. K. Smith were used.",
        "See no. 7 for details.",
        "The dose was 0.5 mg.",
    ],
)
def test_abbreviations_initials_and_decimals_do_not_end_a_sentence(text: str) -> None:
    assert split_sentences(text) == (text,)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One ends. Two ends! Does three? Four.", 4),
        ("It fell (P = .02). The rest did not.", 2),
        ("We gave vitamin D. We measured it.", 2),
        ("This was seen in group A. The others died.", 2),
        ('He said "stop." Then he left.', 2),
        ("METHODS We looked. RESULTS 32 rats lived. 16 of them slept.", 3),
        ("As shown by Smith et al. The rest is new.", 2),
    ],
)
def test_sentences_are_cut_where_they_end(text: str, count: int) -> None:
    assert len(split_sentences(text)) == count


@given(st.text(alphabet='ABab01.!? ()"e.gvs\n\t'))
def test_sentences_joined_give_the_text_again(text: str) -> None:
    parts = split_sentences(text)
    assert " ".join(parts) == " ".join(text.split())
    assert all(parts)


SENTENCES = (
    "Median sleep was longer in the amber weeks.",
    "Pain scores did not differ between groups.",
    "The gain appeared in every bay.",
    "Staff found the light tiring.",
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Pain scores did  not differ BETWEEN groups.", (1,)),
        ("scores did not differ between groups", (1,)),
        (f"{SENTENCES[1]} {SENTENCES[2]}", (1, 2)),
        (f"{SENTENCES[0]} {SENTENCES[3]}", (0, 3)),
        (f"It says: {SENTENCES[2]}", (2,)),
        ("The gain appeared in each bay.", (2,)),
        ("Cats purr loudly.", ()),
        ("the", ()),
        ("", ()),
    ],
)
def test_a_text_is_matched_with_the_sentences_it_covers(text: str, found: tuple[int, ...]) -> None:
    assert match_sentence(text, SENTENCES) == found


def test_nothing_matches_no_sentences() -> None:
    assert match_sentence("A text.", ()) == ()
